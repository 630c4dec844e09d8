r"""
aws-chunked: the content coding in which clients stream an object and sign or sum it at the end.

`<hex size>[;chunk-signature=...]\r\n<bytes>\r\n`, repeated; a chunk of size 0; then trailers, one a line
("Signature calculations: transferring payload in multiple chunks", Amazon S3 API Reference).
The chunks' own signatures are not checked; trailers are kept.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from transship.local.protocol_error import AwsError

if TYPE_CHECKING:
    from werkzeug.datastructures import Headers

_LINE_LIMIT = 4096
"""Bytes of a chunk header or a trailer."""


class AwsChunkedReader(io.RawIOBase):
    """The bytes inside an aws-chunked body; `trailers` is filled at the end."""

    def __init__(self, source: io.RawIOBase) -> None:
        self._source = io.BufferedReader(source, 1 << 16)
        self._left = 0
        self._done = False
        self.trailers: dict[str, str] = {}

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill *buffer* from the current chunk; return 0 at the end."""
        if not self._left and not self._done:
            self._next_chunk()
        if self._done:
            return 0
        count = self._source.readinto(memoryview(buffer)[: self._left])
        if not count:
            raise AwsError("IncompleteBody", "The request body terminated unexpectedly.")
        self._left -= count
        if not self._left:
            self._source.readline(_LINE_LIMIT)
        return count

    def _next_chunk(self) -> None:
        head = self._source.readline(_LINE_LIMIT)
        try:
            self._left = int(head.partition(b";")[0], 16)
        except ValueError:
            raise AwsError("InvalidRequest", "The aws-chunked body has no chunk size where one must be.") from None
        if not self._left:
            self._done = True
            self._read_trailers()

    def _read_trailers(self) -> None:
        while line := self._source.readline(_LINE_LIMIT).strip().decode("latin-1"):
            name, _, value = line.partition(":")
            self.trailers[name.strip().lower()] = value.strip()


def is_aws_chunked(headers: Headers) -> bool:
    """Return whether the body of a request with *headers* is aws-chunked."""
    return headers.get("x-amz-content-sha256", "").startswith("STREAMING-") or "aws-chunked" in headers.get(
        "Content-Encoding", ""
    )
