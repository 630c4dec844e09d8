"""
What got lost: on a schedule, look for what should have moved on and did not.

- uploads whose last change is long ago: their message was lost, so it is sent again;
- events that the bus did not take;
- messages that failed too often: their upload is closed with a code;
- objects in the bucket that no notification told of.
"""

from __future__ import annotations

from typing import Final

from chalicelib.ending import end
from chalicelib.errors import Code, ConflictError, FailedError, TemporaryError
from chalicelib.events import ForeignMessageError, Notification, parse_message, parse_notifications
from chalicelib.ledger import Ledger
from chalicelib.messages import drive
from chalicelib.names import CONFIRM, PUBLISH, PUSH, QUEUES, UPLOADS
from chalicelib.notify import flush
from chalicelib.outside import Outside
from chalicelib.ports import DeadLetter, ObjectVersion
from chalicelib.receive import receive_object
from chalicelib.upload import State, upload_id

_MOST_DUE: Final = 100  # items of one sweep; the next one takes the rest
_CONCERNS: Final = {
    UPLOADS: {State.RECEIVED},
    PUSH: {State.ACCEPTED, State.PUSHING},
    PUBLISH: {State.PUBLISHING},
    CONFIRM: {State.CONFIRMING},
}
"""States in which a dead letter means that nobody works on the upload: a later state proves that another did."""
_MARGIN: Final = 15.0  # seconds before the function's end at which a sweep stops


def sweep(outside: Outside) -> None:
    """Do all of it, as far as the time goes; the next sweep does the rest."""
    _bury_dead_letters(outside)
    _move_on(outside)
    _find_lost_uploads(outside)


def _in_time(outside: Outside) -> bool:
    return outside.remaining() > _MARGIN


def _bury_dead_letters(outside: Outside) -> None:
    for queue in QUEUES:
        while _in_time(outside) and (letters := outside.queue.dead_letters(queue)):
            for letter in letters:
                _bury(outside, letter)


def _bury(outside: Outside, letter: DeadLetter) -> None:
    """Close the uploads that a dead letter was about, then delete it; one that is about none is logged."""
    for found in _uploads_of(outside, letter):
        entry = Ledger(outside).load(found)
        if entry and entry.upload.state in _CONCERNS[letter.queue]:
            try:
                end(outside, entry, FailedError(Code.GAVE_UP, f"the {letter.queue} queue gave up on it"))
            except ConflictError:
                outside.log.info("an upload moved on while its dead letter was read", upload=found)
        flush(outside, found)
    outside.queue.bury(letter)
    outside.metrics.add("DeadLetters", "Count", 1, queue=letter.queue)


def _uploads_of(outside: Outside, letter: DeadLetter) -> list[str]:
    try:
        if letter.queue == UPLOADS:
            found = parse_notifications(letter.body, outside.deployment)
            return [_id(told.object) for told in found]
        upload = parse_message(letter.body).get("upload")
    except ForeignMessageError as error:
        outside.log.warning("a dead letter is not ours", queue=letter.queue, reason=str(error), body=letter.body)
        return []
    return [upload] if isinstance(upload, str) else []


def _move_on(outside: Outside) -> None:
    due = outside.table.due(outside.clock.now(), _MOST_DUE)
    for found in dict.fromkeys(key.pk.partition("#")[2] for key in due):
        if not _in_time(outside):
            return
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
    if entry.upload.state is State.RECEIVED:
        _take(outside, entry.upload.object, entry.upload.principal, entry.upload.sequencer)
        return
    try:
        ledger.decide(entry, entry.upload)  # the same state, due again later
    except ConflictError:
        return  # it moves
    drive(outside, entry.upload)
    outside.metrics.add("UploadsStuck", "Count", 1)
    outside.log.info("sent a lost message again", upload=found, state=entry.upload.state.value)


def _find_lost_uploads(outside: Outside) -> None:
    """Take the objects that the table does not know; a version that a notification is on its way for does no harm."""
    marker: str | None = None
    ledger = Ledger(outside)
    while _in_time(outside):
        versions, marker = outside.bucket.list_versions(outside.settings.prefix, marker)
        for version in versions:
            if ledger.load(_id(version)) is None:
                outside.log.warning("found an upload without a notification", key=version.key)
                _take(outside, version, "", "")
        if marker is None:
            return


def _take(outside: Outside, version: ObjectVersion, principal: str, sequencer: str) -> None:
    try:
        receive_object(outside, Notification(object=version, principal=principal, sequencer=sequencer))
    except TemporaryError as error:
        outside.log.info("the next sweep tries again", key=version.key, reason=str(error))


def _id(version: ObjectVersion) -> str:
    return upload_id(version.bucket, version.key, version.version_id)
