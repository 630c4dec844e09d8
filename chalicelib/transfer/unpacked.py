"""
What a layer that is compressed already inflates to: hashed while its bytes pass, to be compared with its diff_id.

Output is taken in bounded pieces, whatever one compressed byte stands for, and no more of it than of a whole archive:
nobody buys hours of inflating with a few MiB. A layer that inflates for long is paused and resumed like any other, and
resumed it is not inflated, since no decoder's state outlives an invocation.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from chalicelib.archive.bomb import check_inflation
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.errors import Code, RefusedError
from chalicelib.oci.digest import Digest

_PIECE: Final = 1 << 18
_LIMITS: Final = ArchiveLimits()


class _Inflating(Protocol):
    def write(self, block: bytes) -> None: ...
    def finish(self) -> None: ...


class _Gzip:
    """Members behind each other are one content."""

    def __init__(self, update: Callable[[bytes], None]) -> None:
        self._update = update
        self._member = zlib.decompressobj(wbits=31)

    def write(self, block: bytes) -> None:
        while block:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            self._update(self._member.decompress(block, _PIECE))
            block = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def finish(self) -> None:
        if not self._member.eof:
            raise zlib.error("the stream is cut off")


class _Zstd:
    """Frames behind each other are one content; one that is cut off shows in the digest."""

    def __init__(self, update: Callable[[bytes], None]) -> None:
        import zstandard  # noqa: PLC0415 - most layers are none

        decompressor = zstandard.ZstdDecompressor(max_window_size=_LIMITS.window)
        # It only ever calls write().
        self._writer = decompressor.stream_writer(_Sink(update), write_size=_PIECE)  # type: ignore[arg-type]

    def write(self, block: bytes) -> None:
        from zstandard import ZstdError  # noqa: PLC0415

        try:
            self._writer.write(block)
        except ZstdError as error:
            raise zlib.error(str(error)) from error

    def finish(self) -> None:
        return


class _Sink:
    def __init__(self, update: Callable[[bytes], None]) -> None:
        self._update = update

    def write(self, piece: bytes) -> int:
        self._update(piece)
        return len(piece)


_KINDS: Final[Mapping[str, Callable[[Callable[[bytes], None]], _Inflating]]] = {"gzip": _Gzip, "zstd": _Zstd}


class Unpacked:
    """The sum of a layer's content; *compression* is `gzip` or `zstd`; *limits*: see `check_inflation`."""

    def __init__(self, compression: str, limits: ArchiveLimits = _LIMITS) -> None:
        self._limits = limits
        self._packed = self._inflated = 0
        self._sum = hashlib.sha256()
        self._inflating = _KINDS[compression](self._take)

    def update(self, block: bytes) -> None:
        """
        Take in the next compressed bytes.

        Raises:
            RefusedError: COMPRESSION, BOMB.
        """
        self._packed += len(block)
        try:
            self._inflating.write(block)
        except zlib.error as error:
            raise _damaged() from error

    def digest(self) -> Digest:
        """
        Return the diff_id of what has passed, which was all of it.

        Raises:
            RefusedError: COMPRESSION.
        """
        try:
            self._inflating.finish()
        except zlib.error as error:
            raise _damaged() from error
        return Digest(self._sum.hexdigest())

    def _take(self, piece: bytes) -> None:
        self._inflated += len(piece)
        check_inflation("a compressed layer", self._packed, self._inflated, self._limits)
        self._sum.update(piece)


def _damaged() -> RefusedError:
    return RefusedError(Code.COMPRESSION, "a compressed layer is damaged or cut off")
