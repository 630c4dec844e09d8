"""moto's buckets as the object plane uses them: find a version, put one in its place."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING

from moto.s3.models import s3_backends

from transship.local.protocol_error import AwsError
from transship.local.resources import PARTITION, find_bucket
from transship.local.s3.keys import StoredKey

if TYPE_CHECKING:
    from moto.s3.models import FakeBucket

commit = threading.RLock()
"""Held while a write looks at what is there and takes its place, so that conditional writes are decided once."""


def open_bucket(name: str, expected_owner: str | None) -> FakeBucket:
    """
    Return the bucket.

    Raises:
        AwsError: 404 NoSuchBucket; 403 AccessDenied if *expected_owner* is given and another account owns it.
    """
    bucket = find_bucket(name)
    if bucket is None:
        raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404, BucketName=name)
    if expected_owner is not None and expected_owner != bucket.account_id:
        raise AwsError("AccessDenied", "Access Denied", 403)
    return bucket


def current(bucket: FakeBucket, key: str) -> StoredKey | None:
    """Return the newest version of *key*; None if there is none or it is a delete marker."""
    newest = bucket.keys.get(key)
    return newest if isinstance(newest, StoredKey) else None


def find(bucket: FakeBucket, key: str, version_id: str | None) -> StoredKey:
    """
    Return one version of *key*, or the newest.

    Raises:
        AwsError: 404 NoSuchKey or NoSuchVersion; 405 MethodNotAllowed for a delete marker named by its id.
    """
    if version_id is None:
        found = current(bucket, key)
        if found is None:
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404, Key=key)
        return found
    for version in bucket.keys.getlist(key, []):
        if version.version_id == version_id:
            if not isinstance(version, StoredKey):
                raise AwsError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
            return version
    message = "The specified version does not exist."
    raise AwsError("NoSuchVersion", message, 404, Key=key, VersionId=version_id)


def new_version_id(bucket: FakeBucket) -> str:
    """Return the id of a version about to be put: `null` unless versioning is enabled."""
    return uuid.uuid4().hex if bucket.is_versioned else "null"


def place(bucket: FakeBucket, key: StoredKey) -> None:
    """Make *key* the newest version; where ids are `null`, it replaces the version with that id. Hold `commit`."""
    kept = bucket.keys.getlist(key.key, [])
    if key.version_id == "null":
        kept = [version for version in kept if version.version_id != "null"]
    bucket.keys.setlist(key.key, [*kept, key])


def tag(bucket: FakeBucket, key: StoredKey, tags: dict[str, str]) -> None:
    """Attach *tags* to a version."""
    if tags:
        tagger = s3_backends[bucket.account_id][PARTITION].tagger
        tagger.tag_resource(key.arn, tagger.convert_dict_to_tags_input(tags))
