"""
Receipts: what became of an upload, for a producer who has nothing but the bucket.

One JSON document for each upload below `receipts/`, outside the notification's prefix so that it does not come back as
an upload. It is written at acceptance and at the end, before the event that tells the same, and always from the record
as it stands: written late or twice it says what is true by then. Its form is docs/receipts/receipt.schema.json.
What only an operator can act on (our roles, statements) is not in it; that is in the event and in `transship status`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from chalicelib.codes import Code
from chalicelib.errors import FinalError
from chalicelib.outcome.described import described_images, moment
from chalicelib.outside import Outside
from chalicelib.ports.table import Stored
from chalicelib.state.ledger import Ledger
from chalicelib.state.records import ImageRecord, ReplicaRecord
from chalicelib.state.upload import Upload

VERSION: Final = "1"
PREFIX: Final = "receipts/"
_TOLD: Final = frozenset(
    {"Upload Accepted", "Upload Rejected", "Upload Failed", "Upload Superseded", "Image Available"}
)
_ROUNDS: Final = 3


def receipt_key(key: str, upload: str, prefix: str) -> str:
    """Return where the receipt of object *key* is, whose upload has the id *upload*; *prefix* is that of uploads."""
    return f"{PREFIX}{key.removeprefix(prefix)}/{upload}.json"


def write_receipt(outside: Outside, upload_id: str, events: Iterable[Stored]) -> None:
    """
    Write the receipt of an upload if one of *events*, which are about to be sent, is a reason to.

    Raises:
        TemporaryError: S3 does not answer; the events are to be sent later, too.
    """
    if not outside.settings.receipts or not any(event.item["detail_type"] in _TOLD for event in events):
        return
    ledger = Ledger(outside)
    for _ in range(_ROUNDS):
        entry = ledger.load(upload_id)
        if entry is None or not _write(outside, ledger, entry.upload):
            return
        now = ledger.load(upload_id)
        # Another function may have gone on meanwhile and written its own before ours: the last look is the true one.
        if now is None or now.upload.state is entry.upload.state:
            return


def _write(outside: Outside, ledger: Ledger, upload: Upload) -> bool:
    images = [row.record for row in ledger.images(upload.id)]
    replicas = [row.record for row in ledger.replicas(upload.id)]
    document = receipt(upload, images, replicas, outside.clock.now())
    key = receipt_key(upload.object.key, upload.id, outside.settings.prefix)
    try:
        outside.bucket.put_document(key, json.dumps(document, indent=2).encode())
    except FinalError as error:
        outside.log.warning("the receipt cannot be written", key=key, reason=error.detail)
        return False
    return True


def receipt(
    upload: Upload, images: Sequence[ImageRecord], replicas: Sequence[ReplicaRecord], now: float
) -> dict[str, Any]:
    """Return the receipt of *upload* as it stands at *now* (epoch seconds)."""
    version = upload.object
    return {
        "version": VERSION,
        "upload": upload.id,
        "attempt": upload.attempt,
        "state": upload.state.value,
        "ended": upload.state.terminal,
        "time": moment(now),
        "object": {"key": version.key, "version_id": version.version_id, "etag": version.etag, "size": version.size},
        "images": described_images(images, replicas),
        "warnings": list(upload.warnings),
        **_cause(upload),
    }


def _cause(upload: Upload) -> dict[str, Any]:
    if not upload.code:
        return {"detail": upload.detail} if upload.detail else {}
    code = Code.__members__.get(upload.code)
    known = {"meaning": code.meaning, "remedy": code.remedy} if code else {}
    return {"code": upload.code, "detail": upload.detail, **known}
