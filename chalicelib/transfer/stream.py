"""
The bytes of a layer from the source, in blocks of exactly the size asked for.

A connection that breaks is made again at the byte where it broke. How often is bounded, counted since the last byte
that arrived, so that a long layer may outlive many breaks and a dead source is given up soon.
"""

from __future__ import annotations

import io
import threading
from contextlib import AbstractContextManager, ExitStack
from typing import Final, Self

from msgspec import Struct

from chalicelib.byte_range import ByteRange
from chalicelib.errors import TemporaryError
from chalicelib.ports.bucket import ByteStream, ObjectSource

_FIRST_WAIT: Final = 0.05  # seconds, doubled with each failure in a row


class SteadyStream:
    """
    The bytes of *span* of *source*, whatever happens to connections.

    Args:
        source: Where the bytes are.
        span: Which bytes.
        reconnects: How often in a row a connection may break.
        stop: Set when nobody wants the bytes any more; ends waits.
    """

    def __init__(self, source: ObjectSource, span: ByteRange, reconnects: int, stop: threading.Event) -> None:
        self._source = source
        self._span = span
        self._reconnects = reconnects
        self._stop = stop
        self._taken = 0
        self._failures = 0
        self._connection = ExitStack()
        self._stream: ByteStream | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def read(self, size: int) -> bytes:
        """
        Return exactly *size* bytes; the caller never asks beyond the span's end.

        Raises:
            TemporaryError: The source broke too often in a row.
            FinalError: OBJECT_GONE, OBJECT_CHANGED, ACCESS_DENIED.
        """
        pieces: list[bytes] = []
        missing = size
        while missing:
            piece = self._read_some(missing)
            missing -= len(piece)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_some(self, size: int) -> bytes:
        while True:
            try:
                piece = self._read_once(size)
            except TemporaryError:
                self._connection.close()
                self._stream = None
                if self._gives_up():
                    raise
            else:
                self._failures = 0
                self._taken += len(piece)
                return piece

    def _read_once(self, size: int) -> bytes:
        piece = self._open().read(size)
        if not piece:
            raise TemporaryError(f"the source ended {self._span.length - self._taken} bytes early")
        return piece

    def _open(self) -> ByteStream:
        if self._stream is None:
            rest = ByteRange(self._span.start + self._taken, self._span.length - self._taken)
            self._stream = self._connection.enter_context(self._source.open(rest))
        return self._stream

    def _gives_up(self) -> bool:
        """Tell whether that was one break too many; if not, wait before the next connection."""
        self._failures += 1
        return self._failures > self._reconnects or self._stop.wait(_FIRST_WAIT * 2**self._failures)


class InMemory(Struct, frozen=True):
    """Bytes as a source: the config of a chart is made by us and stands in no archive. Implements `ObjectSource`."""

    content: bytes

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.content)

    def read(self, span: ByteRange) -> bytes:
        """Return the bytes of *span*."""
        return self.content[span.start : span.end]

    def open(self, span: ByteRange) -> AbstractContextManager[ByteStream]:
        """Stream the bytes of *span*."""
        return io.BytesIO(self.read(span))
