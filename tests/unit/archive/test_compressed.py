"""Archives that are compressed as a whole: one pass, the same contents, and no bomb."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from functools import partial

import pytest
import zstandard

from chalicelib.archive.compressed import open_compressed
from chalicelib.archive.contents import ArchiveContents, GeneratedManifest, KeptManifest, RawLayer
from chalicelib.archive.limits import KIB, MIB, ArchiveLimits
from chalicelib.archive.read import read_archive
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError
from tests.archives import (
    Image,
    Layout,
    MemorySource,
    docker_save,
    gzipped,
    hybrid,
    image,
    layer,
    multi_platform,
    sha256,
    tar,
)

LIMITS = ArchiveLimits()
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzipped,
    "zstd": zstandard.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


def read(content: bytes, limits: ArchiveLimits = LIMITS) -> tuple[ArchiveContents, dict[int, bytes]]:
    """Return what an archive holds, and what passed, by its place in the inflated bytes."""
    passed = {}
    with open_compressed(MemorySource(content), limits) as archive:
        for member, stream in archive:
            passed[member.content.start] = b"".join(iter(partial(stream.read, 70_001), b""))
        return archive.contents(), passed


def refusal(content: bytes, limits: ArchiveLimits = LIMITS) -> Code:
    with pytest.raises(RefusedError) as caught:
        read(content, limits)
    return caught.value.code


def large_image() -> Image:
    return Image((layer("base", size=300 * KIB), layer("app", size=2 * MIB)))


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS.keys())
@pytest.mark.parametrize(
    "plain",
    [docker_save(large_image()), docker_save(image("a", "b", "a"), links=True, link_first=True), hybrid(image())],
    ids=["large", "links", "hybrid"],
)
def test_a_docker_save_is_the_same_compressed(pack: Callable[[bytes], bytes], plain: bytes) -> None:
    expected = read_archive(MemorySource(plain), LIMITS)

    contents, passed = read(pack(plain))

    for found, wanted in zip(contents.images, expected.images, strict=True):
        assert isinstance(found.manifest, GeneratedManifest)
        assert found.manifest.layers == wanted.manifest.layers
        assert found.names == wanted.names
        for one in found.manifest.layers:
            assert isinstance(one, RawLayer)
            assert sha256(passed[one.content.start]) == one.diff_id.hex


def test_documents_are_handed_on_as_bytes() -> None:
    layout = Layout()
    listed = layout.list(multi_platform(layout, "amd64", "arm64"))

    contents, passed = read(gzipped(layout.tar()))

    manifest = contents.images[0].manifest
    assert isinstance(manifest, KeptManifest)
    assert f"sha256:{sha256(bytes(manifest.blob.content or b''))}" == listed["digest"]  # type: ignore[arg-type]
    for node in manifest.walk():
        assert isinstance(node.blob.content, bytes)
        for blob in node.layers:
            assert isinstance(blob.content, ByteRange)
            assert sha256(passed[blob.content.start]) == blob.descriptor.digest.hex


def test_members_may_be_left_unread() -> None:
    with open_compressed(MemorySource(gzipped(docker_save(large_image()))), LIMITS) as archive:
        for _, stream in archive:
            stream.read(5)

        assert len(archive.contents().images) == 1


def test_the_contents_wait_for_the_end() -> None:
    with (
        open_compressed(MemorySource(gzipped(docker_save(image()))), LIMITS) as archive,
        pytest.raises(ValueError, match="have passed"),
    ):
        archive.contents()


def test_it_is_one_request() -> None:
    source = MemorySource(gzipped(docker_save(large_image())))

    with open_compressed(source, LIMITS) as archive:
        for _ in archive:
            pass

    assert len(source.reads) == 1


PLAIN = docker_save(image())


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS.keys())
def test_several_members_are_one_archive(pack: Callable[[bytes], bytes]) -> None:
    contents, _ = read(pack(PLAIN[:5000]) + pack(PLAIN[5000:]))

    assert len(contents.images) == 1


def test_a_skippable_frame_is_skipped() -> None:
    contents, _ = read(b"\x50\x2a\x4d\x18\x04\0\0\0note" + zstandard.compress(PLAIN))

    assert len(contents.images) == 1


GZIPPED = gzipped(PLAIN)
REFUSED = {
    "gzip, garbage behind": (GZIPPED + b"garbage", Code.COMPRESSION),
    "gzip, wrong checksum": (GZIPPED[:-8] + bytes(4) + GZIPPED[-4:], Code.COMPRESSION),
    "gzip, damaged": (GZIPPED[:100] + b"\xff" * 50 + GZIPPED[150:], Code.COMPRESSION),
    "gzip, cut": (GZIPPED[:-100], Code.TRUNCATED),
    "gzip, cut in its trailer": (GZIPPED[:-1], Code.TRUNCATED),
    "zstd, cut": (zstandard.compress(PLAIN)[:-100], Code.TRUNCATED),
    "zstd, garbage behind": (zstandard.compress(PLAIN) + b"garbage", Code.COMPRESSION),
    "zstd, a window of 2 GiB": (b"\x28\xb5\x2f\xfd\x00\xa8" + bytes(40), Code.COMPRESSION),
    "xz, cut": (lzma.compress(PLAIN)[:-100], Code.TRUNCATED),
    "xz, damaged": (lzma.compress(PLAIN)[:200] + bytes(50), Code.COMPRESSION),
    "bzip2, cut": (bz2.compress(PLAIN)[:-20], Code.TRUNCATED),
    "gzip in gzip": (gzipped(GZIPPED), Code.BOMB),
    "xz in zstd": (zstandard.compress(lzma.compress(PLAIN)), Code.BOMB),
    "no compression": (PLAIN, Code.NOT_ARCHIVE),
    "a compressed program": (gzipped(b"\x7fELF" + bytes(5000)), Code.NOT_ARCHIVE),
    "a cut tar": (gzipped(PLAIN[:3000]), Code.TRUNCATED),
    "data behind the end": (gzipped(PLAIN + PLAIN), Code.TRAILING),
    "no image": (gzipped(tar({"a": b"x"})), Code.NO_IMAGE),
    "a forged digest": (gzipped(hybrid(image()).replace(b"Cmd", b"cmd")), Code.CONFIG_DIGEST),
}


@pytest.mark.parametrize(("content", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(content: bytes, code: Code) -> None:
    assert refusal(content) is code


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS.keys())
def test_a_bomb_is_stopped_by_its_ratio(pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(tar({"zeros": bytes(8 * MIB)}))

    assert refusal(bomb, ArchiveLimits(ratio_from=MIB)) is Code.BOMB


def test_a_bomb_is_stopped_by_its_total() -> None:
    assert refusal(gzipped(tar({"zeros": bytes(8 * MIB)})), ArchiveLimits(inflated=4 * MIB)) is Code.BOMB


def test_what_is_kept_is_bounded() -> None:
    files = {f"{number}.json": b"[" + bytes(60 * KIB) for number in range(20)}

    assert refusal(gzip.compress(tar(files)), ArchiveLimits(kept=256 * KIB)) is Code.TOO_LARGE
