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
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.ports.table import Key, Table
from chalicelib.state.upload import Upload, collection, former_id, upload_id
from transship.deployment import owned
from transship.errors import CommandError
from transship.keys import PREFIX


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """
    One version of an object in the bucket of uploads, and when it was *uploaded*.

    *id* is its upload's; *former_id* was the id of an upload that was begun before a tenant was part of it.
    """

    id: str
    former_id: str
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
    def id(self) -> str:
        """The upload's id: as its record has it, or as it would be."""
        return self.record.id if self.record else self.version.id

    @property
    def state(self) -> str:
        """The upload's state, or `unknown` without a record."""
        return self.record.state.value if self.record else "unknown"

    def to_json(self) -> dict[str, Any]:
        """Return what `status --json` prints of it."""
        return {
            "id": self.id,
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
    found = (RecentUpload(version, _record(table, version)) for version in newest)
    return list(islice((one for one in found if one.record or not is_companion(one.version.key)), limit))


def object_versions(s3: Any, bucket: str, prefix: str = PREFIX) -> Iterator[StoredVersion]:
    """
    Yield every object version under *prefix*.

    Raises:
        CommandError: The bucket cannot be listed.
    """
    try:
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix, **owned(bucket))
        for page in pages:
            yield from (_version(bucket, prefix, entry) for entry in page.get("Versions", ()))
    except (BotoCoreError, ClientError) as error:
        raise CommandError(
            f"The bucket {bucket} cannot be listed: {error}", "You need s3:ListBucketVersions on it."
        ) from error


def _version(bucket: str, prefix: str, entry: dict[str, Any]) -> StoredVersion:
    version = ObjectVersion(
        bucket=bucket,
        key=entry["Key"],
        version_id="" if entry["VersionId"] == "null" else entry["VersionId"],
        etag=entry["ETag"].strip('"'),
        size=entry["Size"],
    )
    return StoredVersion(
        id=upload_id(version, prefix),
        former_id=former_id(version),
        key=version.key,
        version_id=version.version_id,
        size=version.size,
        uploaded=entry["LastModified"],
    )


def _record(table: Table, version: StoredVersion) -> Upload | None:
    for number in (version.id, version.former_id):
        stored = table.get(Key(collection(number), "upload"))
        if stored:
            return Upload.from_item(stored.item)
    return None
