"""
What a layer that is compressed already inflates to: hashed while its bytes pass, to be compared with its diff_id.

Output is taken in bounded pieces, whatever one compressed byte stands for; a layer that inflates for long is paused and
resumed like any other, and resumed it is not inflated, since no decoder's state outlives an invocation.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from chalicelib.errors import Code, RefusedError
from chalicelib.oci.digest import Digest

_PIECE: Final = 1 << 18
_WINDOW: Final = 128 << 20  # bytes of the dictionary that a zstd frame may ask for


class _Inflating(Protocol):
    def write(self, block: bytes) -> None: ...
    def finish(self) -> None: ...


class _Gzip:
    """Members behind each other are one content."""

    def __init__(self, update: Callable[[bytes], Any]) -> None:
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

    def __init__(self, update: Callable[[bytes], Any]) -> None:
        import zstandard  # noqa: PLC0415 - most layers are none

        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
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
    def __init__(self, update: Callable[[bytes], Any]) -> None:
        self._update = update

    def write(self, piece: bytes) -> int:
        self._update(piece)
        return len(piece)


_KINDS: Final[Mapping[str, Callable[[Callable[[bytes], Any]], _Inflating]]] = {"gzip": _Gzip, "zstd": _Zstd}


class Unpacked:
    """The sum of a layer's content; *compression* is `gzip` or `zstd`."""

    def __init__(self, compression: str) -> None:
        self._sum = hashlib.sha256()
        self._inflating = _KINDS[compression](self._sum.update)

    def update(self, block: bytes) -> None:
        """
        Take in the next compressed bytes.

        Raises:
            RefusedError: COMPRESSION.
        """
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


def _damaged() -> RefusedError:
    return RefusedError(Code.COMPRESSION, "a compressed layer is damaged or cut off")
