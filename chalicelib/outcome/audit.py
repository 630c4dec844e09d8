"""
Audit records: who brought which image where, when, and where it was verified; for each attempt that has ended.

A record is written with the end itself, so none is missing and none tells what did not happen. It stands in a
collection of its own, by month, and outlives the upload's records: `settings.audit_days`.
An upload of many images has several records, told apart by "part": an item of the table holds 400 KB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from chalicelib.chunks import chunked
from chalicelib.outcome.described import described_images, moment
from chalicelib.ports.table import Item, Key, Put
from chalicelib.state.records import ImageRecord, ReplicaRecord
from chalicelib.state.upload import SHAPE, Upload

VERSION: Final = "1"
_DAY: Final = 86_400.0
_MOST_IMAGES: Final = 40  # of one record: with 25 destinations (ecr.md 2) of 250 bytes each, 250 KB
_DECEMBER: Final = 12


def audit_puts(
    upload: Upload, images: Sequence[ImageRecord], replicas: Sequence[ReplicaRecord], keep_days: float
) -> list[Put]:
    """Return the changes that write the records of *upload*, which has ended."""
    ended = datetime.fromtimestamp(upload.ended, UTC)
    roots = [image for image in images if image.root]
    return [
        Put(
            Key(month(ended), f"{moment(upload.ended)}#{upload.tenant}#{upload.id}#{upload.attempt}#{part:03d}"),
            {"v": SHAPE, **audit_record(upload, own, replicas, part)},
            0,
            expires=upload.ended + keep_days * _DAY,
        )
        for part, own in enumerate(list(chunked(roots, _MOST_IMAGES)) or [[]])
    ]


def month(when: datetime) -> str:
    """Return the collection of what ended in the month of *when*."""
    return f"audit#{when:%Y-%m}"


def months(since: datetime, until: datetime) -> Iterator[str]:
    """Yield the collections of all months from *since* to *until*, the earliest first."""
    year, number = since.year, since.month
    while (year, number) <= (until.year, until.month):
        yield f"audit#{year:04d}-{number:02d}"
        year, number = (year + 1, 1) if number == _DECEMBER else (year, number + 1)


def audit_record(
    upload: Upload, images: Sequence[ImageRecord], replicas: Sequence[ReplicaRecord], part: int = 0
) -> Item:
    """Return a record of one attempt, of these *images* of it."""
    version = upload.object
    return {
        "version": VERSION,
        "upload": upload.id,
        "attempt": upload.attempt,
        "part": part,
        "tenant": upload.tenant,
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
        "access": dict(upload.access),
        "received": moment(upload.received),
        "accepted": moment(upload.accepted),
        "published": moment(upload.published),
        "ended": moment(upload.ended),
        "images": described_images(images, replicas),
    }
