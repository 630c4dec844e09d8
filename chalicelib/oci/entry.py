"""A descriptor as a manifest or an index writes it, with all that may stand beside digest and size."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, field

from chalicelib.errors import Code, RefusedError
from chalicelib.oci.descriptor import Descriptor
from chalicelib.oci.digest import Digest
from chalicelib.oci.platform import Platform
from chalicelib.oci.strict_json import Fields

_LARGEST_SIZE: Final = 2**63 - 1  # descriptor.md: int64


class Entry(Struct, frozen=True, kw_only=True):
    """
    One descriptor of a document.

    *data* is the content itself where the document embeds it. `urls` are not kept: none is ever opened.
    """

    descriptor: Descriptor
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    data: bytes | None = None


def parse_entry(value: object, what: str) -> Entry:
    """
    Read a descriptor; *what* names it in errors.

    Raises:
        RefusedError: MANIFEST_FORM, SIZE, DIGEST_FORM, DIGEST_ALGORITHM.
    """
    fields = Fields(value, what)
    media_type = fields.text("mediaType")
    if not media_type:
        raise RefusedError(Code.MANIFEST_FORM, f"{what} has no media type")
    digest = Digest.parse(fields.get("digest"))
    return Entry(
        descriptor=Descriptor(media_type=media_type, digest=digest, size=_size(fields.get("size"), what)),
        platform=_platform(fields.child("platform", "a platform")),
        annotations=fields.string_map("annotations"),
        artifact_type=fields.text("artifactType"),
        data=_data(fields),
    )


def _size(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST_SIZE:
        raise RefusedError(Code.SIZE, f"the size of {what} is not a whole number from 0 to 2^63 - 1")
    return value


def _platform(fields: Fields | None) -> Platform | None:
    if fields is None:
        return None
    return Platform(fields.text("os"), fields.text("architecture"), fields.text("variant"))


def _data(fields: Fields) -> bytes | None:
    text = fields.text("data")
    if not text:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusedError(Code.MANIFEST_FORM, f"the data of {fields.what} is not base64") from error
