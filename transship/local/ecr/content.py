"""What a repository holds: layers, images, and what replication says about an image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from transship.local.ecr.manifests import INDEXES, Manifest
from transship.local.ecr.names import RegistryId

StorageStatus = Literal["ACTIVE", "ARCHIVED", "ACTIVATING"]
ReplicationStatus = Literal["IN_PROGRESS", "COMPLETE", "FAILED"]


@dataclass(slots=True)
class Layer:
    """
    A blob as one repository sees it; config blobs are layers here (ecr.md 1.1).

    Attributes:
        digest: Its sha256 digest.
        size: Bytes.
        stored_at: Seconds since the epoch.
        visible_from: Time from which reads see it; later than stored_at only by a fault rule.
        media_type: What the first manifest that names it calls it.
    """

    digest: str
    size: int
    stored_at: float
    visible_from: float
    media_type: str | None = None


@dataclass(slots=True)
class DestinationStatus:
    """
    How far the replication of an image to one destination has come.

    Attributes:
        status: As DescribeImageReplicationStatus reports it.
        appears_at: Time from which it is reported at all.
        pending: Replications under way: one for each tag pushed.
        failure_code: Why it failed.
    """

    status: ReplicationStatus
    appears_at: float
    pending: int = 0
    failure_code: str | None = None


@dataclass(slots=True)
class Image:
    """
    A manifest in a repository.

    Attributes:
        digest: Digest of the exact text.
        text: The exact text; shared by all replicas.
        manifest: The same, parsed.
        size: imageSizeInBytes.
        pushed_at: Time of the last push or arrival.
        visible_from: Time from which reads see it; later than pushed_at only by a fault rule.
        tags: Its tags in the order they came.
        status: Storage status.
        active_from: Time at which an image being restored becomes ACTIVE.
        archived_at: When it was archived last.
        activated_at: When it was restored last.
        pulled_at: lastRecordedPullTime.
        scanned_from: When its scan began; None for one that was pushed where nothing is scanned on push.
        destinations: Replication status by destination.
    """

    digest: str
    text: bytes
    manifest: Manifest
    size: int
    pushed_at: float
    visible_from: float
    tags: list[str] = field(default_factory=list)
    status: StorageStatus = "ACTIVE"
    active_from: float = 0.0
    archived_at: float | None = None
    activated_at: float | None = None
    pulled_at: float | None = None
    scanned_from: float | None = None
    destinations: dict[RegistryId, DestinationStatus] = field(default_factory=dict)

    @property
    def is_index(self) -> bool:
        """Whether it is a list of other images."""
        return self.manifest.media_type in INDEXES

    def status_at(self, now: float) -> StorageStatus:
        """Return the storage status; a restore ends by itself."""
        if self.status == "ACTIVATING" and now >= self.active_from:
            self.status = "ACTIVE"
        return self.status

    def image_id(self, tag: str | None = None) -> dict[str, Any]:
        """Return the ImageIdentifier with *tag*, if one is given."""
        return {"imageDigest": self.digest} | ({"imageTag": tag} if tag else {})

    def image_ids(self) -> list[dict[str, Any]]:
        """Return an ImageIdentifier for each tag, or the one of an untagged image."""
        return [self.image_id(tag) for tag in self.tags] or [self.image_id()]
