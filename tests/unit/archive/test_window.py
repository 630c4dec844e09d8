"""What reading an index costs: ranged GETs and bytes, for archives of every size."""

from bisect import bisect_right
from dataclasses import dataclass, field

import pytest

from chalicelib.archive.limits import GIB, KIB, MIB, ArchiveLimits
from chalicelib.archive.read import read_archive
from chalicelib.archive.tar_walk import walk
from chalicelib.archive.window import Window
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError
from tests.archives import END, MemorySource, docker_save, dump, entry, header, image, padded, sha256, tar


@dataclass
class ComputedSource:
    """A tar that is computed from its members' sizes when it is read, so that it may be larger than memory."""

    pieces: list[tuple[int, bytes | int]] = field(default_factory=list)
    size: int = 0
    reads: list[ByteRange] = field(default_factory=list)

    def add(self, piece: bytes | int) -> None:
        """Append bytes, or a number of zeros."""
        self.pieces.append((self.size, piece))
        self.size += piece if isinstance(piece, int) else len(piece)

    def read(self, span: ByteRange) -> bytes:
        self.reads.append(span)
        assert span.length <= 4 * MIB, "reads a layer"
        taken = b""
        number = bisect_right(self.pieces, span.start, key=lambda piece: piece[0]) - 1
        while len(taken) < span.length:
            start, piece = self.pieces[number]
            skip, left = span.start + len(taken) - start, span.length - len(taken)
            taken += bytes(min(left, piece - skip)) if isinstance(piece, int) else piece[skip : skip + left]
            number += 1
        return taken

    @property
    def fetched(self) -> int:
        return sum(span.length for span in self.reads)


def save_of(*sizes: int) -> ComputedSource:
    """A `docker save` with layers of the given sizes, all zeros."""
    source = ComputedSource()
    names = [f"{sha256(str(number).encode())}/layer.tar" for number in range(len(sizes))]
    for name, size in zip(names, sizes, strict=True):
        source.add(header(name.encode(), size=b"\x80" + size.to_bytes(11)))
        source.add(size + -size % 512)
        source.add(entry(name.replace("layer.tar", "json").encode(), b"{}" * 200))
    config = dump(
        {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"diff_ids": [f"sha256:{sha256(name.encode())}" for name in names]},
        }
    )
    listed = [{"Config": "config.json", "RepoTags": ["x:1"], "Layers": names}]
    source.add(entry(b"config.json", config) + entry(b"manifest.json", dump(listed)) + END)
    return source


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([100 * KIB] * 100, id="100 layers of 100 KiB"),
        pytest.param([MIB] * 100, id="100 layers of 1 MiB"),
        pytest.param([GIB], id="1 GiB"),
        pytest.param([8 * GIB] * 5, id="40 GiB"),
        pytest.param([30 * MIB, 200, 40 * KIB, 5 * MIB], id="mixed"),
    ],
)
def test_an_index_costs_a_hundredth_and_a_request_for_each_layer(sizes: list[int]) -> None:
    source = save_of(*sizes)

    contents = read_archive(source, ArchiveLimits())  # type: ignore[arg-type]

    assert contents.pushed == 1
    assert source.fetched <= max(MIB, source.size // 100)
    assert len(source.reads) <= len(sizes) + 5  # manifest.json, the config and the end may come by themselves


def test_a_small_archive_is_one_request() -> None:
    source = MemorySource(docker_save(image()))

    read_archive(source, ArchiveLimits())

    assert len(source.reads) == 1


def test_twenty_thousand_small_members_come_in_few_requests() -> None:
    source = MemorySource(b"".join(entry(b"blobs/%d" % number, b"x" * 900) for number in range(20_000)) + END)

    found = walk(Window(source), ArchiveLimits())

    assert len(found) == 20_000
    assert len(source.reads) <= 40
    assert sum(len(member.kept) for member in found.values()) <= 16 * MIB


def test_nothing_is_read_twice_while_the_members_are_small() -> None:
    source = MemorySource(tar({f"f{number}": b"x" * 3000 for number in range(500)}))

    walk(Window(source), ArchiveLimits())

    assert source.fetched <= source.size


def test_a_member_across_the_windows_end_is_kept_whole() -> None:
    first = entry(b"a", b"x" * (48 * KIB - 1536))
    source = MemorySource(first + entry(b"b", b"y" * 900) + entry(b"c", b"z" * 900) + padded(b"") + END)

    found = walk(Window(source), ArchiveLimits())

    assert found["b"].kept == b"y" * 900


def test_reading_beyond_the_end_is_a_truncated_archive() -> None:
    with pytest.raises(RefusedError) as caught:
        Window(MemorySource(b"x" * 100)).read(ByteRange(50, 51))

    assert caught.value.code is Code.TRUNCATED


def test_what_is_kept_is_bounded() -> None:
    source = MemorySource(b"".join(entry(b"%d" % number, b"x" * 1024) for number in range(100)) + END)

    found = walk(Window(source), ArchiveLimits(kept=10 * KIB))

    assert sum(len(member.kept) for member in found.values()) == 10 * KIB
