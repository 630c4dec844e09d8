"""
Recent uploads: the newest objects of the bucket, each with what its record says.

The bucket is listed, not the table: so an object whose notification was lost is seen too. A listing costs one request
for 1,000 versions, a record one read.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.names import is_companion
from chalicelib.ports.table import Key, Table
from chalicelib.state.upload import Upload, collection, upload_id
from transship.deployment import owned
from transship.errors import CommandError


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version of an object in the bucket of uploads: the *id* of its upload, and when it was *uploaded*."""

    id: str
    key: str
    version_id: str
    size: int
    uploaded: datetime


@dataclass(frozen=True, slots=True)
class RecentUpload:
    """A *version* and the *record* of its upload, None if it has none."""

    version: StoredVersion
    record: Upload | None

    @property
    def state(self) -> str:
        """The upload's state, or `unknown` without a record."""
        return self.record.state.value if self.record else "unknown"

    def to_json(self) -> dict[str, Any]:
        """Return what `status --json` prints of it."""
        return {
            "id": self.version.id,
            "key": self.version.key,
            "version_id": self.version.version_id,
            "size": self.version.size,
            "uploaded": self.version.uploaded.isoformat(),
            "status": self.state,
            "code": (self.record.code or None) if self.record else None,
            "detail": (self.record.detail or None) if self.record else None,
        }


def recent_uploads(s3: Any, table: Table, bucket: str, limit: int) -> list[RecentUpload]:
    """
    Return the *limit* newest uploads, the newest first.

    What signs a chart is an upload only if it has come to be one; else it was read with its chart, or waits for it.

    Raises:
        CommandError: The bucket cannot be listed.
    """
    # Each upload may have a companion.
    newest = heapq.nlargest(2 * limit, object_versions(s3, bucket), key=lambda version: version.uploaded)
    found = (RecentUpload(version, _record(table, version.id)) for version in newest)
    return list(islice((one for one in found if one.record or not is_companion(one.version.key)), limit))


def object_versions(s3: Any, bucket: str, prefix: str = "uploads/") -> Iterator[StoredVersion]:
    """
    Yield every object version under *prefix*.

    Raises:
        CommandError: The bucket cannot be listed.
    """
    try:
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix, **owned(bucket))
        for page in pages:
            yield from (_version(bucket, entry) for entry in page.get("Versions", ()))
    except (BotoCoreError, ClientError) as error:
        raise CommandError(
            f"The bucket {bucket} cannot be listed: {error}", "You need s3:ListBucketVersions on it."
        ) from error


def _version(bucket: str, entry: dict[str, Any]) -> StoredVersion:
    version_id = "" if entry["VersionId"] == "null" else entry["VersionId"]
    number = upload_id(bucket, entry["Key"], version_id)
    return StoredVersion(number, entry["Key"], version_id, entry["Size"], entry["LastModified"])


def _record(table: Table, number: str) -> Upload | None:
    stored = table.get(Key(collection(number), "upload"))
    return Upload.from_item(stored.item) if stored else None
