"""A tar whose bytes pass only once, as they come out of a decompressor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chalicelib.archive.limits import MIB
from chalicelib.archive.tar_header import BLOCK
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError
from chalicelib.ports.bucket import ByteStream

_CHUNK: Final = MIB


class Stream:
    """
    The `Tape` of bytes that pass once: reads go forward, and what lies between is passed over.

    Args:
        stream: The inflated bytes.
    """

    grant: Final = BLOCK

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._position = 0
        self._bytes = b""

    def reaches(self, _end: int) -> bool:
        """Return True: how long the stream is shows at its end."""
        return True

    def holds(self, span: ByteRange) -> bool:
        """Tell whether *span* was read and not passed."""
        return self._position <= span.start and span.end <= self._position + len(self._bytes)

    def read(self, span: ByteRange) -> bytes:
        """
        Return the bytes of *span*; they may be read again until something behind them is.

        Raises:
            RefusedError: TRUNCATED; as `Inflated.read`.
        """
        self._pass(span.start)
        self._bytes += self.take(span.length - len(self._bytes))
        if len(self._bytes) < span.length:
            raise RefusedError(Code.TRUNCATED, "the archive ends inside a header or a member", offset=span.end)
        return self._bytes[: span.length]

    def rest(self, start: int, limit: int) -> bytes:
        """Return all bytes from *start* to the end of the stream, or *limit* + 1 of them."""
        self._pass(start)
        return self._bytes + self.take(limit + 1 - len(self._bytes))

    def pieces(self, span: ByteRange) -> Iterator[bytes]:
        """Yield the bytes of *span*, once."""
        self._pass(span.start)
        left = span.length
        while left:
            piece, self._bytes = self._bytes[:left], self._bytes[left:]
            piece = piece or self._stream.read(min(left, _CHUNK))
            if not piece:
                raise RefusedError(Code.TRUNCATED, "the archive ends inside a member", offset=self._position)
            self._position += len(piece)
            left -= len(piece)
            yield piece

    def take(self, size: int) -> bytes:
        """Return the next *size* bytes of the stream, fewer at its end."""
        pieces = []
        while size > 0 and (piece := self._stream.read(min(size, _CHUNK))):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _pass(self, start: int) -> None:
        held = self._bytes[start - self._position :]
        left = start - self._position - len(self._bytes)
        while left > 0:
            piece = self._stream.read(min(left, _CHUNK))
            if not piece:
                raise RefusedError(Code.TRUNCATED, "the archive ends inside a member", offset=start - left)
            left -= len(piece)
        self._position, self._bytes = start, held


class Passing:
    """The content of a member while it passes; a `ByteStream`."""

    def __init__(self, stream: Stream, span: ByteRange) -> None:
        self._pieces = stream.pieces(span)
        self._piece = b""

    def read(self, size: int, /) -> bytes:
        """
        Return up to *size* bytes, b"" at the member's end.

        Raises:
            RefusedError: TRUNCATED; as `Inflated.read`.
        """
        piece = self._piece or next(self._pieces, b"")
        self._piece = piece[size:]
        return piece[:size]


class Prefixed:
    """A stream of which the first bytes were read already."""

    def __init__(self, first: bytes, stream: ByteStream) -> None:
        self._first = first
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        """Return up to *size* bytes, b"" only at the end."""
        if self._first:
            piece, self._first = self._first[:size], self._first[size:]
            return piece
        return self._stream.read(size)
