"""Helm charts become the artifact that `helm push` would store."""

import json

import pytest

from chalicelib.archive.contents import ArchiveContents, KeptManifest
from chalicelib.archive.limits import MIB, ArchiveLimits
from chalicelib.archive.read import read_archive
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError
from tests.archives import CHART_YAML, Layout, Link, MemorySource, chart, docker_save, gzipped, image, sha256, tar

LIMITS = ArchiveLimits()
HEAD = b"apiVersion: v2\nname: webapp\nversion: 1.2.3\n"


def read(content: bytes, provenance: bytes | None = None) -> ArchiveContents:
    return read_archive(MemorySource(content), LIMITS, provenance)


def manifest(contents: ArchiveContents) -> KeptManifest:
    found = contents.images[0].manifest
    assert isinstance(found, KeptManifest)
    return found


def config(metadata: bytes) -> dict[str, object]:
    blob = manifest(read(chart(metadata))).config
    assert blob is not None
    assert isinstance(blob.content, bytes)
    assert sha256(blob.content) == blob.descriptor.digest.hex
    document: dict[str, object] = json.loads(blob.content)
    return document


def test_a_chart_is_helms_artifact() -> None:
    content = chart()

    contents = read(content)

    found = manifest(contents)
    assert (contents.kind, contents.producer) == ("chart", "Helm")
    assert contents.images[0].names == ("webapp:1.2.3_build.5",)
    assert isinstance(found.blob.content, bytes)
    assert json.loads(found.blob.content) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.cncf.helm.config.v1+json",
            "digest": f"sha256:{sha256(CONFIG)}",
            "size": len(CONFIG),
        },
        "layers": [
            {
                "mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
                "digest": f"sha256:{sha256(content)}",
                "size": len(content),
            }
        ],
        "annotations": {
            "org.opencontainers.image.description": "A web application",
            "org.opencontainers.image.title": "webapp",
            "org.opencontainers.image.version": "1.2.3+build.5",
        },
    }
    assert found.layers[0].content == ByteRange(0, len(content))


CONFIG = b'{"name":"webapp","version":"1.2.3+build.5","description":"A web application","apiVersion":"v2"}'


def test_the_same_chart_has_the_same_digest() -> None:
    assert read(chart()) == read(chart())


def test_scalars_are_what_helms_fields_are() -> None:
    metadata = HEAD + (
        b"appVersion: 1.10\ndeprecated: true\nkeywords: [1, on]\nunknown: x\nhome: ~\n"
        b"maintainers:\n- {name: Ada, email: ada@example.com}\n- name: Bo\n"
        b"dependencies:\n- name: db\n  version: 1.x\n  repository: ''\n  import-values: [a, {child: b}]\n"
        b"annotations: {z: <b>, a: 1}\n"
    )

    assert config(metadata) == {
        "name": "webapp",
        "version": "1.2.3",
        "keywords": ["1", "on"],
        "maintainers": [{"name": "Ada", "email": "ada@example.com"}, {"name": "Bo"}],
        "home": "~",
        "apiVersion": "v2",
        "appVersion": "1.10",
        "deprecated": True,
        "annotations": {"a": "1", "z": "<b>"},
        "dependencies": [
            {"name": "db", "version": "1.x", "repository": "", "import-values": ["a", {"child": "b"}]},
        ],
    }


def test_html_is_escaped_as_go_does() -> None:
    blob = manifest(read(chart(HEAD + b"description: a <b> & c\n"))).config

    assert blob is not None
    assert b'"a \\u003cb\\u003e \\u0026 c"' in bytes(blob.content or b"")  # type: ignore[arg-type]


def test_authors_url_and_source_are_annotated() -> None:
    metadata = HEAD + b"home: h\nsources: [s, t]\nmaintainers: [{name: Ada, email: a@e}, {name: Bo}]\n"

    content = manifest(read(chart(metadata))).blob.content

    assert isinstance(content, bytes)
    annotations = json.loads(content)["annotations"]
    assert annotations["org.opencontainers.image.authors"] == "Ada (a@e), Bo"
    assert annotations["org.opencontainers.image.url"] == "h"
    assert annotations["org.opencontainers.image.source"] == "s"


def test_a_byte_order_mark_and_backslashes_are_taken() -> None:
    content = gzipped(tar({"webapp\\Chart.yaml": b"\xef\xbb\xbf" + HEAD, "webapp\\templates\\x.yaml": b""}))

    assert read(content).images[0].names == ("webapp:1.2.3",)


def test_charts_of_charts_are_one_chart() -> None:
    content = gzipped(tar({"webapp/Chart.yaml": CHART_YAML, "webapp/charts/db/Chart.yaml": b"name: db"}))

    assert read(content).images[0].names == ("webapp:1.2.3_build.5",)


def provenance_of(content: bytes) -> bytes:
    return (
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\napiVersion: v2\n...\nfiles:\n"
        b"  webapp-1.2.3.tgz: sha256:%s\n-----BEGIN PGP SIGNATURE-----\n" % sha256(content).encode()
    )


def test_a_provenance_file_is_a_second_layer() -> None:
    content = chart()
    provenance = provenance_of(content)

    _, layer = manifest(read(content, provenance)).layers

    assert layer.content == provenance
    assert layer.descriptor.media_type == "application/vnd.cncf.helm.chart.provenance.v1.prov"


@pytest.mark.parametrize("provenance", [b"", b"hello", provenance_of(b"another chart")])
def test_a_provenance_file_of_something_else_is_refused(provenance: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        read(chart(), provenance)

    assert caught.value.code is Code.CHART_PROVENANCE


def named(name: str) -> bytes:
    return chart(HEAD.replace(b"webapp", name.encode()))


def versioned(version: str) -> bytes:
    return chart(HEAD.replace(b"1.2.3", version.encode()))


BOMB = b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n"

REFUSED = {
    "name dot dot": (named("'..'"), Code.CHART_NAME),
    "name dot": (named("'.'"), Code.CHART_NAME),
    "name with a slash": (named("a/b"), Code.CHART_NAME),
    "name in capitals": (named("WebApp"), Code.CHART_NAME),
    "no name": (chart(b"apiVersion: v2\nversion: 1.2.3\n"), Code.CHART_NAME),
    "no version": (chart(b"apiVersion: v2\nname: webapp\n"), Code.CHART_NAME),
    "a version that is none": (versioned("latest"), Code.CHART_NAME),
    "a version of 129 characters": (versioned("1.2.3-" + "a" * 123), Code.CHART_NAME),
    "no Chart.yaml": (chart(None), Code.CHART_METADATA),
    "templates, and no Chart.yaml": (gzipped(tar({"webapp/templates/x.yaml": b""})), Code.CHART_METADATA),
    "no apiVersion": (chart(b"name: webapp\nversion: 1.2.3\n"), Code.CHART_METADATA),
    "a list": (chart(b"- x\n"), Code.CHART_METADATA),
    "no YAML": (chart(b"a: [\n"), Code.CHART_METADATA),
    "not UTF-8": (chart(b"a: \xff\n"), Code.CHART_METADATA),
    "a key twice": (chart(HEAD + b"name: other\n"), Code.CHART_METADATA),
    "aliases": (chart(HEAD + BOMB), Code.CHART_METADATA),
    "a depth of 17": (chart(HEAD + b"x: " + b"[" * 17 + b"]" * 17), Code.CHART_METADATA),
    "a depth of 100,000": (chart(HEAD + b"x: " + b"[" * 100_000), Code.CHART_METADATA),
    "a tag": (chart(HEAD + b"keywords: !!python/object/apply:os.system [x]\n"), Code.CHART_METADATA),
    "a text that is a list": (chart(HEAD + b"home: [x]\n"), Code.CHART_METADATA),
    "Chart.yaml above its limit": (chart(HEAD + b"#" * 300_000), Code.CHART_SIZE),
    "a file of more than 5 MiB": (chart(big=bytes(5 * MIB + 1)), Code.CHART_SIZE),
    "a symbolic link": (chart(link=Link("values.yaml")), Code.CHART_MEMBER),
    "a hard link": (chart(link=Link("webapp/values.yaml", hard=True)), Code.CHART_MEMBER),
    "two charts": (gzipped(tar({"a/Chart.yaml": HEAD, "b/Chart.yaml": HEAD})), Code.CHART_MEMBER),
    "a file outside": (gzipped(tar({"webapp/Chart.yaml": HEAD, "x": b""})), Code.CHART_MEMBER),
    "a member twice": (
        gzipped(tar([("webapp/Chart.yaml", HEAD), ("webapp/Chart.yaml", CHART_YAML)])),
        Code.DUP_MEMBER,
    ),
    "inflating to 101 MiB": (
        gzipped(tar({"webapp/Chart.yaml": HEAD, **{f"webapp/{number}": bytes(4 * MIB) for number in range(26)}})),
        Code.BOMB,
    ),
    "cut off": (chart()[:-9], Code.TRUNCATED),
    "garbage behind": (chart() + b"garbage", Code.COMPRESSION),
    "a wrong checksum": (chart()[:-8] + bytes(8), Code.COMPRESSION),
}


@pytest.mark.parametrize(("content", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(content: bytes, code: Code) -> None:
    with pytest.raises(RefusedError) as caught:
        read(content)

    assert caught.value.code is code


@pytest.mark.parametrize("what", ["name dot dot", "aliases"])
def test_a_refusal_names_chart_yaml_and_its_place(what: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read(REFUSED[what][0])

    assert (caught.value.member, caught.value.offset) == ("webapp/Chart.yaml", 0)


def layout_in_a_folder() -> bytes:
    layout = Layout()
    layout.list(layout.image(image()))
    return tar({f"top/{name}": body for name, body in (layout.files() | {"values.yaml": b""}).items()})


@pytest.mark.parametrize("archive", [docker_save(image()), layout_in_a_folder()], ids=["docker", "layout"])
def test_an_image_archive_in_gzip_is_no_chart(archive: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        read(gzipped(archive))

    assert caught.value.code is Code.COMPRESSED
