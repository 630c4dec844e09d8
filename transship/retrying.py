"""
A new attempt on an upload that has ended: the same object version, from its beginning.

The record is set back, conditionally on what was read, and the message that S3 sent once is sent again: whatever the
first attempt left (layers that are stored, images that are put) is found there and not moved again.
"""

from __future__ import annotations

from typing import Final

from chalicelib.errors import ConflictError
from chalicelib.ports.table import Key, Put, Table
from chalicelib.state.ledger import PATIENCE
from chalicelib.state.upload import State, Upload, collection
from transship.errors import CommandError

_RETRIED: Final = frozenset({State.FAILED, State.REJECTED})


def begin_attempt(table: Table, upload_id: str, now: float) -> Upload:
    """
    Set the record of an upload back and return it.

    Args:
        table: The table of state.
        upload_id: Which upload.
        now: Epoch seconds.

    Raises:
        CommandError: There is none, or it is in no state to be tried again.
    """
    key = Key(collection(upload_id), "upload")
    stored = table.get(key)
    if stored is None:
        raise CommandError(f"There is no upload {upload_id}.", "List the recent ones with `transship status`.")
    ended = Upload.from_item(stored.item)
    if ended.state not in _RETRIED:
        raise CommandError(
            f"The upload {upload_id} is {ended.state.value}: only one that failed or was rejected can be retried.",
            f"See `transship status {upload_id}`.",
        )
    fresh = Upload(
        id=ended.id,
        object=ended.object,
        provenance=ended.provenance,
        principal=ended.principal,
        sequencer=ended.sequencer,
        received=now,
        attempt=ended.attempt + 1,
        put_begun=ended.put_begun,
        looks=ended.looks,
        tenant=ended.tenant,
    )
    try:
        table.write([Put(key, fresh.to_item(), stored.revision, due=now + PATIENCE)])
    except ConflictError as error:
        raise CommandError(f"The upload {upload_id} changed at this moment.", "Look at it and try again.") from error
    return fresh
