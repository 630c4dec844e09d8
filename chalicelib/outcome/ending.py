"""How an upload ends: one place, for every step."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.access.denied_look import explained
from chalicelib.errors import FinalError, RefusedError, SupersededError
from chalicelib.events import Draft
from chalicelib.outcome.audit import audit_puts
from chalicelib.outside import Outside
from chalicelib.replacing import replace
from chalicelib.state.ledger import Entry, Ledger
from chalicelib.state.records import ImageRecord, ReplicaRecord
from chalicelib.state.upload import State, Upload


def end(outside: Outside, entry: Entry, error: FinalError | SupersededError) -> Entry:
    """
    Close the upload of *entry* with its event: rejected, failed or superseded.

    A denial says what mends it, as a preflight does.

    Rejected promises that nothing was published; where something may have been, even a refusal is a failure.
    What has ended by now, closed by somebody else while a step was at it, stays as it ended.

    Raises:
        ConflictError: The upload changed since it was read.
    """
    if entry.upload.state.terminal:
        return entry
    ledger = Ledger(outside)
    images = [row.record for row in ledger.images(entry.upload.id)]
    replicas = [row.record for row in ledger.replicas(entry.upload.id)]
    ended = replace(entry.upload, ended=outside.clock.now(), detail=_detail(error))
    if isinstance(error, SupersededError):
        upload = replace(ended, state=State.SUPERSEDED)
        return close(
            outside, entry, upload, [ledger.announcer(upload).superseded(str(error))], images=images, replicas=replicas
        )
    error = explained(outside, error)
    put = [image for image in images if image.put]
    refused = isinstance(error, RefusedError) and not (put or entry.upload.put_begun)
    state = State.REJECTED if refused else State.FAILED
    upload = replace(ended, state=state, code=error.code.name, facts=error.facts)
    announcer = ledger.announcer(upload)
    draft = announcer.rejected(error) if refused else announcer.failed(error, put, replicas)
    outside.log.warning(
        "the upload ended",
        state=upload.state.value,
        code=error.code.name,
        detail=error.detail,
        member=error.member,
        offset=error.offset,
    )
    return close(outside, entry, upload, [draft], images=images, replicas=replicas)


def _detail(error: FinalError | SupersededError) -> str:
    return error.detail if isinstance(error, FinalError) else str(error)


def close(
    outside: Outside,
    before: Entry,
    upload: Upload,
    drafts: Sequence[Draft],
    *,
    images: Sequence[ImageRecord],
    replicas: Sequence[ReplicaRecord],
) -> Entry:
    """
    Write *upload*, which has ended, over *before*, with the events and the audit record of its end, and count it.

    Raises:
        ConflictError: The upload changed since it was read.
    """
    records = audit_puts(upload, images, replicas, outside.settings.audit_days)
    after = Ledger(outside).decide(before, upload, drafts, also=records)
    outside.metrics.add("Uploads", "Count", 1, outcome=upload.state.value)
    if upload.code:
        outside.metrics.add("Endings", "Count", 1, code=upload.code)
    outside.metrics.add("UploadSeconds", "Seconds", upload.ended - before.upload.received)
    return after
