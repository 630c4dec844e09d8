"""The bytes of a manifest: read from the archive where it holds them, written from its config and layers where not."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.errors import Code, RefusedError
from chalicelib.oci.descriptor import Descriptor
from chalicelib.oci.digest import Digest
from chalicelib.oci.manifest import generate_manifest
from chalicelib.oci.reference import RepositoryName
from chalicelib.state.documents import Documents
from chalicelib.state.records import ImageRecord, LayerRecord

Layers = Mapping[str, LayerRecord]
"""The layers of an upload by their names in its collection."""


def manifest_bytes(image: ImageRecord, layers: Layers, documents: Documents) -> tuple[bytes, str]:
    """
    Return the manifest of *image* and its media type.

    Raises:
        RefusedError: DIGEST_MISMATCH, when the archive's bytes are not what they were when it was planned.
    """
    content, media_type = _content(image, layers, documents)
    if image.digest and Digest.of(content) != image.digest:
        raise RefusedError(Code.DIGEST_MISMATCH, f"the manifest is not {image.digest}")
    return content, media_type


def _content(image: ImageRecord, layers: Layers, documents: Documents) -> tuple[bytes, str]:
    if image.content is not None:
        return documents.read(image.content), image.media_type
    return generated(image, layers)


def generated(image: ImageRecord, layers: Layers) -> tuple[bytes, str]:
    """Write the manifest of an image whose layers are all stored."""
    if image.config is None:
        raise ValueError("a generated manifest needs a config")
    config = Descriptor(media_type=image.config.media_type, digest=image.config.digest, size=image.config.size)
    return generate_manifest(config, [_layer(image.repository, diff_id, layers) for diff_id in image.layers])


def _layer(name: RepositoryName, diff_id: Digest, layers: Layers) -> Descriptor:
    layer = layers[f"layer#{name}@{diff_id}"]
    if layer.digest is None:
        raise ValueError(f"{layer.sk} is not stored")
    return Descriptor(media_type=layer.media_type, digest=layer.digest, size=layer.size)
