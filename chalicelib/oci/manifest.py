"""
Manifests and indexes: reading them strictly, and writing the one that a `docker save` does not hold.

Rules of reading (image-spec manifest.md and image-index.md; Docker's schema 2; CVE-2021-41190):

- a document is one thing: its own media type, the descriptor's and its fields must say the same
- what is null is read as empty, as Go does; a field in another case is refused, because Go would take it
- a layer type in the OCI's or Docker's own namespace is one that they define; any other is carried as it is.
  `diff.tar.zstd` is none of Docker's: it is taken as containerd writes it, with Docker's config type. Otherwise a
  config of Docker may be `application/octet-stream`, as the first tools that wrote schema 2 called it.
- the bytes are kept: what is pushed is what was hashed, never what was parsed

What is left out: whether the named blobs are there and what they are (the archive's business), and schema 1,
which is recognised and refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from chalicelib.errors import Code, RefusedError
from chalicelib.oci import media_type as types
from chalicelib.oci.descriptor import Descriptor
from chalicelib.oci.entry import Entry, parse_entry
from chalicelib.oci.strict_json import Fields, parse_json

_DEFINED_LAYERS: Final = re.compile(
    r"application/vnd\.oci\.image\.layer\.(nondistributable\.)?v1\.tar(\+gzip|\+zstd)?(\+encrypted)?"
    r"|application/vnd\.docker\.image\.rootfs\.(foreign\.)?diff\.tar(\.gzip)?(\+encrypted)?"
)
_CONTAINERD_ZSTD: Final = "application/vnd.docker.image.rootfs.diff.tar.zstd"
_OWN_NAMESPACES: Final = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")


class Manifest(Struct, frozen=True, kw_only=True):
    """An image manifest, or an artifact's; *raw* are the bytes it was read from."""

    raw: bytes
    media_type: str
    config: Entry
    layers: tuple[Entry, ...]
    artifact_type: str = ""
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_image(self) -> bool:
        """
        Whether this is an image, so that its config has a platform and a diff_id for each layer.

        Artifacts of old tools borrow the image's config type, but not its layer types.
        """
        return (
            self.config.descriptor.media_type in types.IMAGE_CONFIGS
            and not self.artifact_type
            and all(layer.descriptor.media_type.startswith(_OWN_NAMESPACES) for layer in self.layers)
        )


class Index(Struct, frozen=True, kw_only=True):
    """An image index or Docker manifest list; *raw* are the bytes it was read from."""

    raw: bytes
    media_type: str
    entries: tuple[Entry, ...]
    artifact_type: str = ""
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


def parse_manifest(raw: bytes, media_type: str | None = None, *, unversioned: bool = False) -> Manifest | Index:
    """
    Read a manifest or an index.

    Args:
        raw: The document; the caller has bounded its size.
        media_type: What its descriptor says it is; None where nothing does, then its own fields decide.
        unversioned: Whether it may have no schemaVersion; only what is never pushed may.

    Raises:
        RefusedError: JSON, JSON_AMBIGUOUS, MANIFEST_FORM, MEDIA_TYPE, SCHEMA1, SIZE, DIGEST_FORM, DIGEST_ALGORITHM.
    """
    fields = Fields(parse_json(raw), "a manifest")
    kind = _kind(fields, media_type)
    _check_kind(fields, kind, unversioned=unversioned)
    if kind in types.INDEXES:
        return _index(raw, fields, kind)
    return _manifest(raw, fields, kind)


def _kind(fields: Fields, expected: str | None) -> str:
    own = fields.text("mediaType")
    if own and expected and own != expected:
        raise RefusedError(Code.MEDIA_TYPE, "a manifest's own media type is not the one of its descriptor")
    return expected or own or _guess(fields)


def _check_kind(fields: Fields, kind: str, *, unversioned: bool) -> None:
    version = fields.get("schemaVersion")
    if kind in types.SCHEMA1 or version == 1:
        raise RefusedError(Code.SCHEMA1, "the manifest is of Docker's schema 1")
    missing = version is None and unversioned
    if not missing and (version != 2 or isinstance(version, float)):
        raise RefusedError(Code.MANIFEST_FORM, "a manifest has no schemaVersion 2")
    if kind not in types.INDEXES | types.MANIFESTS:
        raise RefusedError(Code.MEDIA_TYPE, "a manifest is neither an image manifest nor an index")
    _refuse_second_nature(fields, kind)


def _guess(fields: Fields) -> str:
    """Tell from its fields what a document without a media type is (manifest.md lets OCI ones go without)."""
    if "manifests" in fields:
        return types.OCI_INDEX
    config = fields.child("config", "the config of a manifest")
    docker = config is not None and config.text("mediaType") == types.DOCKER_CONFIG
    return types.DOCKER_MANIFEST if docker else types.OCI_MANIFEST


def _refuse_second_nature(fields: Fields, kind: str) -> None:
    """Refuse a document that another reader could take for something else (CVE-2021-41190)."""
    foreign = ("layers", "config") if kind in types.INDEXES else ("manifests",)
    if any(name in fields for name in (*foreign, "fsLayers", "blobs")):
        raise RefusedError(Code.MEDIA_TYPE, "a manifest has the fields of two kinds of manifest")


def _subject(fields: Fields) -> Descriptor | None:
    value = fields.get("subject")
    return None if value is None else parse_entry(value, "a subject").descriptor


def _index(raw: bytes, fields: Fields, kind: str) -> Index:
    return Index(
        raw=raw,
        media_type=kind,
        entries=tuple(parse_entry(value, "an entry of an index") for value in fields.array("manifests")),
        artifact_type=fields.text("artifactType"),
        subject=_subject(fields),
        annotations=fields.string_map("annotations"),
    )


def _manifest(raw: bytes, fields: Fields, kind: str) -> Manifest:
    if "config" not in fields:
        raise RefusedError(Code.MANIFEST_FORM, "a manifest has no config")
    layers = tuple(parse_entry(value, "a layer") for value in fields.array("layers"))
    config = parse_entry(fields.get("config"), "the config of a manifest")
    for layer in layers:
        _check_layer_type(layer.descriptor.media_type, config.descriptor.media_type)
    return Manifest(
        raw=raw,
        media_type=kind,
        config=config,
        layers=layers,
        artifact_type=fields.text("artifactType"),
        subject=_subject(fields),
        annotations=fields.string_map("annotations"),
    )


def _check_layer_type(media_type: str, config: str) -> None:
    defined = _DEFINED_LAYERS.fullmatch(media_type) or (
        media_type == _CONTAINERD_ZSTD and config == types.DOCKER_CONFIG
    )
    if media_type.startswith(_OWN_NAMESPACES) and not defined:
        raise RefusedError(Code.MEDIA_TYPE, "a layer's media type is none that OCI or Docker define")


def reduce_index(index: Index, kept: Mapping[int, Descriptor]) -> bytes:
    """
    Write *index* anew with some of its entries, everything else as it was.

    Args:
        index: The index.
        kept: Position of each entry that stays, and its descriptor, which may be another than it was.
    """
    document = parse_json(index.raw)
    document["manifests"] = [
        {**entry, **kept[position].to_json()}
        for position, entry in enumerate(document["manifests"])
        if position in kept
    ]
    return json.dumps(document, separators=(",", ":")).encode()


_TO_DOCKER: Final = {
    types.OCI_CONFIG: types.DOCKER_CONFIG,
    types.OCI_LAYER: types.DOCKER_LAYER,
    types.OCI_LAYER_GZIP: types.DOCKER_LAYER_GZIP,
}
_TO_OCI: Final = {docker: oci for oci, docker in _TO_DOCKER.items()}


def generate_manifest(config: Descriptor, layers: Sequence[Descriptor]) -> tuple[bytes, str]:
    """
    Write the manifest of an image that has none, the same bytes for the same input for ever.

    Docker's schema 2 unless a layer is zstd, which only OCI defines; the media types of *config* and *layers* may be
    of either family and are written in the manifest's.

    Args:
        config: Of the config, as pushed.
        layers: Of the layers as pushed, lowest first.

    Returns:
        The bytes and their media type.
    """
    is_oci = any(layer.media_type == types.OCI_LAYER_ZSTD for layer in layers)
    media_type = types.OCI_MANIFEST if is_oci else types.DOCKER_MANIFEST
    names = _TO_OCI if is_oci else _TO_DOCKER
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _renamed(config, names).to_json(),
        "layers": [_renamed(layer, names).to_json() for layer in layers],
    }
    return json.dumps(document, separators=(",", ":")).encode(), media_type


def _renamed(descriptor: Descriptor, names: Mapping[str, str]) -> Descriptor:
    name = names.get(descriptor.media_type, descriptor.media_type)
    return Descriptor(media_type=name, digest=descriptor.digest, size=descriptor.size)
