"""
Audit records: who brought which image where, when, and where it was verified; one JSON object for each upload.

They are read from the bucket's listing and the table, so an upload is there as long as its record is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from chalicelib.ports import Table
from transship.document import described_images
from transship.observation import Observation, observe
from transship.recent import object_versions

VERSION = "1"


def audit_records(s3: Any, table: Table, bucket: str, *, since: datetime | None = None) -> Iterator[dict[str, Any]]:
    """
    Yield the record of each upload whose object came into *bucket* after *since*, in the order of the listing.

    Raises:
        CommandError: The bucket cannot be listed.
    """
    for version in object_versions(s3, bucket):
        if since is None or version.uploaded > since:
            seen = observe(table, version.id)
            if seen:
                yield audit_record(seen)


def audit_record(seen: Observation) -> dict[str, Any]:
    """Return the record of one upload."""
    upload = seen.upload
    version = upload.object
    return {
        "version": VERSION,
        "upload": upload.id,
        "attempt": upload.attempt,
        "status": upload.state.value,
        "code": upload.code or None,
        "object": {
            "bucket": version.bucket,
            "key": version.key,
            "version_id": version.version_id,
            "etag": version.etag,
            "size": version.size,
        },
        "principal": upload.principal or None,
        "received": _time(upload.received),
        "accepted": _time(upload.accepted),
        "published": _time(upload.published),
        "ended": _time(upload.ended),
        "images": described_images(seen),
    }


def _time(seconds: float) -> str | None:
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
