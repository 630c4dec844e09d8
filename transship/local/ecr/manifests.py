"""
What a manifest says, read strictly enough to know what it needs.

Rules: a JSON object of a known media type, given by its own `mediaType` field or beside it; every descriptor has a
sha256 digest; an index lists manifests only (ecr.md 1.5, 3). Non-distributable layers need not be there.
Left out: whether what it needs is there, and the sizes that descriptors claim, which ECR is not known to check.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from transship.local.ecr.names import is_digest

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA_1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"

IMAGES = frozenset({DOCKER_MANIFEST, OCI_MANIFEST})
INDEXES = frozenset({DOCKER_LIST, OCI_INDEX})
SCHEMA_1 = frozenset({DOCKER_SCHEMA_1, DOCKER_SCHEMA_1_SIGNED})
KNOWN = IMAGES | INDEXES | SCHEMA_1


class ManifestError(ValueError):
    """The text is no manifest that ECR stores; `str()` is the constraint it breaks."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Media type, digest and claimed size of some content."""

    media_type: str
    digest: str
    size: int | None

    @property
    def distributable(self) -> bool:
        """Whether the content must be in the registry (ecr.md 3, non-distributable layers)."""
        return "foreign" not in self.media_type and "nondistributable" not in self.media_type


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    A manifest or an index, parsed.

    Attributes:
        media_type: Its own media type.
        config: Configuration of an image manifest.
        layers: Layers of an image manifest.
        manifests: Children of an index.
        subject: Image that a referrer refers to.
        artifact_type: artifactType, or the config's media type, as the distribution specification derives it.
        annotations: Annotations.
    """

    media_type: str
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    def blobs(self) -> tuple[Descriptor, ...]:
        """Return the config and the layers that must be in the repository."""
        config = (self.config,) if self.config else ()
        return config + tuple(layer for layer in self.layers if layer.distributable)


def digest_of(text: bytes) -> str:
    """Return the digest of the exact bytes of a manifest."""
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def parse_manifest(text: bytes, media_type: str | None) -> Manifest:
    """
    Read a manifest.

    Args:
        text: Exact bytes.
        media_type: Media type that came beside it, if any.

    Raises:
        ManifestError: It breaks one of the rules above.
    """
    document = _load(text)
    media_type = _media_type(document, media_type)
    if media_type in SCHEMA_1:
        layers = (Descriptor("", _digest(layer, "blobSum"), None) for layer in _list(document, "fsLayers"))
        return Manifest(media_type, layers=tuple(layers))
    subject = document.get("subject")
    common = Manifest(
        media_type,
        subject=_descriptor(subject) if subject is not None else None,
        artifact_type=_artifact_type(document),
        annotations=_annotations(document),
    )
    return _index(document, common) if media_type in INDEXES else _image(document, common)


def _image(document: dict[str, Any], common: Manifest) -> Manifest:
    config = _descriptor(document.get("config"))
    layers = tuple(_descriptor(layer) for layer in _list(document, "layers"))
    artifact_type = common.artifact_type or config.media_type
    return replace(common, config=config, layers=layers, artifact_type=artifact_type)


def _index(document: dict[str, Any], common: Manifest) -> Manifest:
    manifests = tuple(_descriptor(entry) for entry in _list(document, "manifests"))
    for entry in manifests:
        # BuildKit's old cache format lists layers in an index; ECR refuses it (ecr.md 1.5).
        if entry.media_type not in KNOWN:
            raise ManifestError(f"Invalid media type '{entry.media_type}' in the manifest list")
    return replace(common, manifests=manifests)


def _artifact_type(document: dict[str, Any]) -> str | None:
    value = document.get("artifactType")
    if value is not None and not isinstance(value, str):
        raise ManifestError("'artifactType' is not a string")
    return value or None


def _annotations(document: dict[str, Any]) -> dict[str, str]:
    annotations = document.get("annotations") or {}
    if not isinstance(annotations, dict) or not all(isinstance(value, str) for value in annotations.values()):
        raise ManifestError("'annotations' is not a map of strings")
    return annotations


def _load(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ManifestError("Invalid JSON syntax") from error
    if not isinstance(document, dict):
        raise ManifestError("Invalid JSON syntax")
    return cast("dict[str, Any]", document)


def _media_type(document: dict[str, Any], beside: str | None) -> str:
    within = document.get("mediaType")
    if within and beside and within != beside:
        raise ManifestError(f"Media type '{within}' in the manifest does not match the given media type '{beside}'")
    media_type = within or beside
    if media_type is None and document.get("schemaVersion") == 1:
        return DOCKER_SCHEMA_1_SIGNED if "signatures" in document else DOCKER_SCHEMA_1
    if media_type is None:
        raise ManifestError("The manifest has no mediaType field and no media type was given")
    if media_type not in KNOWN:
        raise ManifestError(f"Unsupported manifest media type '{media_type}'")
    if document.get("schemaVersion") != (1 if media_type in SCHEMA_1 else 2):
        raise ManifestError("Unsupported schemaVersion")
    return str(media_type)


def _list(document: dict[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ManifestError(f"'{key}' is not a list")
    return value


def _descriptor(value: Any) -> Descriptor:
    if not isinstance(value, dict):
        raise ManifestError("Invalid or missing descriptor")
    size = value.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ManifestError("Invalid size in a descriptor")
    media_type = value.get("mediaType")
    if not isinstance(media_type, str):
        raise ManifestError("Invalid mediaType in a descriptor")
    return Descriptor(media_type, _digest(value, "digest"), size)


def _digest(value: Any, key: str) -> str:
    digest = value.get(key) if isinstance(value, dict) else None
    if not isinstance(digest, str) or not is_digest(digest):
        raise ManifestError(f"Invalid {key}")
    return digest
