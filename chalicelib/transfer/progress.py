"""How far a layer has come, in a form that survives the function."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final, Self

from msgspec import Struct

SHAPE: Final = 1


class Checkpoint(Struct, frozen=True, kw_only=True):
    """
    A place between two segments of a layer where production can go on.

    Attributes:
        input_offset: Bytes read before it.
        output_offset: Bytes produced before it.
        crc32: Of the bytes read, where the encoding needs it.
        input_sha256: State of the sum of the bytes read; None where they are kept as they are.
        output_sha256: State of the sum of the bytes produced.
    """

    input_offset: int
    output_offset: int
    crc32: int
    input_sha256: bytes | None
    output_sha256: bytes

    def to_item(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "input_offset": self.input_offset,
            "output_offset": self.output_offset,
            "crc32": self.crc32,
            "input_sha256": _text(self.input_sha256) if self.input_sha256 is not None else None,
            "output_sha256": _text(self.output_sha256),
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """Read what `to_item` wrote."""
        state = item["input_sha256"]
        return cls(
            input_offset=int(item["input_offset"]),
            output_offset=int(item["output_offset"]),
            crc32=int(item["crc32"]),
            input_sha256=base64.b64decode(state) if state is not None else None,
            output_sha256=base64.b64decode(item["output_sha256"]),
        )


class LayerProgress(Struct, frozen=True, kw_only=True):
    """
    An upload that ECR has begun, and how much of it we know to have arrived.

    Attributes:
        upload_id: ECR's.
        part_size: ECR's, bytes.
        sent: Bytes that ECR holds.
        recipe: Of the encoding; another recipe's bytes would not fit these.
        checkpoint: The last one whose output has all arrived; None: the layer's start.
    """

    upload_id: str
    part_size: int
    sent: int
    recipe: str
    checkpoint: Checkpoint | None = None

    def to_item(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "v": SHAPE,
            "upload_id": self.upload_id,
            "part_size": self.part_size,
            "sent": self.sent,
            "recipe": self.recipe,
            "checkpoint": self.checkpoint.to_item() if self.checkpoint else None,
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """
        Read what `to_item` wrote.

        Raises:
            ValueError: It is of a shape that this version does not know.
        """
        if item["v"] != SHAPE:
            raise ValueError(f"progress of shape {item['v']} is unknown")
        checkpoint = item["checkpoint"]
        return cls(
            upload_id=item["upload_id"],
            part_size=int(item["part_size"]),
            sent=int(item["sent"]),
            recipe=item["recipe"],
            checkpoint=Checkpoint.from_item(checkpoint) if checkpoint else None,
        )


def _text(state: bytes) -> str:
    return base64.b64encode(state).decode()
