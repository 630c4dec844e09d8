"""An image's config, as far as pushing depends on it: its diff_ids and its platform (image-spec config.md)."""

from __future__ import annotations

from msgspec import Struct

from chalicelib.errors import Code, RefusedError
from chalicelib.oci.digest import Digest
from chalicelib.oci.platform import Platform
from chalicelib.oci.strict_json import Fields, parse_json


class ImageConfig(Struct, frozen=True, kw_only=True):
    """
    A config whose bytes are *raw*.

    *diff_ids* are the digests of the uncompressed layers, lowest layer first. *platform* is None where the config
    names neither operating system nor architecture.
    """

    raw: bytes
    diff_ids: tuple[Digest, ...]
    platform: Platform | None


def parse_config(raw: bytes) -> ImageConfig:
    """
    Read the config of an image (not of an artifact, whose config may be anything).

    Raises:
        RefusedError: JSON, JSON_AMBIGUOUS, MANIFEST_FORM, DIGEST_FORM, DIGEST_ALGORITHM.
    """
    fields = Fields(parse_json(raw), "a config")
    platform = Platform(fields.text("os"), fields.text("architecture"), fields.text("variant"))
    return ImageConfig(
        raw=raw,
        diff_ids=_diff_ids(fields.child("rootfs", "the rootfs of a config")),
        platform=platform if platform.os or platform.architecture else None,
    )


def _diff_ids(rootfs: Fields | None) -> tuple[Digest, ...]:
    if rootfs is None:
        return ()
    if rootfs.text("type") not in ("", "layers"):
        raise RefusedError(Code.MANIFEST_FORM, "the rootfs of a config is not of the type 'layers'")
    return tuple(Digest.parse(text) for text in rootfs.array("diff_ids"))
