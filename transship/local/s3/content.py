"""
The bytes of objects, in files.

A `Segment` is one file, written once; a `Content` is one segment or, after a multipart upload, one for each part, so
that completing an upload copies nothing and a range costs what it is long.
Copies are hard links.
"""

from __future__ import annotations

import io
import os
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5
from typing import TYPE_CHECKING

from transship.local.s3 import checksums
from transship.local.server import FileSlices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Segment:
    """
    A file with its sums.

    Attributes:
        path: The file.
        size: Its length in bytes.
        md5: Hex; the ETag of what it is stored as.
        digests: By algorithm of `checksums`; also the payload's `SHA256` where the signature names it.
    """

    path: Path
    size: int
    md5: str
    digests: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes as a sequence of segments."""

    segments: tuple[Segment, ...] = ()

    @property
    def size(self) -> int:
        """Length in bytes."""
        return sum(segment.size for segment in self.segments)

    def read(self, offset: int, count: int) -> FileSlices:
        """Return *count* bytes from *offset*, ready to be sent."""
        return FileSlices(list(self._slices(offset, count)))

    @contextmanager
    def open(self, offset: int, count: int) -> Iterator[io.BufferedReader]:
        """Open *count* bytes from *offset* as a stream."""
        with _Stream(iter(self.read(offset, count))) as stream:
            yield io.BufferedReader(stream)

    def bytes(self) -> bytes:
        """Return everything; for small contents only."""
        return b"".join(self.read(0, self.size))

    def part(self, number: int) -> tuple[int, int]:
        """
        Return offset and length of part *number*, from 1.

        Raises:
            IndexError: There is no such part.
        """
        if not 1 <= number <= max(1, len(self.segments)):
            raise IndexError(number)
        before = self.segments[: number - 1]
        return sum(segment.size for segment in before), self.segments[number - 1].size if self.segments else 0

    def delete(self) -> None:
        """Remove the files."""
        for segment in self.segments:
            segment.path.unlink(missing_ok=True)

    def _slices(self, offset: int, count: int) -> Iterator[tuple[Path, int, int]]:
        for segment in self.segments:
            if count <= 0:
                return
            if offset < segment.size:
                length = min(count, segment.size - offset)
                yield segment.path, offset, length
                count -= length
            offset = max(0, offset - segment.size)


class ContentStore:
    """A directory of segments."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory

    def receive(self, stream: io.BufferedIOBase | io.RawIOBase, algorithms: Iterable[str] = ()) -> Segment:
        """Write all of *stream* to a new file, in blocks of 1 MiB, and sum it with *algorithms* on the way."""
        path = self._directory / uuid.uuid4().hex
        etag = md5(usedforsecurity=False)
        sums = {algorithm: checksums.new(algorithm) for algorithm in algorithms}
        size = 0
        try:
            with path.open("wb", buffering=0) as file:
                for block in _blocks(stream):
                    file.write(block)
                    size += len(block)
                    for total in (etag, *sums.values()):
                        total.update(block)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Segment(path, size, etag.hexdigest(), {name: total.digest() for name, total in sums.items()})

    def link(self, content: Content) -> Content:
        """Return a copy of *content* that outlives it."""
        return Content(tuple(self._linked(segment) for segment in content.segments))

    def _linked(self, segment: Segment) -> Segment:
        path = self._directory / uuid.uuid4().hex
        os.link(segment.path, path)
        return Segment(path, segment.size, segment.md5, segment.digests)


class _Stream(io.RawIOBase):
    """An iterator of blocks as a stream."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._block = blocks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._block:
            self._block = memoryview(next(self._blocks, b""))
        count = min(len(buffer), len(self._block))
        buffer[:count] = self._block[:count]
        self._block = self._block[count:]
        return count


def _blocks(stream: io.BufferedIOBase | io.RawIOBase) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(_BLOCK))
    while count := _fill(stream, buffer):
        yield buffer[:count]


def _fill(stream: io.BufferedIOBase | io.RawIOBase, buffer: memoryview) -> int:
    filled = 0
    while filled < len(buffer) and (count := stream.readinto(buffer[filled:])):
        filled += count
    return filled
