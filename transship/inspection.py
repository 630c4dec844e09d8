"""What an archive holds, as the JSON document of `transship inspect`; the tree on the screen is made of the same."""

from __future__ import annotations

import re
from typing import Any

from chalicelib.archive.contents import (
    ArchiveContents,
    ArchiveImage,
    Blob,
    GeneratedManifest,
    KeptManifest,
    Omitted,
    PackedLayer,
    RawLayer,
)
from chalicelib.byte_range import ByteRange
from chalicelib.errors import FinalError


def describe_contents(
    archive: str, size: int, contents: ArchiveContents, compressed: str | None = None
) -> dict[str, Any]:
    """Return the document for an archive that is accepted; *compressed* tells how it is, as a whole."""
    return {
        "status": "accepted",
        "archive": archive,
        "size": size,
        "kind": contents.kind,
        "compressed": compressed,
        "producer": contents.producer or None,
        "found": contents.found,
        "pushed": contents.pushed,
        "images": [_image(image) for image in contents.images],
        "absent": [_omitted(one) for one in contents.absent],
        "unwanted": [_omitted(one) for one in contents.unwanted],
        "warnings": list(contents.warnings),
    }


def _omitted(one: Omitted) -> dict[str, Any]:
    return {"digest": str(one.digest), "platform": str(one.platform) if one.platform else None}


def describe_refusal(archive: str, size: int, error: FinalError) -> dict[str, Any]:
    """Return the document for an archive that is refused."""
    return {
        "status": "refused",
        "archive": archive,
        "size": size,
        "code": error.code.name,
        "meaning": error.code.meaning,
        "remedy": error.code.remedy,
        "detail": error.detail,
        "member": error.member,
        "offset": error.offset,
    }


def _image(image: ArchiveImage) -> dict[str, Any]:
    manifest = image.manifest
    described = _generated(manifest) if isinstance(manifest, GeneratedManifest) else _kept(manifest)
    referrers = [{"tag": referrer.tag, **_kept(referrer.manifest)} for referrer in image.referrers]
    return {"names": list(image.names), **described, "referrers": referrers}


def _generated(manifest: GeneratedManifest) -> dict[str, Any]:
    """Describe an image whose manifest is written by the push: its digest is not known before."""
    return {
        "manifest": "generated",
        "platform": str(manifest.platform) if manifest.platform else None,
        "config": _blob(manifest.config),
        "layers": [_layer(layer) for layer in manifest.layers],
    }


def _layer(layer: RawLayer | PackedLayer) -> dict[str, Any]:
    """Describe a layer of a `docker save`; a digest that is not claimed is learned by the push."""
    packed = layer if isinstance(layer, PackedLayer) else None
    return {
        "diff_id": str(layer.diff_id),
        "digest": str(packed.digest) if packed and packed.digest else None,
        "compression": packed.compression if packed else None,
        "size": layer.content.length,
        "offset": layer.content.start,
    }


def _kept(manifest: KeptManifest) -> dict[str, Any]:
    """Describe an image, an index or an artifact whose bytes are kept, and so its digest."""
    return {
        "manifest": "kept",
        **_blob(manifest.blob),
        "platform": str(manifest.platform) if manifest.platform else None,
        "artifact_type": manifest.artifact_type,
        "subject": str(manifest.subject) if manifest.subject else None,
        "config": _blob(manifest.config) if manifest.config else None,
        "layers": [
            {**_blob(layer), "compression": _compression(layer.descriptor.media_type)} for layer in manifest.layers
        ],
        "children": [_kept(child) for child in manifest.children],
    }


def _compression(media_type: str) -> str | None:
    """Return what a layer's media type says of its compression, as for a layer of a `docker save`."""
    return next((name for name in ("gzip", "zstd") if re.search(rf"[.+]{name}\b", media_type)), None)


def _blob(blob: Blob) -> dict[str, Any]:
    about = blob.descriptor
    place = blob.content.start if isinstance(blob.content, ByteRange) else None
    return {"media_type": about.media_type, "digest": str(about.digest), "size": about.size, "offset": place}
