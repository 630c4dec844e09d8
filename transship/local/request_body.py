"""The body of an HTTP/1.1 request as a stream that ends where the body ends, whatever its transfer coding."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler


_BLOCK = 1 << 16
_ENDED = "the connection ended inside a request body"


class RequestBody(io.RawIOBase):
    """
    A request body read from a connection that outlives it.

    `100 Continue` goes out with the first read, so that a request refused by its headers never sends its body.
    """

    def __init__(self, source: BinaryIO, length: int | None, *, answer: BinaryIO | None = None) -> None:
        """
        Wrap *source*.

        Args:
            source: The connection, at the first byte after the headers.
            length: Bytes in the body; None for chunked transfer coding.
            answer: Where `100 Continue` is awaited; None where it is not.
        """
        self._source = source
        self._chunked = length is None
        self._left = length or 0
        self._done = length == 0
        self._answer = answer

    @classmethod
    def of_handler(cls, handler: BaseHTTPRequestHandler) -> RequestBody:
        """Return the body of the request that *handler* has just parsed."""
        headers = handler.headers
        chunked = headers.get("Transfer-Encoding", "").strip().lower() == "chunked"
        expects = headers.get("Expect", "").strip().lower() == "100-continue"
        length = None if chunked else int(headers.get("Content-Length") or 0)
        return cls(handler.rfile, length, answer=handler.wfile if expects else None)  # type: ignore[arg-type]

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill *buffer* as far as the current chunk goes; return 0 at the end of the body."""
        if self._done or not len(buffer):
            return 0
        self._continue()
        if self._chunked and not self._left and not self._next_chunk():
            return 0
        view = memoryview(buffer)[: self._left]
        count = self._source.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise ConnectionError(_ENDED)
        self._left -= count
        self._end_of_chunk()
        return int(count)

    def read(self, size: int = -1) -> bytes:
        """
        Return exactly *size* bytes unless the body ends before; everything if *size* is negative.

        A body of known length is read into the bytes that are returned, so that it is in memory once.
        """
        wanted = sys.maxsize if size is None or size < 0 else size
        if not self._chunked:
            return self._read_known(min(wanted, self._left))
        blocks = bytearray()
        while len(blocks) < wanted and (block := super().read(min(_BLOCK, wanted - len(blocks)))):
            blocks += block
        return bytes(blocks)

    def _read_known(self, count: int) -> bytes:
        if not count:
            return b""
        self._continue()
        content = self._source.read(count)
        if len(content) < count:
            raise ConnectionError(_ENDED)
        self._left -= count
        self._end_of_chunk()
        return content

    def drain(self, limit: int) -> bool:
        """
        Read away what the application left, at most *limit* bytes.

        Returns:
            Whether the next request can follow on this connection.
        """
        if self._answer is not None and not self._done:
            return False  # the client may or may not send a body that nobody asked for
        while not self._done and limit > 0:
            limit -= len(super().read(_BLOCK) or b"")
        return self._done

    @property
    def ended(self) -> bool:
        """Whether every byte was read."""
        return self._done

    def _continue(self) -> None:
        if self._answer is not None:
            self._answer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._answer.flush()
            self._answer = None

    def _next_chunk(self) -> bool:
        self._left = int(self._source.readline(100).split(b";")[0], 16)
        if not self._left:
            while self._source.readline(1000).strip():
                continue  # trailer fields
            self._done = True
        return not self._done

    def _end_of_chunk(self) -> None:
        if not self._left and self._chunked:
            self._source.readline(2)
        elif not self._left:
            self._done = True
