"""A file of this machine, seen as the pipeline sees an object in S3: an `ObjectSource`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, FailedError
from chalicelib.ports.bucket import ByteStream


class FileSource:
    """
    The file at *path* as it is when it is opened; a context manager.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDONLY)
        self._size = os.fstat(self._file).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._file)

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def read(self, span: ByteRange) -> bytes:
        """Return exactly the bytes of *span*."""
        with self.open(span) as stream:
            return b"".join(iter(lambda: stream.read(span.length), b""))

    @contextmanager
    def open(self, span: ByteRange) -> Iterator[ByteStream]:
        """Stream the bytes of *span*."""
        yield _Span(self._file, span)


class _Span:
    """A stretch of an open file, with a place of its own."""

    def __init__(self, file: int, span: ByteRange) -> None:
        self._file, self._at, self._end = file, span.start, span.end

    def read(self, size: int, /) -> bytes:
        """
        Return up to *size* bytes, b"" only at the end of the stretch.

        Raises:
            FailedError: OBJECT_CHANGED, the file has become shorter.
        """
        wanted = min(size, self._end - self._at)
        content = os.pread(self._file, wanted, self._at)
        if wanted and not content:
            raise FailedError(Code.OBJECT_CHANGED, "the file became shorter while it was read", offset=self._at)
        self._at += len(content)
        return content
