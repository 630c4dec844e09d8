"""
Every format of archive goes the whole way: uploaded, pushed by the deployed functions, pulled by skopeo.

Each digest is derived again from the bytes that skopeo wrote: of the manifest, of its children and of each blob. Where
the archive holds the manifest, its digest is the archive's own.
"""

from __future__ import annotations

import bz2
import hashlib
import json
import lzma
import random
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import zstandard

from chalicelib.state.upload import State
from tests import archives
from tests.acceptance.producer import Producer, needs
from tests.producers import BUILDERS
from transship.observation import Observation

pytestmark = [pytest.mark.check, pytest.mark.timeout(300), needs("skopeo")]

_HEX = re.compile(r"([0-9a-f]{64})(\.manifest\.json)?")


class Format(NamedTuple):
    """An archive, the tags that must be there by repository below the key's, and the digests that it holds itself."""

    content: bytes
    tags: Mapping[str, tuple[str, ...]]
    kept: tuple[str, ...] = ()
    file_name: str = "app.tar"


def image(*texts: str, **fields: Any) -> archives.Image:
    return archives.image(*(texts or ("base", "app")), **fields)


def large(seed: int) -> archives.Image:
    """Return an image with a layer that a compressed archive does not keep in memory."""
    noise = random.Random(seed).randbytes(300_000)  # noqa: S311 - the same bytes each time
    return archives.Image((archives.tar({"noise": noise}), archives.layer("top")))


ONE = {"": ("1.0",)}
TWO_NAMES = {"first": ("1",), "second": ("2", "latest")}


def two() -> tuple[archives.Image, archives.Image]:
    return image("base", "a", tags=("x/first:1",)), image("base", "b", tags=("second:2", "second:latest"))


def layout(build: Callable[[archives.Layout], archives.Descriptor], **options: Any) -> Format:
    made = archives.Layout()
    descriptor = made.list(build(made), ref="1.0")
    return Format(made.tar(**options), ONE, (descriptor["digest"],))


def nested(made: archives.Layout) -> archives.Descriptor:
    inner = archives.multi_platform(made, "amd64", "arm64")
    return made.index(
        inner,
        {**made.image(image("s390x", architecture="s390x")), "platform": {"os": "linux", "architecture": "s390x"}},
    )


def sparse() -> Format:
    made = archives.Layout()
    made.list(archives.multi_platform(made, "amd64", "arm64", "s390x", present=("arm64",)), ref="1.0")
    alone = archives.Layout()
    return Format(made.tar(), ONE, (alone.image(image("arm64", architecture="arm64"))["digest"],))


def signed() -> Format:
    """Return an image with an SBOM by `subject` and a signature by cosign's tag."""
    made = archives.Layout()
    root = made.list(made.image(image()), ref="1.0")
    sbom = made.list(made.referrer(root))
    payload = made.add(b'{"critical":{}}', "application/vnd.dev.cosign.simplesigning.v1+json")
    signature = made.manifest(made.add(image("signature").config, archives.OCI_CONFIG), [payload])
    tag = root["digest"].replace(":", "-") + ".sig"
    made.list(signature, ref=tag)
    return Format(made.tar(), {"": ("1.0", tag)}, (root["digest"], sbom["digest"], signature["digest"]))


def two_of_layout() -> Format:
    made = archives.Layout()
    first, second = two()
    listed = [made.list(made.image(first), ref="x/first:1"), made.list(made.image(second), ref="x/second:2")]
    made.list(listed[1], ref="x/second:latest")
    return Format(made.tar(), TWO_NAMES, tuple(one["digest"] for one in listed))


def artifact(made: archives.Layout) -> archives.Descriptor:
    blob = made.add(b"wasm", "application/wasm")
    return made.manifest(made.add(b"{}", archives.OCI_EMPTY), [blob], artifactType="application/vnd.example.module")


def encrypted(made: archives.Layout) -> archives.Descriptor:
    one = image()
    layers = [
        made.add(b"\x00" + bytes([n]) * 99, archives.OCI_LAYER + "+gzip+encrypted") for n in range(len(one.layers))
    ]
    return made.manifest(made.add(one.config, archives.OCI_CONFIG), layers)


def hybrid_kept() -> Format:
    made = archives.hybrid_layout(image(tags=("example/app:1.0",)), compression="+gzip")
    return Format(made.tar(), ONE, (made.entries[0]["digest"],))


def zarf() -> Format:
    made = archives.Layout()
    root = made.list(made.image(image()), org_opencontainers_image_base_name="registry.example/team/app:1.0")
    return Format(made.tar("images/"), ONE, (root["digest"],))


def hauls() -> Format:
    made = archives.Layout()
    root = made.list(made.image(image()), io_containerd_image_name="registry.example/team/app:1.0")
    files = made.files()
    del files["oci-layout"]
    return Format(archives.tar(files), ONE, (root["digest"],))


def written_by(build: Callable[[archives.Image], bytes]) -> Format:
    """Return the archive of a tool that is not here; what its `index.json` lists is kept."""
    content = build(image())
    files = {name.removeprefix("./"): body for name, body in archives.unpacked(content)}
    index = files.get("index.json")
    listed = json.loads(index)["manifests"] if isinstance(index, bytes) else []
    return Format(content, ONE, tuple(entry["digest"] for entry in listed))


CHART = archives.chart()
PLAIN = archives.docker_save(large(7))
LAYOUT = layout(lambda made: made.image(large(8)))

FORMATS: dict[str, Format] = {
    "docker save": Format(archives.docker_save(image()), ONE),
    "docker save, links behind": Format(archives.docker_save(*two(), links=True), TWO_NAMES),
    "docker save, links before": Format(archives.docker_save(*two(), links=True, link_first=True), TWO_NAMES),
    "docker 25, uncompressed blobs": Format(archives.hybrid(image()), ONE),
    "docker 25, original blobs": hybrid_kept(),
    "sparse index": sparse(),
    "layout of one image": layout(lambda made: made.image(image())),
    "layout, zstd": layout(lambda made: made.image(image(), "+zstd")),
    "layout, uncompressed": layout(lambda made: made.image(image(), "")),
    "layout, index": layout(lambda made: archives.multi_platform(made, "amd64", "arm64")),
    "layout, nested index": layout(nested),
    "layout, members backwards": layout(lambda made: made.image(image()), backwards=True),
    "layout below a folder": layout(lambda made: made.image(image()), folder="top/"),
    "layout of two images": two_of_layout(),
    "layout with ./": layout(lambda made: made.image(image()), folder="./"),
    "layout with signature and SBOM": signed(),
    "artifact with empty config": layout(artifact),
    "encrypted layers": layout(encrypted),
    "compressed layers without a layout": Format(archives.packed_save(image()), ONE),
    "Zarf": zarf(),
    "Hauler for containerd": hauls(),
    "chart": Format(CHART, {"/webapp": ("1.2.3_build.5",)}, file_name="webapp-1.2.3.tgz"),
    "docker save in gzip": Format(archives.gzipped(PLAIN), ONE, file_name="app.tar.gz"),
    "docker save in two gzip members": Format(archives.gzipped(PLAIN[:9999]) + archives.gzipped(PLAIN[9999:]), ONE),
    "docker save in zstd": Format(zstandard.compress(PLAIN), ONE, file_name="app.tar.zst"),
    "layout in xz": Format(lzma.compress(LAYOUT.content), ONE, LAYOUT.kept, "app.tar.xz"),
    "layout in bzip2": Format(bz2.compress(LAYOUT.content), ONE, LAYOUT.kept, "app.tar.bz2"),
    "two images in gzip": Format(archives.gzipped(archives.docker_save(*two())), TWO_NAMES),
}
TOOLS = {f"{tool}, {form}": written_by(build) for (tool, form), build in BUILDERS.items()}
NOT_BY_SKOPEO = {"layout, nested index"}  # it takes no index in an index


def keyed(name: str) -> str:
    return "formats/" + re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def uploaded(formats: Mapping[str, Format], producer: Producer) -> Mapping[str, Observation]:
    """Upload all of them at once and wait for each."""
    uploads = {
        name: producer.put(f"uploads/{keyed(name)}/{one.file_name}", one.content) for name, one in formats.items()
    }
    return {name: producer.await_end(upload, 240) for name, upload in uploads.items()}


@pytest.fixture(scope="module", name="observed")
def _observed(producer: Producer) -> Mapping[str, Observation]:
    return uploaded(FORMATS, producer)


@pytest.fixture(scope="module", name="observed_of_tools")
def _observed_of_tools(producer: Producer) -> Mapping[str, Observation]:
    return uploaded(TOOLS, producer)


@pytest.mark.parametrize("name", FORMATS)
def test_format_goes_the_whole_way(
    name: str, observed: Mapping[str, Observation], producer: Producer, tmp_path: Path
) -> None:
    went_the_whole_way(name, FORMATS[name], observed[name], producer, tmp_path)


@pytest.mark.parametrize("name", TOOLS)
def test_what_a_tool_writes_goes_the_whole_way(
    name: str, observed_of_tools: Mapping[str, Observation], producer: Producer, tmp_path: Path
) -> None:
    went_the_whole_way(name, TOOLS[name], observed_of_tools[name], producer, tmp_path)


def went_the_whole_way(name: str, one: Format, seen: Observation, producer: Producer, tmp_path: Path) -> None:
    assert seen.upload.state is State.AVAILABLE, (seen.upload.code, seen.upload.detail)
    expected = {f"{keyed(name)}{_below(below)}": set(tags) for below, tags in one.tags.items()}
    found: dict[str, set[str]] = {}
    for record in seen.images:
        found.setdefault(str(record.repository), set()).update(map(str, record.tags))
    assert found == expected
    digests = {str(record.digest) for record in seen.images}
    assert set(one.kept) <= digests, "an archive's own manifest keeps its digest"
    for number, (repository, tag) in enumerate(
        (name_, tag) for name_, tags in expected.items() for tag in sorted(tags)
    ):
        if name not in NOT_BY_SKOPEO:
            pulled = rederived(producer, repository, tag, tmp_path / str(number))
            assert pulled in digests


def _below(below: str) -> str:
    return f"/{below.strip('/')}" if below else ""


def rederived(producer: Producer, repository: str, tag: str, folder: Path) -> str:
    """Pull an image with all that it names, compute every digest, and return that of its manifest."""
    registry = producer.stage.registries()[0]
    producer.skopeo(registry, "copy", "--all", "--src-tls-verify=false", repository=repository, tag=tag, to=folder)
    blobs = {match[1]: path for path in folder.iterdir() if (match := _HEX.fullmatch(path.name))}
    for digest, path in blobs.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    root = (folder / "manifest.json").read_bytes()
    for document in (root, *(path.read_bytes() for path in folder.glob("*.manifest.json"))):
        assert set(_named(json.loads(document))) <= blobs.keys()
    return f"sha256:{hashlib.sha256(root).hexdigest()}"


def _named(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the hex digests that a manifest or index names."""
    entries = [document["config"]] if "config" in document else []
    for entry in (*entries, *document.get("layers", ()), *document.get("manifests", ())):
        yield entry["digest"].removeprefix("sha256:")


def test_referrers_are_listed(observed: Mapping[str, Observation], producer: Producer) -> None:
    root, sbom, _ = FORMATS["layout with signature and SBOM"].kept
    assert observed["layout with signature and SBOM"].upload.state is State.AVAILABLE

    answer = producer.stage.client("ecr").list_image_referrers(
        repositoryName=keyed("layout with signature and SBOM"), subjectId={"imageDigest": root}
    )

    assert [one["digest"] for one in answer["referrers"]] == [sbom]


def test_a_nested_index_is_whole(observed: Mapping[str, Observation], producer: Producer) -> None:
    name = "layout, nested index"
    digests = [str(record.digest) for record in observed[name].images]

    answer = producer.stage.client("ecr").batch_get_image(
        repositoryName=keyed(name), imageIds=[{"imageDigest": digest} for digest in digests]
    )

    got = {f"sha256:{hashlib.sha256(one['imageManifest'].encode()).hexdigest()}" for one in answer["images"]}
    assert got == set(digests)
    assert len(digests) == 5


def schema1() -> bytes:
    made = archives.Layout()
    text = archives.dump({"schemaVersion": 1, "name": "x", "tag": "1", "fsLayers": [], "history": []})
    made.list(made.add(text, "application/vnd.docker.distribution.manifest.v1+json"), ref="1.0")
    return made.tar()


def foreign() -> bytes:
    made = archives.Layout()
    one = image("a")
    about = {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "size": 9}
    layer = {**about, "digest": f"sha256:{'a' * 64}", "urls": ["http://169.254.169.254/latest/meta-data"]}
    made.list(made.manifest(made.add(one.config, archives.OCI_CONFIG), [layer]), ref="1.0")
    return made.tar()


REFUSED: dict[str, tuple[bytes, str]] = {
    "schema 1": (schema1(), "SCHEMA1"),
    "foreign layer": (foreign(), "FOREIGN_LAYER"),
    "root file system": (
        archives.tar({f"{name}/x": b"x" for name in ("bin", "etc", "usr", "var")}),
        "ROOT_FILE_SYSTEM",
    ),
    "root file system in gzip": (
        archives.gzipped(archives.tar({f"{name}/x": b"x" for name in ("bin", "etc", "usr", "var")})),
        "ROOT_FILE_SYSTEM",
    ),
    "imgpkg": (archives.tar({"manifest.json": b'[{"Image": {"Refs": []}}]'}), "BUNDLE"),
    "zip": (b"PK\x03\x04" + bytes(600), "NOT_ARCHIVE"),
    "ELF": (b"\x7fELF" + bytes(600), "NOT_ARCHIVE"),
}


@pytest.fixture(scope="module", name="refused")
def _refused(producer: Producer) -> Mapping[str, Observation]:
    uploads = {name: producer.put(f"uploads/{keyed(name)}/app.tar", one) for name, (one, _) in REFUSED.items()}
    return {name: producer.await_end(upload) for name, upload in uploads.items()}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_none_of_them_is_refused_by_name(name: str, refused: Mapping[str, Observation]) -> None:
    upload = refused[name].upload

    assert (upload.state, upload.code) == (State.REJECTED, REFUSED[name][1])
