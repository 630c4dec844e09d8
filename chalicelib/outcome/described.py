"""Images and where they are, as JSON values: for receipts, audit records and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from chalicelib.state.records import ImageRecord, ReplicaRecord


def described_images(images: Iterable[ImageRecord], replicas: Sequence[ReplicaRecord]) -> list[dict[str, Any]]:
    """Return the roots of *images*, each with its destinations and what was looked at there."""
    return [_image(image, replicas) for image in images if image.root]


def moment(seconds: float) -> str | None:
    """Return epoch *seconds* as ISO 8601 in UTC, None for what has not happened (0)."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _image(image: ImageRecord, replicas: Iterable[ReplicaRecord]) -> dict[str, Any]:
    return {
        "repository": str(image.repository),
        "tags": [str(tag) for tag in image.tags],
        "digest": str(image.digest) if image.digest else None,
        "media_type": image.media_type or None,
        "published": image.put,
        "destinations": [_destination(replica) for replica in replicas if replica.image == image.number],
    }


def _destination(replica: ReplicaRecord) -> dict[str, Any]:
    return {
        "account": replica.registry.account,
        "region": replica.registry.region,
        "status": replica.status.value,
        "failure": replica.failure or None,
        "digest_verified": replica.digest_verified,
        "tags_verified": replica.tags_verified,
        "seconds": round(replica.seconds, 3),
        "checks": dict(replica.checks),
    }
