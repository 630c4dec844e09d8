"""
Bad archives through the whole pipeline, by the rows of the table of bad inputs (reliability-security.md, (a)).

R0: rejected with the code before any write to ECR. R1: layers may have been stored, nothing is put. Either way one
event, no second receipt of the message, no dead letter.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
import socket
from collections.abc import Callable
from typing import Any

import pytest
import zstandard

from chalicelib.state.upload import State
from tests import archives
from tests.archives import (
    Layout,
    Link,
    chart,
    docker_save,
    entry,
    gzipped,
    header,
    hybrid,
    image,
    layer,
    multi_platform,
    pax,
    tar,
)
from tests.hostile import ATTACKS
from tests.unit.archive.test_read import docker, drop, foreign, layout_of, nest, of_manifest
from tests.world import World

KEY = "uploads/team/app/app-1.0.tar"
SAVE = docker_save(image())
MIB = 1 << 20
ZEROS = "0" * 64
WRITES = {"CreateRepository", "InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage"}

Build = Callable[[], bytes]


def attack(name: str) -> Build:
    return lambda: ATTACKS[name].content


def in_manifest(old: bytes, new: bytes) -> bytes:
    """Return a layout of which the manifest's text is changed and listed under its new digest."""
    layout = Layout()
    one = layout.image(image())
    raw = layout.blobs.pop(one["digest"][7:]).replace(old, new, 1)
    layout.list(layout.add(raw, archives.OCI_MANIFEST), ref="1.0")
    return layout.tar()


def in_config(old: bytes, new: bytes) -> bytes:
    raw = image("a").config.replace(old, new, 1)
    return docker(Config="c.json", files={"c.json": raw})


def with_digest(text: object) -> bytes:
    return layout_of(lambda made: made.entries[0].update(digest=text))


def with_size(size: object) -> bytes:
    return layout_of(lambda made: made.entries[0].update(size=size))


def named(name: bytes) -> bytes:
    return entry(name, b"x") + SAVE


def of_many(made: Layout) -> None:
    made.list(made.index(*[made.entries[0]] * 10_000))


def foreign_at(url: str) -> Callable[[Layout], None]:
    def change(made: Layout) -> None:
        foreign(made)
        document = json.loads(made.blobs.pop(made.entries[0]["digest"][7:]))
        document["layers"][0]["urls"] = [url]
        made.entries = [made.add(archives.dump(document), archives.OCI_MANIFEST)]

    return change


def signed_often(made: Layout) -> None:
    root = made.entries[0]
    for number in range(10_000):
        made.list(made.referrer(root, f"application/x{number}"))


def layer_of(size: int) -> dict[str, Any]:
    return {"mediaType": archives.OCI_LAYER, "digest": f"sha256:{ZEROS}", "size": size}


def sparse(*present: str) -> bytes:
    made = Layout()
    made.list(multi_platform(made, "amd64", "arm64", "s390x", present=present), ref="1.0")
    return made.tar()


def encrypted(made: Layout) -> None:
    layers = [made.add(b"%d" % number, archives.OCI_LAYER + "+gzip+encrypted") for number in range(2)]
    of_manifest(layers=layers)(made)


def about_nothing(made: Layout) -> None:
    made.list(made.referrer({**layer_of(9), "mediaType": archives.OCI_MANIFEST}))


def tagged(*tags: str) -> bytes:
    return docker(RepoTags=list(tags))


def wrong_layer(pack: Callable[[bytes], bytes] = bytes) -> bytes:
    """A layer of other bytes than its diff_id, or its digest, says."""
    return pack(docker(Layers=["l.tar"], files={"l.tar": layer("b", 70_000)}))


def wrong_packed(pack: Callable[[bytes], bytes]) -> bytes:
    """A layer that is compressed already, and whose content is not what the config says."""
    return docker(Layers=["l.tar.gz"], files={"l.tar.gz": pack(layer("b"))})


def damaged(content: bytes) -> bytes:
    packed = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(content))
    packed[-1] ^= 1
    return bytes(packed)


# Row, what it is, how it is built, its code; the key where that is what is wrong.
R0: list[tuple[int, str, Build, str] | tuple[int, str, Build, str, str]] = [
    (1, "two tables", attack("two tables"), "DUP_MEMBER"),
    (2, "two views", attack("two tables of two images"), "VIEWS_DISAGREE"),
    (3, "a key twice in a manifest", lambda: in_manifest(b'"layers":', b'"layers":[],"layers":'), "JSON_AMBIGUOUS"),
    (3, "in two cases in a manifest", lambda: in_manifest(b'"layers":', b'"Layers":[],"layers":'), "JSON_AMBIGUOUS"),
    (3, "a key twice in a config", lambda: in_config(b'"os":', b'"os":"windows","os":'), "JSON_AMBIGUOUS"),
    (3, "in two cases in a table", attack("a table that goes on in another case"), "JSON_AMBIGUOUS"),
    (4, "layers and manifests", lambda: in_manifest(b'"layers":', b'"manifests":[],"layers":'), "MEDIA_TYPE"),
    (4, "of another type", lambda: layout_of(of_manifest(mediaType=archives.DOCKER_MANIFEST)), "MEDIA_TYPE"),
    (5, "a PAX size of its own", lambda: pax({"size": "7"}) + SAVE, "TAR_DESYNC"),
    (5, "a PAX header parted from its member", attack("a PAX header parted from its member"), "TAR_DESYNC"),
    (8, "truncated", lambda: SAVE[: len(SAVE) // 2], "TRUNCATED"),
    (9, "a digest that climbs", lambda: with_digest("sha256:../../../../etc/passwd"), "DIGEST_FORM"),
    (9, "a digest in capitals", lambda: with_digest("sha256:" + "A" * 64), "DIGEST_FORM"),
    (9, "no digest", lambda: with_digest(""), "DIGEST_FORM"),
    (9, "sha512", lambda: with_digest("sha512:" + "0" * 128), "DIGEST_ALGORITHM"),
    *[
        (10, f"a size of {json.dumps(size)}", lambda size=size: with_size(size), "SIZE")  # type: ignore[misc]
        for size in (-1, "10", 2**63, 1.5, None, True)
    ],
    (10, "a size that is another", lambda: with_size(7), "SIZE"),
    *[
        (11, f"named {name!r}", lambda name=name: named(name), "MEMBER_NAME")  # type: ignore[misc]
        for name in (b"../x", b"/etc/passwd", b"a\\b", b"a\nb", b"\x1b[31m", b"")
    ],
    (12, "a link out", lambda: docker(Layers=["l"], files={"l": Link("../../x")}), "LINK"),
    (12, "a link to itself", lambda: docker(Layers=["l"], files={"l": Link("l")}), "LINK"),
    (12, "a link to a directory", lambda: docker(Layers=["l"], files={"l": Link("d"), "d/": None}), "LINK"),
    (12, "nine links", lambda: docker(files={**{f"l{n}": Link(f"l{n + 1}") for n in range(9)}, "l9": b"x"}), "LINK"),
    (13, "a hard link", lambda: docker(files={"h": Link("manifest.json", hard=True)}), "LINK_TYPE"),
    (15, "a long name of 512 MiB", lambda: header(b"././@LongLink", 512 * MIB, b"L") + SAVE, "TAR_META"),
    (15, "a PAX header of 512 MiB", lambda: header(b"x", 512 * MIB, b"x") + SAVE, "TAR_META"),
    (15, "100,000 PAX records", lambda: pax(b"5 a=\n" * 100_000) + SAVE, "TAR_META"),
    (16, "a PAX body that a search walks again and again", lambda: pax(b"0" * 50_000) + SAVE, "TAR_META"),
    (17, "a negative size", lambda: entry(b"x", size=b"\xff" * 12) + SAVE, "TAR_HEADER"),
    (17, "a huge size", lambda: entry(b"x", size=b"\x80\x7f" + b"\xff" * 10) + SAVE, "TAR_HEADER"),
    (17, "a size that is not octal", lambda: entry(b"x", size=b"00000000009\0") + SAVE, "TAR_HEADER"),
    (17, "a wrong checksum", lambda: header(b"x", checksum=b"000000\0 ") + SAVE, "TAR_HEADER"),
    (18, "sparse, GNU's old form", lambda: entry(b"x", kind=b"S", magic=b"ustar  \0") + SAVE, "TAR_TYPE"),
    (18, "sparse, Solaris's form", lambda: pax({"SUN.holesdata": " 0 1"}) + SAVE, "TAR_TYPE"),
    (18, "sparse, PAX's form", lambda: pax({"GNU.sparse.major": "1"}) + SAVE, "TAR_TYPE"),
    (19, "a global path", lambda: pax({"path": "x"}, b"g") + SAVE, "TAR_META"),
    (19, "a global size", lambda: pax({"size": "0"}, b"g") + SAVE, "TAR_META"),
    (20, "data behind the end", lambda: SAVE + b"x", "TRAILING"),
    (20, "two archives", lambda: SAVE + SAVE, "TRAILING"),
    (20, "no end mark", lambda: SAVE.rstrip(b"\0") + bytes(-len(SAVE.rstrip(b"\0")) % 512), "TRUNCATED"),
    (21, "an index four deep", lambda: layout_of(nest(4)), "INDEX_LIMIT"),
    (21, "an index of 10,000", lambda: layout_of(of_many), "INDEX_LIMIT"),
    (23, "a manifest above 4 MiB", lambda: layout_of(of_manifest(annotations={"a": "x" * 4 * MIB})), "TOO_LARGE"),
    (23, "a config above 4 MiB", lambda: in_config(b'"os"', b'"author":"' + b"x" * 4 * MIB + b'","os"'), "TOO_LARGE"),
    (23, "a table above 1 MiB", lambda: tar({"manifest.json": b"[" + b" " * MIB + b"]"}), "TOO_LARGE"),
    *[
        (24, f"a document of {what}", lambda text=text: tar({"manifest.json": text}), "JSON")  # type: ignore[misc]
        for what, text in {
            "depth 100,000": b"[" * 100_000,
            "5,000 digits": b"[" + b"1" * 5_000 + b"]",
            "NaN": b"[NaN]",
            "a lone surrogate": b'["\\ud800"]',
            "UTF-16": '[""]'.encode("utf-16"),
            "a byte order mark": b"\xef\xbb\xbf[]",
        }.items()
    ],
    (25, "more layers than diff_ids", lambda: docker(Layers=["manifest.json"] * 2), "COUNT"),
    (25, "no layers, but a diff_id", lambda: docker(Layers=[]), "COUNT"),
    (25, "128 layers", lambda: docker(Layers=["manifest.json"] * 128), "LAYER_COUNT"),
    (26, "a config of another name", lambda: docker(Config=ZEROS, files={ZEROS: image("a").config}), "CONFIG_DIGEST"),
    (27, "a foreign layer", lambda: layout_of(foreign), "FOREIGN_LAYER"),
    *[
        (27, f"a foreign layer at {url}", lambda url=url: layout_of(foreign_at(url)), "FOREIGN_LAYER")  # type: ignore[misc]
        for url in ("file:///etc/passwd", "s3://bucket/key", "http://127.0.0.1:1/")
    ],
    (28, "a layer that is not there", lambda: docker(Layers=["gone"]), "MISSING_BLOB"),
    (28, "a blob that is not there", lambda: layout_of(drop(0)), "MISSING_BLOB"),
    (28, "a null table", lambda: tar({"manifest.json": b"null"}), "NO_IMAGE"),
    (28, "an empty table", lambda: tar({"manifest.json": b"[]"}), "NO_IMAGE"),
    (29, "a tag of 129 characters", lambda: tagged("x:" + "a" * 129), "TAG_NAME"),
    (29, "a tag with a line feed", lambda: tagged("x:a\nb"), "TAG_NAME"),
    (29, "a tag in another script", lambda: tagged("x:\u0430"), "TAG_NAME"),
    (30, "a key with two slashes", lambda: SAVE, "REPOSITORY_NAME", "uploads/team//app/app.tar"),
    (30, "a key that climbs", lambda: SAVE, "REPOSITORY_NAME", "uploads/team/../app/app.tar"),
    (30, "a key that ends in a slash", lambda: SAVE, "KEY", "uploads/team/app/"),
    (30, "a key with an emoji", lambda: SAVE, "REPOSITORY_NAME", "uploads/team/\U0001f600/app.tar"),
    (30, "a key in decomposed form", lambda: SAVE, "REPOSITORY_NAME", "uploads/te\u0061\u0301m/app.tar"),
    *[
        (31, what, lambda start=start: start + bytes(9_000), "NOT_ARCHIVE")  # type: ignore[misc]
        for what, start in {
            "a zip": b"PK\x03\x04",
            "a 7-Zip archive": b"7z\xbc\xaf\x27\x1c",
            "a program": b"\x7fELF",
            "a picture": b"\x89PNG\r\n",
        }.items()
    ],
    (31, "an empty file", lambda: b"", "EMPTY_OBJECT"),
    (31, "511 bytes", lambda: SAVE[:511], "TRUNCATED"),
    (31, "a tar that ends in a zip", lambda: SAVE + b"PK\x05\x06" + bytes(18), "TRAILING"),
    (31, "a stream that is a tar", attack("a zstd stream that is a tar"), "NOT_ARCHIVE"),
    (32, "a chart without Chart.yaml", lambda: chart(None), "CHART_METADATA"),
    (32, "a chart that is a bomb", lambda: chart(**{f"f{n}": bytes(4 * MIB) for n in range(26)}), "BOMB"),
    (32, "a chart called .", lambda: chart(b"apiVersion: v2\nname: .\nversion: 1.0.0\n"), "CHART_NAME"),
    (32, "a chart called ..", lambda: chart(b"apiVersion: v2\nname: ..\nversion: 1.0.0\n"), "CHART_NAME"),
    (32, "a chart with a link", lambda: chart(link=Link("Chart.yaml")), "CHART_MEMBER"),
    (32, "a chart with a file above 5 MiB", lambda: chart(big=bytes(5 * MIB + 1)), "CHART_SIZE"),
    (32, "a chart of aliases", lambda: chart(b"apiVersion: v2\na: &a [x]\nb: [*a, *a]\n"), "CHART_METADATA"),
    (34, "a layer of 42,001 MiB", lambda: layout_of(of_manifest(layers=[layer_of(42_001 * MIB)] * 2)), "LAYER_LIMIT"),
    (34, "a layer without bytes", lambda: docker(Layers=["l"], files={"l": b""}), "EMPTY_BLOB"),
    (36, "a name that is not UTF-8", lambda: named("каталог".encode("koi8-r")), "NAME_ENCODING"),
    (38, "10,000 signatures", lambda: layout_of(signed_often), "INDEX_LIMIT"),
    (40, "100,001 members", lambda: b"".join(header(b"%d" % n) for n in range(100_001)) + SAVE, "TOO_MANY_MEMBERS"),
    (40, "a path of 450 kB", lambda: pax({"path": "a/" * 225_000 + "b"}) + SAVE, "MEMBER_NAME"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_url_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(_socket: socket.socket, address: object) -> None:
        raise AssertionError(f"an archive made us connect to {address}")

    monkeypatch.setattr(socket.socket, "connect", connect)


def arrive(content: bytes, key: str = KEY) -> tuple[World, str]:
    world = World()
    upload = world.upload(key, content)
    world.run()
    return world, upload


def assert_rejected(world: World, upload: str, code: str) -> None:
    record = world.record(upload)
    assert (record.state, record.code) == (State.REJECTED, code), record.detail
    assert [kind for kind in world.bus.types() if kind != "Upload Accepted"] == ["Upload Rejected"]
    assert world.ecr.count()["PutImage"] == 0
    assert not any(world.queues.dead.values())
    assert not any(world.queues.messages.values())


@pytest.mark.parametrize("row", R0, ids=[f"{row[0]}, {row[1]}" for row in R0])
def test_is_rejected_before_anything_is_written(row: Any) -> None:
    _, _, build, code, *keys = row
    world, upload = arrive(build(), *keys)

    assert_rejected(world, upload, code)
    assert not WRITES & world.ecr.count().keys()


EXPANSE = bytes(80 * MIB)


def bomb(pack: Callable[[bytes], bytes]) -> Build:
    return lambda: pack(entry(b"zeros", EXPANSE) + SAVE)


R1: list[tuple[int, str, Build, str]] = [
    (7, "a layer that is not its diff_id", wrong_layer, "DIGEST_MISMATCH"),
    (7, "the same in gzip", lambda: wrong_layer(gzipped), "DIGEST_MISMATCH"),
    (7, "a gzip layer that inflates to another", lambda: wrong_packed(gzipped), "DIGEST_MISMATCH"),
    (7, "a zstd layer that inflates to another", lambda: wrong_packed(zstandard.compress), "DIGEST_MISMATCH"),
    (7, "a gzip layer that is cut", lambda: wrong_packed(lambda content: gzipped(content)[:-9]), "COMPRESSION"),
    (7, "a zstd layer that is damaged", lambda: wrong_packed(damaged), "COMPRESSION"),
    (14, "a gzip bomb", bomb(gzip.compress), "BOMB"),
    (14, "a zstd bomb", bomb(zstandard.compress), "BOMB"),
    (14, "an xz bomb", bomb(lambda content: lzma.compress(content, preset=0)), "BOMB"),
    (14, "a bzip2 bomb", bomb(bz2.compress), "BOMB"),
    (14, "gzip in gzip", lambda: gzipped(gzipped(SAVE)), "BOMB"),
    (14, "a gzip layer that is a bomb", lambda: wrong_packed(lambda _: gzip.compress(EXPANSE)), "BOMB"),
    (14, "a zstd layer that is a bomb", lambda: wrong_packed(lambda _: zstandard.compress(EXPANSE)), "BOMB"),
    (37, "something behind gzip", lambda: gzipped(SAVE) + b"something else", "COMPRESSION"),
    (37, "gzip with a wrong sum", lambda: gzipped(SAVE)[:-8] + bytes(8), "COMPRESSION"),
    (37, "gzip that is cut", lambda: gzipped(SAVE)[:-9], "TRUNCATED"),
    (37, "a zstd frame that is none", lambda: b"\x28\xb5\x2f\xfd" + b"\xff" * 99, "COMPRESSION"),
    (37, "a zstd window of 2 GiB", lambda: b"\x28\xb5\x2f\xfd\x00\xa8" + b"\0" * 99, "COMPRESSION"),
    (1, "two tables in gzip", lambda: gzipped(ATTACKS["two tables"].content), "DUP_MEMBER"),
]


@pytest.mark.parametrize(("row", "what", "build", "code"), R1, ids=[f"{row[0]}, {row[1]}" for row in R1])
def test_is_rejected_and_nothing_is_put(row: int, what: str, build: Build, code: str) -> None:
    assert row, what
    assert_rejected(*arrive(build()), code)


def test_every_cut_of_an_archive_is_rejected() -> None:
    """Row 8: at every boundary of blocks, and anywhere."""
    chance = random.Random(8)  # noqa: S311 - places to cut at
    whole = len(SAVE.rstrip(b"\0")) + 1024
    for cut in [*range(512, whole - 512, 512), *(chance.randrange(1, whole - 512) for _ in range(100))]:
        world, upload = arrive(SAVE[:cut])
        assert world.state(upload) is State.REJECTED, cut
        assert not WRITES & world.ecr.count().keys(), cut


TAKEN: list[tuple[int, str, Build]] = [
    (12, "a link within the archive", lambda: docker_save(image("a", "b", "a"), links=True)),
    (19, "a global comment", lambda: pax({"comment": "x"}, b"g") + SAVE),
    (35, "an unknown type of layer", lambda: layout_of(of_manifest(artifactType="application/x", subject=None))),
    (37, "two gzip members", lambda: gzipped(SAVE[:999]) + gzipped(SAVE[999:])),
    (37, "a frame to be skipped", lambda: b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstandard.compress(SAVE)),
    (22, "a hybrid", lambda: hybrid(image())),
    (22, "an index of which one platform is there", lambda: sparse("arm64")),
    (22, "an index of which two platforms are there", lambda: sparse("amd64", "arm64")),
    (25, "an image without layers", lambda: docker_save(archives.Image((), tags=("x:1",)))),
    (29, "a name of another account's registry", lambda: tagged("123456789012.dkr.ecr.eu-west-1.amazonaws.com/x:1")),
    (29, "a name with a digest", lambda: tagged(f"x@sha256:{ZEROS}")),
    (29, "no name", lambda: docker(RepoTags=None)),
    (32, "a byte order mark", lambda: chart(b"\xef\xbb\xbf" + archives.CHART_YAML)),
    (32, "a backslash", lambda: gzipped(tar({"webapp\\Chart.yaml": archives.CHART_YAML}))),
    (35, "encrypted layers", lambda: layout_of(encrypted)),
    (35, "a referrer of something else", lambda: layout_of(about_nothing)),
    (40, "a label with a line feed and colours", lambda: in_config(b'"Cmd"', b'"Labels":{"a":"\\n\\u001b[31m"},"Cmd"')),
]


@pytest.mark.parametrize(("row", "what", "build"), TAKEN, ids=[f"{row[0]}, {row[1]}" for row in TAKEN])
def test_what_looks_like_it_and_is_sound_is_taken(row: int, what: str, build: Build) -> None:
    assert row, what
    world, upload = arrive(build())

    assert world.state(upload) is State.AVAILABLE, world.record(upload).detail
    names = {str(name) for held in world.ecr.repositories.values() for name in held}
    assert names <= {"team/app", "team/app/webapp"}
