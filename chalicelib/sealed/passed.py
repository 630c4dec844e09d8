"""What became of a member of a sealed archive that was stored while it passed, before anybody knew what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from msgspec import Struct

from chalicelib.byte_range import ByteRange
from chalicelib.oci.digest import Digest
from chalicelib.ports.table import Item
from chalicelib.replacing import replace
from chalicelib.state.records import LayerRecord
from chalicelib.state.upload import SHAPE

PREFIX: Final = "passed#"


class PassedRecord(Struct, frozen=True, kw_only=True):
    """
    A member that was taken for a layer.

    Attributes:
        content: Where it is in the inflated bytes; the same in every pass over one object version.
        compress: Whether it was compressed on the way.
        diff_id: Of its bytes, if it was compressed.
        digest, size, media_type: Of what is stored in the registry; the type only of what we compressed.
        stored: Whether the registry has it.
        progress: Where an interrupted upload stands.
    """

    content: ByteRange
    compress: bool
    diff_id: Digest | None = None
    digest: Digest | None = None
    size: int = 0
    media_type: str = ""
    stored: bool = False
    progress: Mapping[str, Any] | None = None

    @property
    def sk(self) -> str:
        """Its name in the collection of its upload."""
        return f"{PREFIX}{self.content.start:020d}"

    def to_item(self) -> Item:
        """Return what is stored."""
        return {
            "v": SHAPE,
            "start": self.content.start,
            "length": self.content.length,
            "compress": self.compress,
            "diff_id": str(self.diff_id) if self.diff_id else None,
            "digest": str(self.digest) if self.digest else None,
            "size": self.size,
            "media_type": self.media_type,
            "stored": self.stored,
            "progress": self.progress,
        }

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read what was stored."""
        return cls(
            content=ByteRange(item["start"], item["length"]),
            compress=item["compress"],
            diff_id=Digest.parse(item["diff_id"]) if item["diff_id"] else None,
            digest=Digest.parse(item["digest"]) if item["digest"] else None,
            size=item["size"],
            media_type=item["media_type"],
            stored=item["stored"],
            progress=item["progress"],
        )

    def settles(self, layer: LayerRecord) -> bool:
        """
        Tell whether *layer*, of the repository that members are stored in, is what was stored.

        What differs is left to the next pass, which checks it as any layer.
        """
        if not self.stored or self.content != layer.content or self.compress != layer.compress:
            return False
        return self.diff_id == layer.name if self.compress else layer.digest in (None, self.digest)

    def settled(self, layer: LayerRecord) -> LayerRecord:
        """Return *layer* as it is stored."""
        media_type = self.media_type if self.compress else layer.media_type
        return replace(layer, stored=True, digest=self.digest, size=self.size, media_type=media_type)
