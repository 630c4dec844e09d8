"""Manifests, indexes and configs: what is read, what is refused, and the one that is generated."""

import json
from typing import Any

import pytest

from chalicelib.errors import Code, RefusedError
from chalicelib.oci import media_type as types
from chalicelib.oci.config import parse_config
from chalicelib.oci.descriptor import Descriptor
from chalicelib.oci.digest import Digest
from chalicelib.oci.manifest import Index, Manifest, generate_manifest, parse_manifest, reduce_index
from chalicelib.oci.platform import Platform

SUM = "sha256:" + "a" * 64
CONFIG = {"mediaType": types.OCI_CONFIG, "digest": SUM, "size": 2}
LAYER = {"mediaType": types.OCI_LAYER_GZIP, "digest": SUM, "size": 3}
MANIFEST = {"schemaVersion": 2, "mediaType": types.OCI_MANIFEST, "config": CONFIG, "layers": [LAYER]}
CHILD = {"mediaType": types.OCI_MANIFEST, "digest": SUM, "size": 4, "platform": {"os": "linux", "architecture": "arm"}}
INDEX = {"schemaVersion": 2, "mediaType": types.OCI_INDEX, "manifests": [CHILD]}


def raw(document: object) -> bytes:
    return json.dumps(document).encode()


def test_a_manifest_keeps_its_bytes() -> None:
    text = json.dumps(MANIFEST, indent=7).encode()

    manifest = parse_manifest(text, types.OCI_MANIFEST)

    assert isinstance(manifest, Manifest)
    assert manifest.raw == text
    assert manifest.is_image
    assert [layer.descriptor.size for layer in manifest.layers] == [3]


def test_an_index_has_entries_with_platforms() -> None:
    index = parse_manifest(raw(INDEX))

    assert isinstance(index, Index)
    assert [entry.platform for entry in index.entries] == [Platform("linux", "arm")]


def test_null_layers_are_none() -> None:
    manifest = parse_manifest(raw({**MANIFEST, "layers": None}))

    assert isinstance(manifest, Manifest)
    assert manifest.layers == ()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({**MANIFEST, "mediaType": None}, types.OCI_MANIFEST),
        ({**INDEX, "mediaType": None}, types.OCI_INDEX),
        (
            {"schemaVersion": 2, "config": {**CONFIG, "mediaType": types.DOCKER_CONFIG}, "layers": []},
            types.DOCKER_MANIFEST,
        ),
    ],
)
def test_a_document_without_a_media_type_is_known_by_its_fields(document: object, expected: str) -> None:
    assert parse_manifest(raw(document)).media_type == expected


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"manifests": []}, Code.MEDIA_TYPE, id="an index as well"),
        pytest.param({"fsLayers": []}, Code.MEDIA_TYPE, id="schema 1 as well"),
        pytest.param({"mediaType": types.OCI_INDEX}, Code.MEDIA_TYPE, id="says that it is an index"),
        pytest.param({"mediaType": "application/json"}, Code.MEDIA_TYPE, id="says that it is something else"),
        pytest.param({"schemaVersion": 1}, Code.SCHEMA1, id="schema 1"),
        pytest.param({"schemaVersion": 2.0}, Code.MANIFEST_FORM, id="a fractional schema"),
        pytest.param({"schemaVersion": "2"}, Code.MANIFEST_FORM, id="a schema in quotes"),
        pytest.param({"config": None}, Code.MANIFEST_FORM, id="no config"),
        pytest.param({"layers": {}}, Code.MANIFEST_FORM, id="layers that are no list"),
        pytest.param({"layers": ["x"]}, Code.MANIFEST_FORM, id="a layer that is no object"),
        pytest.param({"Layers": []}, Code.JSON_AMBIGUOUS, id="Layers beside layers"),
        pytest.param({"layers": [{**LAYER, "size": -1}]}, Code.SIZE, id="a negative size"),
        pytest.param({"layers": [{**LAYER, "size": 2**63}]}, Code.SIZE, id="a size of 64 bits"),
        pytest.param({"layers": [{**LAYER, "size": "3"}]}, Code.SIZE, id="a size in quotes"),
        pytest.param({"layers": [{**LAYER, "size": 3.0}]}, Code.SIZE, id="a fractional size"),
        pytest.param({"layers": [{**LAYER, "size": True}]}, Code.SIZE, id="a size that is true"),
        pytest.param({"layers": [{**LAYER, "size": None}]}, Code.SIZE, id="no size"),
        pytest.param({"layers": [{**LAYER, "digest": SUM.upper()}]}, Code.DIGEST_FORM, id="upper-case digest"),
        pytest.param({"layers": [{**LAYER, "digest": "sha256:../x"}]}, Code.DIGEST_FORM, id="a path as digest"),
        pytest.param({"layers": [{**LAYER, "digest": ""}]}, Code.DIGEST_FORM, id="an empty digest"),
        pytest.param(
            {"layers": [{**LAYER, "digest": "sha512:" + "a" * 128}]}, Code.DIGEST_ALGORITHM, id="a sha512 digest"
        ),
        pytest.param(
            {"layers": [{**LAYER, "mediaType": types.OCI_LAYER + "+lzma"}]}, Code.MEDIA_TYPE, id="unknown OCI layer"
        ),
        pytest.param({"layers": [{**LAYER, "mediaType": ""}]}, Code.MANIFEST_FORM, id="a layer without type"),
        pytest.param({"layers": [{**LAYER, "data": "%"}]}, Code.MANIFEST_FORM, id="data that is no base64"),
    ],
)
def test_refuses_a_manifest(change: dict[str, Any], code: Code) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_manifest(raw({**MANIFEST, **change}), types.OCI_MANIFEST)

    assert caught.value.code is code


@pytest.mark.parametrize("field", ["layers", "config", "fsLayers"])
def test_refuses_an_index_that_is_a_manifest_too(field: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_manifest(raw({**INDEX, field: CONFIG if field == "config" else []}))

    assert caught.value.code is Code.MEDIA_TYPE


@pytest.mark.parametrize("document", [{"manifests": [CHILD]}, {**INDEX, "schemaVersion": None}])
def test_only_what_is_never_pushed_may_go_without_a_schema_version(document: object) -> None:
    index = parse_manifest(raw(document), types.OCI_INDEX, unversioned=True)
    with pytest.raises(RefusedError) as caught:
        parse_manifest(raw(document), types.OCI_INDEX)

    assert isinstance(index, Index)
    assert len(index.entries) == 1
    assert caught.value.code is Code.MANIFEST_FORM


@pytest.mark.parametrize(
    ("version", "code"),
    [(1, Code.SCHEMA1), (3, Code.MANIFEST_FORM), (2.0, Code.MANIFEST_FORM), ("2", Code.MANIFEST_FORM)],
)
def test_another_schema_version_is_refused_where_none_would_be_taken(version: object, code: Code) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_manifest(raw({**INDEX, "schemaVersion": version}), types.OCI_INDEX, unversioned=True)

    assert caught.value.code is code


@pytest.mark.parametrize(
    "change",
    [
        {"artifactType": "application/spdx+json"},
        {"config": {**CONFIG, "mediaType": types.OCI_EMPTY}},
        {"layers": [{**LAYER, "mediaType": "application/vnd.in-toto+json"}]},
    ],
)
def test_an_artifact_is_no_image(change: dict[str, Any]) -> None:
    manifest = parse_manifest(raw({**MANIFEST, **change}))

    assert isinstance(manifest, Manifest)
    assert not manifest.is_image


def test_a_config_has_diff_ids_and_a_platform() -> None:
    config = parse_config(
        raw({"os": "linux", "architecture": "arm64", "rootfs": {"type": "layers", "diff_ids": [SUM]}})
    )

    assert config.platform == Platform("linux", "arm64")
    assert config.diff_ids == (Digest("a" * 64),)


@pytest.mark.parametrize("document", [{}, {"rootfs": {"type": "layers", "diff_ids": None}}])
def test_a_config_may_have_no_layers(document: object) -> None:
    assert parse_config(raw(document)).diff_ids == ()


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ([], Code.MANIFEST_FORM),
        ({"rootfs": []}, Code.MANIFEST_FORM),
        ({"rootfs": {"type": "windows"}}, Code.MANIFEST_FORM),
        ({"rootfs": {"diff_ids": ["x"]}}, Code.DIGEST_FORM),
        ({"RootFS": {"diff_ids": [SUM]}}, Code.JSON_AMBIGUOUS),
    ],
)
def test_refuses_a_config(document: object, code: Code) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_config(raw(document))

    assert caught.value.code is code


def described(media_type: str, size: int) -> Descriptor:
    return Descriptor(media_type=media_type, digest=Digest("a" * 64), size=size)


def test_generates_dockers_manifest_for_gzip() -> None:
    text, media_type = generate_manifest(described(types.OCI_CONFIG, 2), [described(types.OCI_LAYER_GZIP, 3)])

    assert media_type == types.DOCKER_MANIFEST
    assert text == (
        b'{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",'
        b'"config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":2,"digest":"%(sum)s"},'
        b'"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":3,"digest":"%(sum)s"}]}'
    ) % {b"sum": SUM.encode()}


def test_generates_an_oci_manifest_if_a_layer_is_zstd() -> None:
    layers = [described(types.DOCKER_LAYER_GZIP, 3), described(types.OCI_LAYER_ZSTD, 4)]

    text, media_type = generate_manifest(described(types.DOCKER_CONFIG, 2), layers)

    manifest = parse_manifest(text, types.OCI_MANIFEST)
    assert media_type == types.OCI_MANIFEST
    assert isinstance(manifest, Manifest)
    assert manifest.config.descriptor.media_type == types.OCI_CONFIG
    assert [layer.descriptor.media_type for layer in manifest.layers] == [types.OCI_LAYER_GZIP, types.OCI_LAYER_ZSTD]


def test_a_reduced_index_keeps_everything_else() -> None:
    other = {**CHILD, "digest": "sha256:" + "b" * 64, "annotations": {"k": "v"}}
    index = parse_manifest(raw({**INDEX, "manifests": [CHILD, other], "annotations": {"x": "y"}}))
    assert isinstance(index, Index)

    reduced = json.loads(reduce_index(index, {1: index.entries[1].descriptor}))

    assert reduced == {**INDEX, "manifests": [other], "annotations": {"x": "y"}}
