"""How uncompressed layers are compressed, and what they are called then: design decision and setting in one place."""

from __future__ import annotations

from typing import Final

from chalicelib.oci import media_type as types
from chalicelib.settings import Settings
from chalicelib.state.records import LayerRecord
from chalicelib.transfer.encoding import KEEP, Encoding, Method
from chalicelib.transfer.job import LayerJob

_TYPES: Final = {
    Method.KEEP: types.DOCKER_LAYER,
    Method.GZIP: types.DOCKER_LAYER_GZIP,
    Method.ZSTD: types.OCI_LAYER_ZSTD,
}


def encoding(settings: Settings) -> Encoding:
    """Return the encoding that the settings ask for."""
    if settings.compression == "none":
        return KEEP
    return Encoding(Method(settings.compression), settings.compression_level)


def media_type(used: Encoding) -> str:
    """
    Return the media type of a layer under *used*.

    Docker's manifest has no type for zstd, so such an image is described in OCI's terms (design: generated manifests).
    """
    return _TYPES[used.method]


def layer_job(layer: LayerRecord, used: Encoding) -> LayerJob:
    """
    Return what the engine has to do for *layer*, which is compressed with *used* if it is to be compressed.

    A layer that is kept is named by its digest, unless it is a compressed one of a `docker save`: of that, only the
    config says what it must inflate to.
    """
    if layer.compress:
        return LayerJob(content=layer.content, encoding=used, diff_id=layer.name)
    packed = layer.name != layer.digest
    return LayerJob(
        content=layer.content,
        encoding=KEEP,
        digest=layer.digest,
        size=layer.size,
        diff_id=layer.name if packed else None,
        packed=_compression(layer.media_type) if packed else "",
    )


def _compression(name: str) -> str:
    return "zstd" if name == types.OCI_LAYER_ZSTD else "gzip"
