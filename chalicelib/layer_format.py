"""How uncompressed layers are compressed, and what they are called then: design decision and setting in one place."""

from __future__ import annotations

from chalicelib.oci import media_type as types
from chalicelib.settings import Settings
from chalicelib.transfer.encoding import Encoding, Method


def encoding(settings: Settings) -> Encoding:
    """Return the encoding that the settings ask for."""
    return Encoding(Method(settings.compression), settings.compression_level)


def media_type(used: Encoding) -> str:
    """
    Return the media type of a layer under *used*.

    Docker's manifest has no type for zstd, so such an image is described in OCI's terms (design: generated manifests).
    """
    return types.OCI_LAYER_ZSTD if used.method is Method.ZSTD else types.DOCKER_LAYER_GZIP
