"""
What is done to a layer's bytes on the way: kept, or compressed in segments that do not depend on each other.

A compressed layer is cut into segments, each compressed afresh, so that a push can be continued at any segment with
nothing but a few numbers (`progress.Checkpoint`), and comes out byte for byte the same:

- gzip (RFC 1952): one member. ISA-L's output depends on how its input is cut, so the input is always fed in blocks of
  1 MiB from the layer's start, and each is a segment. It ends in a full flush: at a whole byte, behind an empty stored
  block, and nothing after it refers to anything before it (RFC 1951, 3.2.4; `Z_FULL_FLUSH` of zlib.h).
- zstd (RFC 8878): each segment is a frame of 16 MiB of input; concatenated frames are one stream.

ISA-L keeps that but for one block in some 8,000: see docs/decisions/0028-blocks-compressed-at-once.md.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, Protocol

from msgspec import Struct

MIB: Final = 1 << 20
_GZIP_HEADER: Final = b"\x1f\x8b\x08" + bytes(6) + b"\xff"  # no name, no time, any system: the same for the same bytes
_LAST_BLOCK: Final = b"\x03\x00"  # of deflate, and empty (RFC 1951, 3.2.6)
_NO_WINDOW: Final = b""
_ANYTHING: Final = bytes(96)
_LEVELS: Final = {"gzip": range(4), "zstd": range(1, 20)}


class Method(StrEnum):
    """How bytes are encoded."""

    KEEP = "keep"
    GZIP = "gzip"
    ZSTD = "zstd"


class Encoding(Struct, frozen=True):
    """
    A method with all that its output depends on.

    Attributes:
        level: 0 to 3 for gzip (ISA-L), 1 to 19 for zstd.
        block: Bytes that are read and fed at a time: few enough to stay in a core's cache from step to step, and not
            fewer, for each of a dozen steps gives up the interpreter's lock and waits for it among the other threads.
        frame: Bytes of input of a frame of zstd; a multiple of *block*.

    Raises:
        ValueError: The level is none of the method's, or the sizes do not fit.
    """

    method: Method = Method.KEEP
    level: int = 1
    block: int = MIB
    frame: int = 16 * MIB

    def __post_init__(self) -> None:
        if self.method is not Method.KEEP and self.level not in _LEVELS[self.method]:
            raise ValueError(f"{self.method} has no level {self.level}")
        if self.block < 1 or self.frame % self.block:
            raise ValueError(f"a frame of {self.frame} bytes is not made of blocks of {self.block}")

    @property
    def segment(self) -> int:
        """Bytes of input after which a push can be continued."""
        return self.block if self.method is Method.GZIP else self.frame

    @property
    def recipe(self) -> str:
        """
        Name everything that the output depends on.

        Equal recipes give equal bytes for equal bytes: the key of the blob cache, and the condition for continuing.
        """
        if self.method is Method.KEEP:
            return "keep"
        return f"{self.method}-{self.level}/{_library(self.method)}/{self.block}/{self.segment}"

    def encoder(self, crc32: int = 0) -> Encoder:
        """Return an encoder for the next segment; *crc32* is of all input before it."""
        if self.method is Method.GZIP:
            return _Gzip(self.level, self.block, crc32)
        return _Zstd(self.level) if self.method is Method.ZSTD else _Keep()


KEEP: Final = Encoding()


class Encoder(Protocol):
    """Turns the input of a layer, block by block, into what is pushed."""

    crc32: int

    def begin(self) -> bytes:
        """Return what stands before the first segment of a layer."""

    def encode(self, block: bytes) -> bytes:
        """Return what is ready after *block*."""

    def end_segment(self) -> bytes:
        """Return the rest of the segment; the next block begins another."""

    def finish(self, size: int) -> bytes:
        """Return the end of a layer of *size* bytes of input."""


def _library(method: Method) -> str:
    if method is Method.GZIP:
        import isal  # noqa: PLC0415 - only who compresses pays for the import

        return f"isal-{isal.__version__}-{isal.ISAL_VERSION}"
    import zstandard  # noqa: PLC0415

    return f"zstandard-{zstandard.__version__}-{'.'.join(map(str, zstandard.ZSTD_VERSION))}"


class _Keep:
    crc32 = 0

    def begin(self) -> bytes:
        return b""

    def encode(self, block: bytes) -> bytes:
        return block

    def end_segment(self) -> bytes:
        return b""

    def finish(self, size: int) -> bytes:  # noqa: ARG002
        return b""


class _Gzip:
    """
    ISA-L, a block at a time.

    The library's `compressobj` begins each answer with 16 KiB of room and doubles it, and at each of these turns gives
    up the interpreter's lock; what its own writer of gzip files uses compresses a block and sums it in one turn
    (docs/decisions/0028-blocks-compressed-at-once.md).
    """

    def __init__(self, level: int, block: int, crc32: int) -> None:
        import pybase64  # noqa: PLC0415
        from isal import isal_zlib  # noqa: PLC0415

        self._isal: Any = isal_zlib
        self._base64: Any = pybase64
        self._blocks = self._isal._ParallelCompress(_most_deflated(block), level)  # noqa: SLF001 - see above
        self.crc32 = crc32

    def begin(self) -> bytes:
        return _GZIP_HEADER

    def encode(self, block: bytes) -> bytes:
        ready: bytes
        ready, crc32 = self._blocks.compress_and_crc(block, _NO_WINDOW)
        self.crc32 = self._isal.crc32_combine(self.crc32, crc32, len(block))
        self._leave_wide_registers()
        return ready

    def end_segment(self) -> bytes:
        return b""  # which its block has ended with

    def finish(self, size: int) -> bytes:
        return _LAST_BLOCK + self.crc32.to_bytes(4, "little") + (size % (1 << 32)).to_bytes(4, "little")

    def _leave_wide_registers(self) -> None:
        """
        Let the sum of what comes out be made at full speed: 0.6 instead of 0.8 ms for each MiB.

        ISA-L returns with the upper halves of the vector registers in use, and until VZEROUPPER clears them, SSE code
        such as sha256's is slow (Intel, Optimization Reference Manual, "Mixing Intel AVX and Intel SSE Code"). What a
        compiler made of AVX intrinsics ends with that instruction, as libbase64 does.
        """
        self._base64.b64encode(_ANYTHING)


def _most_deflated(size: int) -> int:
    """
    Return more bytes than *size* bytes of input can become.

    A code has at most 15 bits, and what a match is written with is less for each of its bytes (RFC 1951, 3.2.5 to
    3.2.7); a block of deflate has a header of at most 320 bytes, and ISA-L begins one every 16 KiB or later.
    """
    return 2 * size + (1 << 12)


class _Zstd:
    crc32 = 0

    def __init__(self, level: int) -> None:
        import zstandard  # noqa: PLC0415

        self._compressor = zstandard.ZstdCompressor(level=level, write_checksum=True)
        self._frame: Any = None

    def begin(self) -> bytes:
        return b""

    def encode(self, block: bytes) -> bytes:
        self._frame = self._frame or self._compressor.compressobj()
        ready: bytes = self._frame.compress(block)
        return ready

    def end_segment(self) -> bytes:
        rest: bytes = self._frame.flush() if self._frame else b""
        self._frame = None
        return rest

    def finish(self, size: int) -> bytes:
        return self.end_segment() if size else self._compressor.compress(b"")
