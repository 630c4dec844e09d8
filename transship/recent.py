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
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.ports import Key, Table
from chalicelib.upload import Upload, collection, upload_id
from transship.errors import CommandError


@dataclass(frozen=True, slots=True)
class RecentUpload:
    """An object version, *uploaded* when, and its *record*, None if it has none."""

    id: str
    key: str
    version_id: str
    size: int
    uploaded: datetime
    record: Upload | None

    @property
    def state(self) -> str:
        """The upload's state, or `unknown` without a record."""
        return self.record.state.value if self.record else "unknown"

    def to_json(self) -> dict[str, Any]:
        """Return what `status --json` prints of it."""
        return {
            "id": self.id,
            "key": self.key,
            "version_id": self.version_id,
            "size": self.size,
            "uploaded": self.uploaded.isoformat(),
            "status": self.state,
            "code": (self.record.code or None) if self.record else None,
            "detail": (self.record.detail or None) if self.record else None,
        }


def recent_uploads(s3: Any, table: Table, bucket: str, limit: int, prefix: str = "uploads/") -> list[RecentUpload]:
    """
    Return the *limit* newest object versions under *prefix*, the newest first.

    Raises:
        CommandError: The bucket cannot be listed.
    """
    try:
        newest = heapq.nlargest(limit, _versions(s3, bucket, prefix), key=lambda entry: entry["LastModified"])
    except (BotoCoreError, ClientError) as error:
        raise CommandError(
            f"The bucket {bucket} cannot be listed: {error}", "You need s3:ListBucketVersions on it."
        ) from error
    return [_recent(table, bucket, entry) for entry in newest]


def _versions(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Versions", ())


def _recent(table: Table, bucket: str, entry: dict[str, Any]) -> RecentUpload:
    version_id = "" if entry["VersionId"] == "null" else entry["VersionId"]
    number = upload_id(bucket, entry["Key"], version_id)
    stored = table.get(Key(collection(number), "upload"))
    return RecentUpload(
        id=number,
        key=entry["Key"],
        version_id=version_id,
        size=entry["Size"],
        uploaded=entry["LastModified"],
        record=Upload.from_item(stored.item) if stored else None,
    )
