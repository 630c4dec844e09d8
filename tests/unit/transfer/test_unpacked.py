"""What a compressed layer inflates to is known when it has passed, in little memory."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from collections.abc import Callable

import pytest
import zstandard

from chalicelib.archive.limits import ArchiveLimits
from chalicelib.errors import Code, RefusedError
from chalicelib.oci.digest import Digest
from chalicelib.transfer.unpacked import Unpacked

CONTENT = random.Random(1).randbytes(300_000) + bytes(300_000)  # noqa: S311 - bytes to compress
PACKERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstandard.compress}


def passed(kind: str, packed: bytes, block: int) -> Digest:
    unpacked = Unpacked(kind)
    for start in range(0, len(packed), block):
        unpacked.update(packed[start : start + block])
    return unpacked.digest()


@pytest.mark.parametrize("block", [1_000, 65_536, 10_000_000])
@pytest.mark.parametrize("kind", PACKERS)
def test_the_diff_id_of_one_stream_or_several(kind: str, block: int) -> None:
    pack = PACKERS[kind]

    assert passed(kind, pack(CONTENT), block) == Digest.of(CONTENT)
    assert passed(kind, pack(CONTENT[:7]) + pack(CONTENT[7:]), block) == Digest.of(CONTENT)


@pytest.mark.parametrize("kind", PACKERS)
def test_noise_is_no_stream(kind: str) -> None:
    with pytest.raises(RefusedError) as caught:
        passed(kind, CONTENT[:1_000], 100)

    assert caught.value.code is Code.COMPRESSION


def test_a_cut_is_noticed() -> None:
    with pytest.raises(RefusedError) as caught:
        passed("gzip", gzip.compress(CONTENT)[:-1], 1_000)
    assert caught.value.code is Code.COMPRESSION

    assert passed("zstd", zstandard.compress(CONTENT)[:-9], 1_000) != Digest.of(CONTENT)


@pytest.mark.parametrize("kind", PACKERS)
def test_what_inflates_far_takes_no_memory(kind: str) -> None:
    zeros = bytes(32 << 20)
    packed = PACKERS[kind](zeros)
    tracemalloc.start()

    assert passed(kind, packed, len(packed)) == Digest.of(zeros)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.parametrize("block", [10_000, 10_000_000])
@pytest.mark.parametrize("kind", PACKERS)
def test_a_bomb_is_refused_as_soon_as_it_is_one(kind: str, block: int) -> None:
    zeros = bytes(64 << 20)
    packed = PACKERS[kind](zeros)
    passed(kind, packed, block)

    with pytest.raises(RefusedError) as caught:
        passed(kind, packed + PACKERS[kind](zeros), block)

    assert caught.value.code is Code.BOMB
    assert "200 times" in str(caught.value)


@pytest.mark.parametrize("kind", PACKERS)
def test_the_total_is_bounded(kind: str) -> None:
    unpacked = Unpacked(kind, ArchiveLimits(inflated=len(CONTENT) - 1))

    with pytest.raises(RefusedError) as caught:
        unpacked.update(PACKERS[kind](CONTENT))

    assert caught.value.code is Code.BOMB
