"""What comes out of archives of every form, and what each unsound one is refused with."""

import base64
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.archive.contents import (
    ArchiveContents,
    ArchiveImage,
    GeneratedManifest,
    KeptManifest,
    PackedLayer,
    RawLayer,
)
from chalicelib.archive.limits import MIB, ArchiveLimits
from chalicelib.archive.read import read_archive
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError
from tests import archives
from tests.archives import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER,
    Layout,
    Link,
    MemorySource,
    docker_save,
    dump,
    gzipped,
    hybrid,
    hybrid_layout,
    image,
    layer,
    multi_platform,
    packed_save,
    sha256,
    tar,
    unpacked,
    zstandarded,
)

LIMITS = ArchiveLimits()


def read(content: bytes, limits: ArchiveLimits = LIMITS) -> ArchiveContents:
    return read_archive(MemorySource(content), limits)


def refusal(content: bytes, limits: ArchiveLimits = LIMITS) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        read(content, limits)
    return caught.value


def kept(image: ArchiveImage) -> KeptManifest:
    assert isinstance(image.manifest, KeptManifest)
    return image.manifest


def generated(image: ArchiveImage) -> GeneratedManifest:
    assert isinstance(image.manifest, GeneratedManifest)
    return image.manifest


def digest(image: ArchiveImage) -> str:
    return str(kept(image).blob.descriptor.digest)


def bytes_of(content: bytes, span: ByteRange | bytes | None) -> bytes:
    assert isinstance(span, ByteRange)
    return content[span.start : span.end]


# --- docker save -------------------------------------------------------------------------------------------------

SAVES: dict[str, Callable[[], bytes]] = {
    "legacy": lambda: docker_save(image()),
    "legacy, a layer twice, as a link": lambda: docker_save(image("a", "b", "a"), links=True),
    "legacy, the link before its target": lambda: docker_save(image("a", "b", "a"), links=True, link_first=True),
    "25 and later, uncompressed": lambda: hybrid(image()),
    "25 and later, index.json lists nothing": lambda: listless(image()),
    "skopeo: layers named after their diff_id": lambda: packed_save(image(), "{diff_id}.tar", bytes),
    "in PAX form": lambda: repacked(docker_save(image()), tarfile.PAX_FORMAT),
    "in GNU form": lambda: repacked(docker_save(image()), tarfile.GNU_FORMAT),
    "with ./ before every name": lambda: renamed(docker_save(image()), "./"),
    "under one folder": lambda: renamed(docker_save(image()), "saved/"),
    "backwards": lambda: repacked(docker_save(image()), backwards=True),
}


def listless(one: archives.Image) -> bytes:
    layout = hybrid_layout(one)
    layout.entries.clear()
    return layout.tar()


def repacked(content: bytes, style: int = tarfile.USTAR_FORMAT, *, backwards: bool = False) -> bytes:
    files = unpacked(content)
    return tar(files[::-1] if backwards else files, style)


def renamed(content: bytes, folder: str) -> bytes:
    return tar([(folder + name, body) for name, body in unpacked(content)])


@pytest.mark.parametrize("save", SAVES.values(), ids=SAVES.keys())
def test_a_docker_save_gives_raw_layers(save: Callable[[], bytes]) -> None:
    content = save()

    contents = read(content)

    (found,) = contents.images
    manifest = generated(found)
    assert contents.kind in {"docker", "docker+oci"}
    assert found.names == ("example/app:1.0",)
    assert str(manifest.platform) == "linux/amd64"
    for one in manifest.layers:
        assert isinstance(one, RawLayer)
        assert sha256(bytes_of(content, one.content)) == one.diff_id.hex
    assert sha256(bytes_of(content, manifest.config.content)) == manifest.config.descriptor.digest.hex


def test_several_images_share_their_layers() -> None:
    first, second = image("base", "a", tags=("x/a:1", "x/a:latest")), image("base", "b", tags=("x/b:1",))

    contents = read(docker_save(first, second, links=True))

    one, two = (generated(found).layers for found in contents.images)
    assert one[0] == two[0]
    assert [found.names for found in contents.images] == [("x/a:1", "x/a:latest"), ("x/b:1",)]
    assert (contents.pushed, contents.found) == (2, 2)


@pytest.mark.parametrize(
    ("name", "pack", "compression", "known"),
    [
        ("{digest}.tar.gz", gzipped, "gzip", True),
        ("blobs/sha256/{digest}", gzipped, "gzip", True),
        ("sha256:{digest}.tar.gz", gzipped, "gzip", True),
        ("{digest}.tar.zst", zstandarded, "zstd", True),
        ("{diff_id}/layer.tar", gzipped, "gzip", False),
        ("{diff_id}.tar.gz", gzipped, "gzip", False),
    ],
)
def test_compressed_layers_without_a_manifest_are_kept(
    name: str, pack: Callable[[bytes], bytes], compression: str, known: bool
) -> None:
    one = image()
    content = packed_save(one, name, pack)

    (found,) = read(content).images

    for layer_, original in zip(generated(found).layers, one.layers, strict=True):
        assert isinstance(layer_, PackedLayer)
        assert layer_.compression == compression
        assert layer_.diff_id.hex == sha256(original)
        assert bytes_of(content, layer_.content) == pack(original)
        assert (layer_.digest.hex if layer_.digest else None) == (sha256(pack(original)) if known else None)


def test_a_missing_tag_is_latest() -> None:
    (found,) = read(docker_save(image(tags=("app",)))).images

    assert found.names == ("app:latest",)


# --- both views --------------------------------------------------------------------------------------------------


def test_original_blobs_keep_their_digest() -> None:
    layout = hybrid_layout(image(), compression="+gzip")

    (found,) = read(layout.tar()).images

    assert digest(found) == layout.entries[0]["digest"]
    assert found.names == ("example/app:1.0",)


def test_a_signed_manifest_is_kept_although_its_layers_are_uncompressed() -> None:
    layout = hybrid_layout(image())
    layout.list(layout.referrer(layout.entries[0]))

    (found,) = read(layout.tar()).images

    assert digest(found) == layout.entries[0]["digest"]
    assert len(found.referrers) == 1


def test_a_sparse_index_gives_way_to_the_platform_that_is_there() -> None:
    layout = Layout()
    whole = multi_platform(layout, "amd64", "arm64", "s390x", present=["arm64"])
    child = json.loads(layout.blobs[whole["digest"][7:]])["manifests"][1]
    layout.list(whole, ref="1.0", io_containerd_image_name="docker.io/example/app:1.0")
    layout.extra["manifest.json"] = dump([archives.docker_entry(layout, child, ["example/app:1.0"])])

    contents = read(layout.tar())

    assert digest(contents.images[0]) == child["digest"]
    assert (contents.pushed, contents.found) == (1, 3)
    assert [str(one.platform) for one in contents.absent] == ["linux/amd64", "linux/s390x"]
    assert "linux/amd64, linux/s390x" in contents.warnings[0]


def test_a_sparse_index_with_two_platforms_is_written_anew() -> None:
    layout = Layout()
    whole = multi_platform(layout, "amd64", "arm64", "s390x", present=["amd64", "arm64"])
    layout.list(whole, ref="1.0")

    contents = read(layout.tar())

    manifest = kept(contents.images[0])
    assert isinstance(manifest.blob.content, bytes)
    assert sha256(manifest.blob.content) == manifest.blob.descriptor.digest.hex
    original = json.loads(layout.blobs[whole["digest"][7:]])
    assert json.loads(manifest.blob.content) == {**original, "manifests": original["manifests"][:2]}
    assert len(manifest.children) == 2


def disagreeing(change: Callable[[list[dict[str, Any]], Layout], Any]) -> bytes:
    layout = hybrid_layout(image("a", tags=("x/a:1",)), image("b", tags=("x/b:1",)))
    entries = json.loads(bytes(layout.files()["manifest.json"]))  # type: ignore[arg-type]
    change(entries, layout)
    layout.extra["manifest.json"] = dump(entries)
    return layout.tar()


DISAGREEING: dict[str, Callable[[list[dict[str, Any]], Layout], Any]] = {
    "an image only in index.json": lambda entries, _: entries.pop(),
    "an image only in manifest.json": lambda _, layout: layout.entries.pop(),
    "other layers": lambda entries, _: entries[0].update(Layers=entries[1]["Layers"], Config=entries[1]["Config"]),
    "other names": lambda entries, _: entries[0].update(RepoTags=["x/evil:1"]),
    "names crossed": lambda entries, _: [
        entry.update(RepoTags=tags) for entry, tags in zip(entries, (["x/b:1"], ["x/a:1"]), strict=True)
    ],
    "a layer that is no blob": lambda entries, layout: (
        layout.extra.update({"other.tar": layer("a")}),
        entries[0].update(Layers=["other.tar"]),
    ),
}


@pytest.mark.parametrize("change", DISAGREEING.values(), ids=DISAGREEING.keys())
def test_views_that_disagree_are_refused(change: Callable[[list[dict[str, Any]], Layout], Any]) -> None:
    assert refusal(disagreeing(change)).code is Code.VIEWS_DISAGREE


# --- OCI layouts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["", "+gzip", "+zstd"])
@pytest.mark.parametrize("folder", ["", "./", "layout/", "images/"])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_layout_keeps_its_digest(compression: str, folder: str, backwards: bool) -> None:
    layout = Layout()
    listed = layout.list(layout.image(image(), compression), ref="1.0")
    content = layout.tar(folder, backwards=backwards)

    contents = read(content)

    (found,) = contents.images
    assert contents.kind == "oci"
    assert digest(found) == listed["digest"]
    assert found.names == (":1.0",)
    for blob in (kept(found).blob, *kept(found).layers):
        assert sha256(bytes_of(content, blob.content)) == blob.descriptor.digest.hex


def test_an_index_is_kept_with_its_children() -> None:
    layout = Layout()
    listed = layout.list(multi_platform(layout, "amd64", "arm64"))

    (found,) = read(layout.tar()).images

    assert digest(found) == listed["digest"]
    assert [str(child.platform) for child in kept(found).children] == ["linux/amd64", "linux/arm64"]
    assert [node.blob.descriptor.digest for node in kept(found).walk()][-1].hex == listed["digest"][7:]


def test_docker_media_types_are_kept() -> None:
    layout = Layout()
    child = layout.image(image(), media_type=DOCKER_MANIFEST)
    listed = layout.list(layout.index(child, media_type=DOCKER_INDEX))

    (found,) = read(layout.tar()).images

    assert kept(found).blob.descriptor.media_type == DOCKER_INDEX
    assert digest(found) == listed["digest"]


def test_a_nested_index_is_kept() -> None:
    layout = Layout()
    inner = multi_platform(layout, "amd64", "arm64")
    listed = layout.list(layout.index(inner, layout.image(image("windows"))))

    (found,) = read(layout.tar()).images

    assert digest(found) == listed["digest"]
    assert len(list(kept(found).walk())) == 5


def test_an_image_of_two_tags_is_one_image() -> None:
    layout = Layout()
    one = layout.image(image())
    layout.list(one, ref="1.0")
    layout.list(one, ref="latest")

    (found,) = read(layout.tar()).images

    assert found.names == (":1.0", ":latest")


@pytest.mark.parametrize(
    ("annotations", "names"),
    [
        ({"ref": "1.0"}, (":1.0",)),
        ({"ref": "library/app:1.0"}, ("library/app:1.0",)),
        ({"ref": "1.0", "io_containerd_image_name": "docker.io/x/app:1.0"}, ("docker.io/x/app:1.0",)),
        ({"org_opencontainers_image_base_name": "zarf/app:1"}, ("zarf/app:1",)),
        ({}, ()),
    ],
)
def test_names_that_tools_write(annotations: dict[str, str], names: tuple[str, ...]) -> None:
    layout = Layout()
    layout.list(layout.image(image()), **annotations)

    assert read(layout.tar()).images[0].names == names


def test_a_layout_without_its_marker_is_taken() -> None:
    layout = Layout()
    layout.list(layout.image(image()))
    files = layout.files()
    del files["oci-layout"]

    assert read(tar(files)).kind == "oci"


@pytest.mark.parametrize("table", [b"[]", b"null"])
def test_a_haul_of_charts_alone_is_taken_whose_table_of_images_lists_none(table: bytes) -> None:
    layout = Layout()
    config = layout.add(b'{"name":"app"}', "application/vnd.cncf.helm.config.v1+json")
    content = layout.add(b"chart", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
    listed = layout.list(layout.manifest(config, [content]), ref="hauler/app:1.0.0", kind="dev.hauler/image")
    layout.extra["manifest.json"] = table

    contents = read(layout.tar())

    assert (contents.kind, contents.producer, contents.warnings) == ("oci", "Hauler", ())
    assert digest(contents.images[0]) == listed["digest"]
    assert contents.images[0].names == ("hauler/app:1.0.0",)


def test_an_image_pinned_to_a_digest_has_the_name_that_hauler_gives_it() -> None:
    layout = Layout()
    child = {**layout.image(image()), "platform": {"os": "linux", "architecture": "amd64"}}
    index = layout.index(child)
    layout.list(
        index, io_containerd_image_name=f"docker.io/library/app@{index['digest']}", kind="dev.hauler/imageIndex"
    )
    name = f"app:{index['digest'].replace(':', '-')}-linux-amd64"
    layout.extra["manifest.json"] = dump([archives.docker_entry(layout, child, [name])])

    (found,) = read(layout.tar()).images

    assert (digest(found), found.names) == (index["digest"], (name,))


def test_an_artifact_is_taken() -> None:
    layout = Layout()
    blob = layout.add(b"anything", "application/vnd.example.data")
    config = layout.add(b"{}", archives.OCI_EMPTY)
    layout.list(layout.manifest(config, [blob], artifactType="application/vnd.example"), ref="1.0")

    manifest = kept(read(layout.tar()).images[0])

    assert (manifest.artifact_type, manifest.platform, manifest.diff_ids) == ("application/vnd.example", None, ())


def test_the_empty_config_need_not_be_there() -> None:
    layout = Layout()
    config = layout.add(b"{}", archives.OCI_EMPTY)
    layout.list(layout.manifest(config, [layout.add(b"x", "text/plain")]))
    del layout.blobs[config["digest"][7:]]

    manifest = kept(read(layout.tar()).images[0])

    assert manifest.config is not None
    assert manifest.config.content == b"{}"


def test_a_config_may_be_embedded() -> None:
    layout = Layout()
    config = layout.add(b"[]", "application/json", data="W10=")
    layout.list(layout.manifest(config, [layout.add(b"x", "text/plain")]))
    del layout.blobs[config["digest"][7:]]

    manifest = kept(read(layout.tar()).images[0])

    assert manifest.config is not None
    assert manifest.config.content == b"[]"


# --- refusals ----------------------------------------------------------------------------------------------------


def docker(**changes: Any) -> bytes:
    """A legacy save of one layer whose entry in `manifest.json` is changed; `files` adds members."""
    files: dict[str, archives.Content] = dict(unpacked(docker_save(image("a"))))
    more = changes.pop("files", {})
    (listed,) = json.loads(bytes(files["manifest.json"]))  # type: ignore[arg-type]
    files["manifest.json"] = dump([{**listed, **changes}])
    return tar({**files, **more})


def layout_of(change: Callable[[Layout], Any]) -> bytes:
    layout = Layout()
    layout.list(layout.image(image()))
    change(layout)
    return layout.tar()


def of_manifest(**changes: Any) -> Callable[[Layout], Any]:
    """Replace the layout's manifest by one with other fields."""

    def change(layout: Layout) -> None:
        document = json.loads(layout.blobs.pop(layout.entries[0]["digest"][7:]))
        layout.entries[0].update(layout.add(dump({**document, **changes}), archives.OCI_MANIFEST))

    return change


def drop(position: int) -> Callable[[Layout], Any]:
    """Take a blob out: 0 and 1 are layers, 2 the config, 3 the manifest."""
    return lambda layout: layout.blobs.pop(list(layout.blobs)[position])


def corrupt(position: int) -> Callable[[Layout], Any]:
    def change(layout: Layout) -> None:
        name = list(layout.blobs)[position]
        layout.blobs[name] = layout.blobs[name][:-1] + b" "

    return change


def nest(depth: int) -> Callable[[Layout], Any]:
    def change(layout: Layout) -> None:
        one = layout.entries.pop()
        for _ in range(depth):
            one = layout.index(one)
        layout.list(one)

    return change


def foreign(layout: Layout) -> None:
    absent = {
        "mediaType": archives.OCI_LAYER.replace("layer", "layer.nondistributable"),
        "digest": "sha256:" + "0" * 64,
    }
    one = {**absent, "size": 10, "urls": ["http://169.254.169.254/"]}
    config = layout.add(image("a").config, OCI_CONFIG)
    layout.entries = [layout.manifest(config, [one])]


def relabel(layout: Layout) -> None:
    child = layout.entries.pop()
    layout.list(layout.index({**child, "platform": {"os": "linux", "architecture": "arm64"}}))


def empty_layer(layout: Layout) -> None:
    of_manifest(layers=[layout.add(b"", OCI_LAYER)] * 2)(layout)


def half_a_platform(layout: Layout) -> None:
    layout.entries = [multi_platform(layout, "amd64", "arm64")]
    layout.blobs.pop(sha256(gzipped(layer("arm64"))))


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return buffer.getvalue().ljust(600, b"\0")


def spaces(number: int) -> str:
    return base64.b64encode(b" " * number).decode()


def sparse_in_cyrillic(layout: Layout) -> None:
    """An index below the limit as it is, and above once it is ASCII."""
    whole = multi_platform(layout, "amd64", "arm64", "s390x", present=("amd64", "arm64"))
    document = json.loads(layout.blobs.pop(whole["digest"][7:]))
    text = json.dumps({**document, "annotations": {"a": "\u0430" * MIB}}, ensure_ascii=False)
    layout.entries = [layout.add(text.encode(), archives.OCI_INDEX)]


BAD = {"digest": "sha256:" + "0" * 64, "size": 10, "mediaType": archives.OCI_MANIFEST}

REFUSED: dict[str, tuple[Callable[[], bytes], Code]] = {
    "an empty object": (lambda: b"", Code.EMPTY_OBJECT),
    "one byte": (lambda: b"x", Code.NOT_ARCHIVE),
    "a program": (lambda: b"\x7fELF" + bytes(9000), Code.NOT_ARCHIVE),
    "a zip": (lambda: b"PK\x03\x04" + bytes(9000), Code.NOT_ARCHIVE),
    "text": (lambda: b"hello world\n" * 100, Code.NOT_ARCHIVE),
    "a cut first header": (lambda: docker_save(image())[:400], Code.TRUNCATED),
    "an empty tar": (lambda: bytes(10240), Code.NO_IMAGE),
    "a tar of files": (lambda: tar({"readme.txt": b"x"}), Code.NO_IMAGE),
    "a save of before 1.10": (lambda: tar({"repositories": b"{}", "abc/layer.tar": b""}), Code.NO_IMAGE),
    "null for a list": (lambda: tar({"manifest.json": b"null"}), Code.NO_IMAGE),
    "an empty list": (lambda: tar({"manifest.json": b"[]"}), Code.NO_IMAGE),
    "an empty index": (lambda: layout_of(lambda layout: layout.entries.clear()), Code.NO_IMAGE),
    "a web application's manifest": (lambda: tar({"manifest.json": b"{}"}), Code.MANIFEST_FORM),
    "manifest.json twice": (
        lambda: tar([("manifest.json", b"[]"), ("./manifest.json", b"[]")]),
        Code.DUP_MEMBER,
    ),
    "manifest.json above its limit": (lambda: tar({"manifest.json": b"[" + b" " * MIB + b"]"}), Code.TOO_LARGE),
    "keys in two cases": (
        lambda: tar({"manifest.json": b'[{"Layers":[],"layers":[],"Config":"c"}]'}),
        Code.JSON_AMBIGUOUS,
    ),
    "keys in the wrong case": (lambda: tar({"manifest.json": b'[{"config":"c"}]'}), Code.JSON_AMBIGUOUS),
    "a layer that is not there": (lambda: docker(Layers=["gone/layer.tar"]), Code.MISSING_BLOB),
    "a config that is not there": (lambda: docker(Config="gone.json"), Code.MISSING_BLOB),
    "a config without a name": (lambda: docker(Config=""), Code.MANIFEST_FORM),
    "a layer that climbs out": (lambda: docker(Layers=["../../etc/passwd"]), Code.MEMBER_NAME),
    "more layers than diff_ids": (lambda: docker(Layers=["manifest.json"] * 2), Code.COUNT),
    "no layers, but a diff_id": (lambda: docker(Layers=None), Code.COUNT),
    "128 layers": (lambda: docker(Layers=["manifest.json"] * 128), Code.LAYER_COUNT),
    "a config named after another digest": (
        lambda: docker(Config="0" * 64 + ".json", files={"0" * 64 + ".json": image("a").config}),
        Code.CONFIG_DIGEST,
    ),
    "an xz layer": (
        lambda: docker(Layers=["l.tar"], files={"l.tar": b"\xfd7zXZ\0" + bytes(99)}),
        Code.LAYER_COMPRESSION,
    ),
    "an empty layer file": (lambda: docker(Layers=["l.tar"], files={"l.tar": b""}), Code.EMPTY_BLOB),
    "a raw blob that is not its diff_id": (
        lambda: docker(Layers=["blobs/sha256/" + "0" * 64], files={"blobs/sha256/" + "0" * 64: layer()}),
        Code.DIGEST_MISMATCH,
    ),
    "a link out of the archive": (lambda: docker(Layers=["l"], files={"l": Link("../../x")}), Code.LINK),
    "an absolute link": (lambda: docker(Layers=["l"], files={"l": Link("/etc/passwd")}), Code.LINK),
    "a link to nothing": (lambda: docker(Layers=["l"], files={"l": Link("gone")}), Code.LINK),
    "a link to itself": (lambda: docker(Layers=["l"], files={"l": Link("l")}), Code.LINK),
    "a link to a directory": (lambda: docker(Layers=["l"], files={"l": Link("d"), "d/": None}), Code.LINK),
    "nine links to a file": (
        lambda: docker(Layers=["l0"], files={**{f"l{n}": Link(f"l{n + 1}") for n in range(9)}, "l9": layer("a")}),
        Code.LINK,
    ),
    "a hard link": (lambda: docker(files={"h": Link("manifest.json", hard=True)}), Code.LINK_TYPE),
    "a layout of another version": (
        lambda: layout_of(lambda layout: layout.extra.update({"oci-layout": b'{"imageLayoutVersion":"2.0.0"}'})),
        Code.MANIFEST_FORM,
    ),
    "an absent manifest": (lambda: layout_of(drop(3)), Code.MISSING_BLOB),
    "an absent config": (lambda: layout_of(drop(2)), Code.MISSING_BLOB),
    "an absent layer": (lambda: layout_of(drop(0)), Code.MISSING_BLOB),
    "half a platform of an index": (lambda: layout_of(half_a_platform), Code.MISSING_BLOB),
    "an index of nothing that is there": (
        lambda: layout_of(lambda layout: layout.entries.__setitem__(0, layout.index(BAD))),
        Code.MISSING_BLOB,
    ),
    "a forged manifest": (lambda: layout_of(corrupt(3)), Code.DIGEST_MISMATCH),
    "a forged config": (lambda: layout_of(corrupt(2)), Code.DIGEST_MISMATCH),
    "a size that lies": (
        lambda: layout_of(lambda layout: layout.entries[0].update(size=layout.entries[0]["size"] + 1)),
        Code.SIZE,
    ),
    "a descriptor that says it is an index": (
        lambda: layout_of(lambda layout: layout.entries[0].update(mediaType=archives.OCI_INDEX)),
        Code.MEDIA_TYPE,
    ),
    "one digest, two descriptors": (
        lambda: layout_of(lambda layout: layout.list({**layout.entries[0], "size": 1})),
        Code.MEDIA_TYPE,
    ),
    "an index over layers": (
        lambda: layout_of(lambda layout: layout.list(layout.index(layout.add(b"x", OCI_LAYER)))),
        Code.MEDIA_TYPE,
    ),
    "schema 1": (
        lambda: layout_of(of_manifest(schemaVersion=1)),
        Code.SCHEMA1,
    ),
    "fewer layers than diff_ids": (lambda: layout_of(of_manifest(layers=[])), Code.COUNT),
    "an empty blob": (lambda: layout_of(empty_layer), Code.EMPTY_BLOB),
    "an index in an index, four deep": (lambda: layout_of(nest(4)), Code.INDEX_LIMIT),
    "an index of 10,000": (
        lambda: layout_of(lambda layout: layout.list(layout.index(*[layout.entries[0]] * 10_000))),
        Code.INDEX_LIMIT,
    ),
    "embedded data that is not the blob": (
        lambda: layout_of(lambda layout: layout.entries[0].update(data="e30=")),
        Code.SIZE,
    ),
    "embedded data of the blob's length": (
        lambda: layout_of(lambda layout: layout.entries[0].update(data=spaces(layout.entries[0]["size"]))),
        Code.DIGEST_MISMATCH,
    ),
    "an index of 4 MiB, written anew": (lambda: layout_of(sparse_in_cyrillic), Code.TOO_LARGE),
    "a manifest of more than 4 MiB": (
        lambda: layout_of(of_manifest(annotations={"a": "x" * 4 * MIB})),
        Code.TOO_LARGE,
    ),
    "a foreign layer": (lambda: layout_of(foreign), Code.FOREIGN_LAYER),
    "a layer of 42,001 MiB": (
        lambda: layout_of(of_manifest(layers=[{**BAD, "mediaType": OCI_LAYER, "size": 42_001 * MIB}] * 2)),
        Code.LAYER_LIMIT,
    ),
    "a label that the config contradicts": (lambda: layout_of(relabel), Code.PLATFORM_MISMATCH),
    "a KOTS bundle": (lambda: tar({"airgap.yaml": b"", "images/x": b""}), Code.BUNDLE),
    "an imgpkg bundle": (
        lambda: tar({"manifest.json": b'[{"ImageIndex":null,"Image":{"Refs":[]}}]'}),
        Code.BUNDLE,
    ),
    "a Hangar archive": (lambda: tar({"index.json": b'{"list":[],"version":"v1"}'}), Code.BUNDLE),
    "a Hangar archive since 1.7": (lambda: zipped("f" * 64 + "/", "share/"), Code.BUNDLE),
    "a Hangar archive, blobs first": (lambda: zipped("share/sha256/x"), Code.BUNDLE),
    "an oc-mirror archive": (lambda: tar({"publish/.metadata.json": b"{}"}), Code.BUNDLE),
    "an oc-mirror archive of version 2": (lambda: tar({"working-dir/.history/.history-2026": b""}), Code.BUNDLE),
    "a later one of a set": (lambda: tar({f"docker/registry/v2/blobs/sha256/ab/{'ab' * 32}/data": b""}), Code.BUNDLE),
    "a tar of tars": (lambda: tar({"a.tar": docker_save(image()), "b.tar": b""}), Code.BUNDLE),
    "two layouts": (
        lambda: tar({f"{folder}/{name}": b"{}" for folder in "ab" for name in ("oci-layout", "index.json")}),
        Code.BUNDLE,
    ),
    "a chart as a plain tar": (lambda: tar({"app/Chart.yaml": b"name: app"}), Code.NO_IMAGE),
    "a root file system": (
        lambda: tar(dict.fromkeys(("bin/sh", "etc/passwd", "usr/bin/env", "var/log/x"), b"")),
        Code.ROOT_FILE_SYSTEM,
    ),
}


@pytest.mark.parametrize(("build", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(build: Callable[[], bytes], code: Code) -> None:
    assert refusal(build()).code is code


@pytest.mark.parametrize(
    ("build", "member"),
    [
        (REFUSED["embedded data that is not the blob"][0], "index.json"),
        (REFUSED["one digest, two descriptors"][0], "index.json"),
        (lambda: disagreeing(DISAGREEING["other names"]), "manifest.json"),
        (REFUSED["an imgpkg bundle"][0], "manifest.json"),
    ],
)
def test_a_refusal_names_the_table_that_it_is_about(build: Callable[[], bytes], member: str) -> None:
    assert refusal(build()).member == member


def test_documents_are_bounded_together_and_counted_once() -> None:
    layout = hybrid_layout(image("a"), image("b", tags=("x/b:1",)))
    names = [name for name, body in layout.files().items() if bytes(body or b"").lstrip()[:1] in (b"{", b"[")]  # type: ignore[arg-type]
    total = sum(len(bytes(layout.files()[name] or b"")) for name in names)  # type: ignore[arg-type]

    assert read(layout.tar(), ArchiveLimits(documents=total)).images
    assert refusal(layout.tar(), ArchiveLimits(documents=total - 1)).code is Code.TOO_LARGE


def test_eight_links_are_followed() -> None:
    links: dict[str, archives.Content] = {f"l{n}": Link(f"l{n + 1}") for n in range(8)}

    assert read(docker(Layers=["l0"], files={**links, "l8": layer("a")})).images


def test_a_foreign_layer_is_taken_where_the_settings_allow_it() -> None:
    contents = read(layout_of(foreign), ArchiveLimits(foreign_layers=True))

    assert kept(contents.images[0]).layers[0].content is None


@pytest.mark.parametrize("allowed", [True, False])
def test_encrypted_layers_are_the_settings_choice(allowed: bool) -> None:
    layout = Layout()
    one = layout.add(b"secret", OCI_LAYER + "+gzip+encrypted")
    layout.list(layout.manifest(layout.add(image("a").config, OCI_CONFIG), [one]))

    if allowed:
        assert kept(read(layout.tar()).images[0]).layers[0].descriptor.digest.hex == one["digest"][7:]
    else:
        assert refusal(layout.tar(), ArchiveLimits(encrypted_layers=False)).code is Code.ENCRYPTED_LAYER


def test_no_text_of_the_archive_gets_into_the_detail() -> None:
    error = refusal(docker(Layers=["evil-\x7f-name"]))

    assert "evil" not in error.detail
    assert error.member == "evil-\x7f-name"
