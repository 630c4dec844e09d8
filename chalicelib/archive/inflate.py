"""
Inflating a stream of hostile bytes: gzip, zstd, xz and bzip2, in bounded steps and within bounds.

Several members, frames or streams behind each other are one content, as all tools read them; anything else behind the
last is an error. Whoever reads gets at most as many bytes as asked for, whatever one compressed byte stands for.
A zstd stream that is cut is only noticed by who misses its bytes: the tar has an end mark.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import zstandard

from chalicelib.archive import recognise
from chalicelib.archive.bomb import check_inflation
from chalicelib.archive.limits import KIB, ArchiveLimits
from chalicelib.errors import Code, RefusedError
from chalicelib.ports.bucket import ByteStream

_CHUNK: Final = 256 * KIB


class _Counted:
    """A stream that counts what is read from it."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.count = 0

    def read(self, size: int = _CHUNK, /) -> bytes:
        content = self._stream.read(min(size, _CHUNK) if size >= 0 else _CHUNK)
        self.count += len(content)
        return content


class _Decoder(Protocol):
    """What zlib, lzma and bz2 have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Members:
    """Reads members one behind the other, each with a decoder of its own."""

    def __init__(self, stream: _Counted, make: Callable[[], _Decoder]) -> None:
        self._stream = stream
        self._make = make
        self._decoder = make()
        self._began = False
        self._held = b""

    def read(self, size: int, /) -> bytes:
        """Return up to *size* bytes, b"" only at the end."""
        while True:
            if self._decoder.eof and not self._next():
                return b""
            if not self._held and self._hungry():
                self._held = self._stream.read()
                if not self._held and not self._finishing():
                    raise RefusedError(Code.TRUNCATED, "the compressed stream is cut off")
            content = self._feed(size)
            if content:
                return content

    def _feed(self, size: int) -> bytes:
        content = self._decoder.decompress(self._held, size)
        self._began = True
        # zlib hands back what it did not take; lzma and bz2 keep it.
        self._held = self._decoder.unused_data if self._decoder.eof else getattr(self._decoder, "unconsumed_tail", b"")
        return content

    def _hungry(self) -> bool:
        return getattr(self._decoder, "needs_input", True)

    def _finishing(self) -> bool:
        return not self._hungry()

    def _next(self) -> bool:
        """Begin the next member if there is one."""
        self._held = self._held or self._stream.read()
        if not self._held:
            return False
        self._decoder = self._make()
        return True


def _gzip(stream: _Counted, _limits: ArchiveLimits) -> _Members:
    return _Members(stream, lambda: zlib.decompressobj(wbits=31))


def _xz(stream: _Counted, limits: ArchiveLimits) -> _Members:
    return _Members(stream, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=limits.window))


def _bzip2(stream: _Counted, _limits: ArchiveLimits) -> _Members:
    return _Members(stream, bz2.BZ2Decompressor)


def _zstd(stream: _Counted, limits: ArchiveLimits) -> ByteStream:
    decompressor = zstandard.ZstdDecompressor(max_window_size=limits.window)
    # It only ever calls read().
    return decompressor.stream_reader(stream, read_size=_CHUNK, read_across_frames=True)  # type: ignore[arg-type]


_READERS: Final[Mapping[str, Callable[[_Counted, ArchiveLimits], ByteStream]]] = {
    recognise.GZIP: _gzip,
    recognise.ZSTD: _zstd,
    recognise.XZ: _xz,
    recognise.BZIP2: _bzip2,
}


class Inflated:
    """
    The content of a compressed stream, as a `ByteStream`.

    Args:
        stream: The compressed bytes.
        compression: One of `recognise.GZIP`, `ZSTD`, `XZ`, `BZIP2`.
        limits: `inflated`, `ratio`, `ratio_from` and `window`.
    """

    def __init__(self, stream: ByteStream, compression: str, limits: ArchiveLimits) -> None:
        self._counted = _Counted(stream)
        self._reader = _READERS[compression](self._counted, limits)
        self._limits = limits
        self.count = 0

    def read(self, size: int, /) -> bytes:
        """
        Return up to *size* bytes, b"" only at the end.

        Raises:
            RefusedError: COMPRESSION, TRUNCATED, BOMB.
            TemporaryError: as the stream raises it.
        """
        try:
            content = self._reader.read(size)
        except (zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, zstandard.ZstdError) as error:
            detail = "the compressed stream is damaged, or something else follows it"
            raise RefusedError(Code.COMPRESSION, detail, offset=self._counted.count) from error
        self.count += len(content)
        check_inflation("the archive", self._counted.count, self.count, self._limits)
        return content
