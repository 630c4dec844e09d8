"""Real archives: what each holds, or why it is refused."""

import gzip
import lzma
from collections.abc import Callable

import pytest

from chalicelib.archive.compressed import open_compressed
from chalicelib.archive.contents import ArchiveContents, KeptManifest
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.read import read_archive
from chalicelib.errors import Code, RefusedError
from tests.archives import MemorySource
from tests.corpora import CORPUS, needs_corpus

pytestmark = needs_corpus

UNPACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".xz": lzma.decompress,
}

# Each image: its names, and the digest of its manifest where the archive holds one, else None.
TAKEN: dict[str, tuple[str, list[tuple[tuple[str, ...], str | None]]]] = {
    "ggcr/test_image_1.tar": ("docker", [(("bazel/v1/tarball:test_image_1",), None)]),
    "ggcr/test_load_manifest.tar": ("docker", [(("bazel/v1/tarball:test_image_1",), None)]),
    # Names without a tag, and layers that were foreign: their bytes are there, so they are layers like others.
    "ggcr/test_bundle.tar": ("docker", [(("test_image_2:latest",), None), (("test_image_1:latest",), None)]),
    # A layer is a link to another image's.
    "ggcr/test_link.tar": (
        "docker",
        [(("bazel/v1/tarball:test_image_1",), None), (("bazel/v1/tarball:test_image_3",), None)],
    ),
    # Its index.json lists null: no second view.
    "ggcr/hello-world-v25.tar": ("docker", [((), None)]),
    # Layers are null; the config has no diff_ids either.
    "libimage/buildkit-docker.tar": (
        "docker+oci",
        [(("github.com/buildkit/archive:docker",), "bc79dee9c249163d7dd55e3697ef90d0772220fda30e2f3fc4d007f60a368b11")],
    ),
    "libimage/buildkit-oci.tar": (
        "docker+oci",
        [(("github.com/buildkit/archive:oci",), "7b9a5714cfff1338d3db0d7433fc2394b6ddb3cd17a43aa3f71ae52a47a3935a")],
    ),
    "libimage/docker-two-images.tar.xz": (
        "docker",
        [(("example.com/empty:latest",), None), (("example.com/empty/but:different",), None)],
    ),
    "libimage/docker-unnamed.tar.xz": ("docker", [((), None)]),
    "libimage/oci-registry-name.tar.gz": (
        "oci",
        [(("example.com/empty:latest",), "ff1abe159f09a5fed8fd9b648ab35196b521925b109df26a94d9cf06721ae5e4")],
    ),
    "libimage/oci-unnamed.tar.gz": (
        "oci",
        [((), "ff1abe159f09a5fed8fd9b648ab35196b521925b109df26a94d9cf06721ae5e4")],
    ),
    # Of eleven platforms one is there: its manifest is pushed, not the index.
    "oras/hello-world.tar": (
        "docker+oci",
        [(("hello-world:latest",), "f54a58bc1aac5ea1a25d796ae155dc228b3f0e11d046ae276b39c4bf2f13d8c4")],
    ),
    "stereoscope/valid-oci.tar": (
        "oci",
        [(("sample:latest",), "c1ed04a3da941a5dd09b58b16c37f065557863d382ef97995ddac885a8452ebb")],
    ),
    "trivy/alpine-310.tar.gz": ("docker", [(("alpine:3.10",), None)]),
}

REFUSED = {
    "ggcr/null_manifest.tar": Code.NO_IMAGE,
    "ggcr/no_manifest.tar": Code.NO_IMAGE,
}

CHARTS = {
    "frobnitz-1.2.3.tgz": "frobnitz:1.2.3",
    "frobnitz_backslash-1.2.3.tgz": "frobnitz_backslash:1.2.3",
    "frobnitz_with_bom.tgz": "frobnitz:1.2.3",
}


def content_of(name: str) -> bytes:
    return (CORPUS / "images" / name).read_bytes()


def plain(name: str) -> bytes:
    unpack = UNPACKERS.get(name[name.rindex(".") :], bytes)
    return unpack(content_of(name))


def seen(contents: ArchiveContents) -> tuple[str, list[tuple[tuple[str, ...], str | None]]]:
    return contents.kind, [
        (one.names, one.manifest.blob.descriptor.digest.hex if isinstance(one.manifest, KeptManifest) else None)
        for one in contents.images
    ]


def test_every_archive_has_its_line() -> None:
    found = {f"{path.parent.name}/{path.name}" for path in (CORPUS / "images").glob("*/*")}

    assert found == TAKEN.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", TAKEN)
def test_takes(name: str) -> None:
    assert seen(read_archive(MemorySource(plain(name)), ArchiveLimits())) == TAKEN[name]


@pytest.mark.parametrize("name", [name for name in TAKEN if not name.endswith(".tar")])
def test_takes_as_it_is_compressed(name: str) -> None:
    with open_compressed(MemorySource(content_of(name)), ArchiveLimits()) as archive:
        for _ in archive:
            pass

        assert seen(archive.contents()) == TAKEN[name]


@pytest.mark.parametrize(("name", "code"), REFUSED.items())
def test_refuses(name: str, code: Code) -> None:
    with pytest.raises(RefusedError) as caught:
        read_archive(MemorySource(plain(name)), ArchiveLimits())

    assert caught.value.code is code


@pytest.mark.parametrize(("name", "expected"), CHARTS.items())
def test_takes_charts(name: str, expected: str) -> None:
    content = (CORPUS / "charts" / "helm" / name).read_bytes()

    contents = read_archive(MemorySource(content), ArchiveLimits())

    assert (contents.kind, contents.images[0].names) == ("chart", (expected,))


def test_the_sparse_index_says_what_is_missing() -> None:
    contents = read_archive(MemorySource(plain("oras/hello-world.tar")), ArchiveLimits())

    assert (contents.pushed, contents.found) == (1, 11)
    assert contents.warnings[0].startswith("10 images that an index names are not in the archive")
