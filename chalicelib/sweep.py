"""
What got lost: on a schedule, look for what should have moved on and did not.

- uploads whose last change is long ago: their message was lost, so it is sent again;
- events that the bus did not take;
- uploads that have passed their deadline: they are closed with a code;
- messages that failed too often: their upload is closed with a code;
- objects in the bucket that no notification told of; one that has a later version by now is superseded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chalicelib.errors import Code, ConflictError, FailedError, SupersededError
from chalicelib.events import ForeignMessageError, Notification, parse_message, parse_notifications, renotification
from chalicelib.messages import drive
from chalicelib.names import CONFIRM, PROVENANCE, PUBLISH, PUSH, QUEUES, UPLOADS
from chalicelib.notify import flush
from chalicelib.outcome.ending import end
from chalicelib.outside import Outside
from chalicelib.planning.companions import Signed, was_read
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.ports.queue import DeadLetter
from chalicelib.state.ledger import Entry, Ledger
from chalicelib.state.upload import State, Upload, tenant, upload_id

_MOST_DUE: Final = 100  # items of one sweep; the next one takes the rest
_CONCERNS: Final = {
    UPLOADS: {State.RECEIVED},
    PUSH: {State.ACCEPTED, State.PUSHING},
    PUBLISH: {State.PUBLISHING},
    CONFIRM: {State.CONFIRMING},
}
"""States in which a dead letter means that nobody works on the upload: a later state proves that another did."""
_LOST_AFTER: Final = 900.0  # seconds; S3 calls a minute or longer possible (ecr.md 5.5)
_LOST_FOR: Final = 86_400.0
_MARGIN: Final = 15.0  # seconds before the function's end at which a sweep stops


def sweep(outside: Outside) -> None:
    """Do all of it, as far as the time goes; the next sweep does the rest."""
    _bury_dead_letters(outside)
    _move_on(outside)
    _find_lost_uploads(outside)


def _in_time(outside: Outside) -> bool:
    return outside.remaining() > _MARGIN


def _speak_of(outside: Outside, upload: Upload) -> None:
    outside.log.keys(upload_id=upload.id, tenant=upload.whose(outside.settings.prefix))


def _bury_dead_letters(outside: Outside) -> None:
    for queue in QUEUES:
        while _in_time(outside) and (letters := outside.queue.dead_letters(queue)):
            for letter in letters:
                _bury(outside, letter)


def _bury(outside: Outside, letter: DeadLetter) -> None:
    """Close the uploads that a dead letter was about, then delete it; one that is about none is logged."""
    outside.log.keys(upload_id="", tenant="")
    for entry in _uploads_of(outside, letter):
        _speak_of(outside, entry.upload)
        if entry.upload.state in _CONCERNS[letter.queue]:
            try:
                end(outside, entry, FailedError(Code.GAVE_UP, f"the {letter.queue} queue gave up on it"))
            except ConflictError:
                outside.log.info("an upload moved on while its dead letter was read", upload=entry.upload.id)
        flush(outside, entry.upload.id)
    outside.queue.bury(letter)
    outside.metrics.add("DeadLetters", "Count", 1, queue=letter.queue)


def _uploads_of(outside: Outside, letter: DeadLetter) -> list[Entry]:
    """Return the uploads that a dead letter was about; one that was never recorded is recorded to be closed."""
    ledger = Ledger(outside)
    try:
        if letter.queue == UPLOADS:
            now = outside.clock.now()
            found = parse_notifications(letter.body, outside.deployment)
            prefix = outside.settings.prefix
            uploads = (
                Upload.new(told.object, told.principal, told.sequencer, now, prefix=prefix, known_as=told.upload)
                for told in found
            )
            return [ledger.begin(upload) for upload in uploads]
        upload = parse_message(letter.body).get("upload")
    except ForeignMessageError as error:
        outside.log.warning("a dead letter is not ours", queue=letter.queue, reason=str(error), body=letter.body)
        return []
    entry = ledger.load(upload) if isinstance(upload, str) else None
    return [entry] if entry else []


def _move_on(outside: Outside) -> None:
    due = outside.table.due(outside.clock.now(), _MOST_DUE)
    for found in dict.fromkeys(key.pk.partition("#")[2] for key in due):
        if not _in_time(outside):
            return
        entry = Ledger(outside).load(found)
        if entry:
            _speak_of(outside, entry.upload)
        flush(outside, found)
    for found in (key.pk.partition("#")[2] for key in due if key.sk == "upload"):
        if not _in_time(outside):
            return
        _resume(outside, found)


def _resume(outside: Outside, found: str) -> None:
    """Send the message that an upload's state calls for: nothing has happened to it for `ledger.PATIENCE`."""
    ledger = Ledger(outside)
    entry = ledger.load(found)
    if entry is None or entry.upload.state.terminal:
        return
    _speak_of(outside, entry.upload)
    if _expired(outside, entry.upload):
        _close_expired(outside, entry)
        return
    try:
        ledger.decide(entry, entry.upload)  # the same state, due again later
    except ConflictError:
        return  # it moves
    upload = entry.upload
    if upload.state is State.RECEIVED:
        _notify_again(outside, Notification.again(upload))
    else:
        drive(outside, upload)
    outside.metrics.add("UploadsStuck", "Count", 1)
    outside.log.info("sent a lost message again", upload=found, state=entry.upload.state.value)


def _expired(outside: Outside, upload: Upload) -> bool:
    """Tell whether an upload has passed its deadline; one that is confirmed has its own, counted from the put."""
    settings = outside.settings
    deadline = upload.received + settings.upload_deadline
    if upload.state is State.CONFIRMING:
        deadline = upload.published + settings.confirm_deadline + settings.upload_deadline
    return outside.clock.now() >= deadline


def _close_expired(outside: Outside, entry: Entry) -> None:
    hours = outside.settings.upload_deadline / 3_600
    error = FailedError(Code.EXPIRED, f"it is still {entry.upload.state.value} after {hours:.0f} hours")
    try:
        end(outside, entry, error)
    except ConflictError:
        return  # it moves
    flush(outside, entry.upload.id)


def _find_lost_uploads(outside: Outside) -> None:
    """
    Notify again of objects that the table does not know.

    Only of the last day: a notification may be on its way for a while, and a record that expired is not a loss.
    """
    marker: str | None = None
    now = outside.clock.now()
    signed = Signed()
    while _in_time(outside):
        versions, marker = outside.bucket.list_versions(outside.settings.prefix, marker)
        recent = [listed for listed in versions if _LOST_AFTER <= now - listed.modified <= _LOST_FOR]
        _supersede(outside, [listed.object for listed in recent if listed.replaced])
        found = [
            (listed.object, chart)
            for listed, chart in signed.pairs(listed for listed in versions if not listed.replaced)
            if listed in recent
        ]
        known = Ledger(outside).begun(version for pair in found for version in pair if version)
        for version, chart in found:
            if known[version] is None and not (chart and _was_read(known[chart], version)):
                _find(outside, version)
        if marker is None:
            return


def _supersede(outside: Outside, replaced: Sequence[ObjectVersion]) -> None:
    """
    Close versions that the table does not know and that were replaced or deleted meanwhile.

    To push one now would be to put an old archive after its successor.
    """
    known = Ledger(outside).begun(version for version in replaced if not version.key.endswith(PROVENANCE))
    for version in (version for version, upload in known.items() if upload is None):
        upload = Upload.new(version, "", "", outside.clock.now(), prefix=outside.settings.prefix)
        _speak_of(outside, upload)
        try:
            reason = "the object was replaced or deleted before a notification of this version was taken"
            end(outside, Entry(upload, 0), SupersededError(reason))
        except ConflictError:
            continue  # it came
        flush(outside, upload.id)


def _was_read(chart: Upload | None, version: ObjectVersion) -> bool:
    return chart is not None and was_read(chart, version)


def _find(outside: Outside, version: ObjectVersion) -> None:
    found = upload_id(version, outside.settings.prefix)
    outside.log.keys(upload_id=found, tenant=tenant(version.key, outside.settings.prefix))
    outside.log.warning("found an upload without a notification", upload=found)
    _notify_again(outside, Notification(version, "", ""))


def _notify_again(outside: Outside, told: Notification) -> None:
    message = renotification(told, outside.deployment)
    outside.queue.send(UPLOADS, message, group=tenant(told.object.key, outside.settings.prefix))
