"""
Finding out what an archive holds: one of very many members, and one of any size that is nowhere stored.

    python -m transship.bench.index --members 20000
    python -m transship.bench.index --gib 40

The source computes its bytes by offset: headers and documents where they are, zeros for layers. Prints one JSON
document: ranged GETs, bytes of them, seconds, and the most memory of the process.
"""

from __future__ import annotations

import argparse
import bisect
import hashlib
import io
import json
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from chalicelib.archive.read import ArchiveLimits, read_archive
from chalicelib.byte_range import ByteRange
from chalicelib.ports.bucket import ByteStream
from transship.bench.giant import peak_rss

_BLOCK: Final = 512
_MIB: Final = 1 << 20
_LAYER: Final = 6 << 30  # bytes; a plain tar header can say 8 GiB


class ZeroSource:
    """
    An archive in the making that keeps only what is not zero; implements `ObjectSource`.

    Attributes:
        size: Bytes so far.
        requests: Ranged GETs so far.
        fetched: Bytes of all of them.
    """

    def __init__(self) -> None:
        self.size = 0
        self.requests = self.fetched = 0
        self._starts: list[int] = []
        self._pieces: list[bytes] = []

    def add(self, name: str, size: int, content: bytes = b"") -> None:
        """Append a member of *size* bytes that begins with *content*."""
        info = tarfile.TarInfo(name)
        info.size = size
        self._put(info.tobuf(tarfile.USTAR_FORMAT) + content)
        self.size += size - len(content) + -size % _BLOCK

    def end(self) -> None:
        """Append the end mark."""
        self.size += 2 * _BLOCK

    def _put(self, piece: bytes) -> None:
        self._starts.append(self.size)
        self._pieces.append(piece)
        self.size += len(piece)

    def read(self, span: ByteRange) -> bytes:
        """Return exactly the bytes of *span*."""
        self.requests += 1
        self.fetched += span.length
        found = bytearray(span.length)
        first = max(0, bisect.bisect_right(self._starts, span.start) - 1)
        for start, piece in zip(self._starts[first:], self._pieces[first:], strict=True):
            if start >= span.end:
                break
            low, high = max(start, span.start), min(start + len(piece), span.end)
            if low < high:
                found[low - span.start : high - span.start] = piece[low - start : high - start]
        return bytes(found)

    @contextmanager
    def open(self, span: ByteRange) -> Iterator[ByteStream]:
        """Stream the bytes of *span*."""
        yield io.BytesIO(self.read(span))


def of_members(count: int) -> ZeroSource:
    """Return a `docker save` of one image among other small files, *count* members in all."""
    return _saved([(_named(number), 4_096 + number % 4_096) for number in range(count - 2)], layers=20)


def of_size(size: int) -> ZeroSource:
    """Return a `docker save` of one image with layers of *size* bytes in all."""
    sizes = [_LAYER] * (size // _LAYER) + [size % _LAYER or _LAYER]
    return _saved([(_named(number), one) for number, one in enumerate(sizes)], layers=len(sizes))


def _named(number: int) -> str:
    return f"{hashlib.sha256(str(number).encode()).hexdigest()}/layer.tar"


def _saved(members: list[tuple[str, int]], layers: int) -> ZeroSource:
    source = ZeroSource()
    for name, size in members:
        source.add(name, size)
    diff_ids = [f"sha256:{name[:64]}" for name, _ in members[:layers]]
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    entry = {"Config": "config.json", "RepoTags": ["bench/index:1"], "Layers": [name for name, _ in members[:layers]]}
    for name, text in (("config.json", config), ("manifest.json", json.dumps([entry]))):
        source.add(name, len(text), text.encode())
    source.end()
    return source


def measure(source: ZeroSource) -> dict[str, Any]:
    """Find out what *source* holds, and return what that took."""
    started = time.perf_counter()
    contents = read_archive(source, ArchiveLimits())
    seconds = time.perf_counter() - started
    return {
        "bytes": source.size,
        "images": len(contents.images),
        "requests": source.requests,
        "bytes_read": source.fetched,
        "seconds": round(seconds, 3),
        "peak_rss_mib": peak_rss() // _MIB,
    }


def main() -> None:
    """Read the command line and print the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--members", type=int, help="an archive of so many members")
    form.add_argument("--gib", type=int, help="an archive of so many GiB")
    options = parser.parse_args()
    source = of_members(options.members) if options.members else of_size(options.gib << 30)
    print(json.dumps(measure(source)))  # noqa: T201


if __name__ == "__main__":
    main()
