"""
The engine's source for bytes that pass once: a member of an archive that is compressed as a whole.

Parts that ECR took in an earlier pass are passed over, so a layer goes on where it stopped. Nothing is ever read
backwards: a layer that would have to be waits for the next pass.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from msgspec import Struct

from chalicelib.archive.stream import Stream
from chalicelib.byte_range import ByteRange
from chalicelib.errors import TemporaryError
from chalicelib.ports.bucket import ByteStream, ObjectSource
from chalicelib.transfer.stream import SteadyStream

_CHUNK: Final = 1 << 20


class PassingSource:
    """
    The content of one member, at offsets counted from its start. Implements `ObjectSource`.

    Args:
        size: Bytes of the member.
        stream: Its content, from its start.
    """

    def __init__(self, size: int, stream: ByteStream) -> None:
        self.size = size
        self._stream = stream
        self._position = 0

    def read(self, span: ByteRange) -> bytes:
        """Return the bytes of *span*, as `open` does."""
        with self.open(span) as stream:
            return Stream(stream).take(span.length)

    @contextmanager
    def open(self, span: ByteRange) -> Iterator[ByteStream]:
        """
        Stream the bytes from the start of *span*; what lies before it is passed over.

        Raises:
            TemporaryError: They have passed; the next pass brings them again.
        """
        if span.start < self._position:
            raise TemporaryError("the bytes of a member have passed; the next pass brings them again")
        while self._position < span.start:
            if not self._take(min(_CHUNK, span.start - self._position)):
                raise TemporaryError("the member ended early")
        yield _Taker(self)

    def _take(self, size: int) -> bytes:
        piece = self._stream.read(size)
        self._position += len(piece)
        return piece


class _Taker(Struct, frozen=True):
    source: PassingSource

    def read(self, size: int, /) -> bytes:
        return self.source._take(size)  # noqa: SLF001 - the two are one


class SteadySource(Struct, frozen=True):
    """
    *source*, whose streams outlive broken connections. Implements `ObjectSource`.

    *reconnects* is as in `SteadyStream`.
    """

    source: ObjectSource
    reconnects: int

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.source.size

    def read(self, span: ByteRange) -> bytes:
        """Return exactly the bytes of *span*."""
        return self.source.read(span)

    @contextmanager
    def open(self, span: ByteRange) -> Iterator[ByteStream]:
        """Stream the bytes of *span*."""
        with SteadyStream(self.source, span, self.reconnects, threading.Event()) as stream:
            yield _UpTo(stream, span.length)


class _UpTo(Struct):
    """A stream that may be asked beyond its end."""

    stream: SteadyStream
    left: int

    def read(self, size: int, /) -> bytes:
        piece = self.stream.read(min(size, self.left))
        self.left -= len(piece)
        return piece
