"""How an upload ends without being available: one place, for every step."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.errors import FinalError, RefusedError, SupersededError
from chalicelib.ledger import Entry, Ledger
from chalicelib.outside import Outside
from chalicelib.upload import State


def end(outside: Outside, entry: Entry, error: FinalError | SupersededError) -> Entry:
    """
    Close the upload of *entry* with its event: rejected, failed or superseded.

    Rejected promises that nothing was published; where something was, even a refusal is a failure.

    Raises:
        ConflictError: The upload changed since it was read.
    """
    ledger = Ledger(outside)
    now = outside.clock.now()
    if isinstance(error, SupersededError):
        upload = replace(entry.upload, state=State.SUPERSEDED, ended=now, detail=str(error))
        return _close(outside, entry, ledger.decide(entry, upload, [ledger.announcer(upload).superseded(str(error))]))
    images = [row.record for row in ledger.images(entry.upload.id)]
    refused = isinstance(error, RefusedError) and not any(image.put for image in images)
    upload = replace(
        entry.upload,
        state=State.REJECTED if refused else State.FAILED,
        ended=now,
        code=error.code.name,
        detail=error.detail,
        facts=error.facts,
    )
    announcer = ledger.announcer(upload)
    if refused:
        draft = announcer.rejected(error)
    else:
        replicas = [row.record for row in ledger.replicas(upload.id)]
        draft = announcer.failed(error, [image for image in images if image.put], replicas)
    outside.log.warning(
        "the upload ended",
        state=upload.state.value,
        code=error.code.name,
        detail=error.detail,
        member=error.member,
        offset=error.offset,
    )
    return _close(outside, entry, ledger.decide(entry, upload, [draft]))


def _close(outside: Outside, before: Entry, after: Entry) -> Entry:
    outside.metrics.add("Uploads", "Count", 1, outcome=after.upload.state.value)
    if after.upload.code:
        outside.metrics.add("Endings", "Count", 1, code=after.upload.code)
    outside.metrics.add("UploadSeconds", "Seconds", after.upload.ended - before.upload.received)
    return after
