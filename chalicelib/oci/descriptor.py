"""Descriptors."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from chalicelib.oci.digest import Digest


class Descriptor(Struct, frozen=True, kw_only=True):
    """What content is (*media_type*), which content it is (*digest*), and how long it is (*size*, bytes)."""

    media_type: str
    digest: Digest
    size: int

    def to_json(self) -> dict[str, Any]:
        """Return the descriptor with its keys in the order that manifests are generated in."""
        return {"mediaType": self.media_type, "size": self.size, "digest": str(self.digest)}
