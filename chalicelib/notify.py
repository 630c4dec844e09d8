"""
Sending what was decided: from the outbox to the bus.

The producer's receipt is written before the event that tells the same. An event leaves the outbox only when the bus
has taken it; a reply that was lost sends it again, with the same id.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from chalicelib.errors import ConflictError, FinalError, TemporaryError
from chalicelib.outcome.receipt import write_receipt
from chalicelib.outside import Outside
from chalicelib.ports.table import Put, Stored
from chalicelib.state.ledger import event_from, parts_expire
from chalicelib.state.upload import collection

_MOST_EVENTS: Final = 10  # of one PutEvents (ecr.md 5.3)
_MOST_BYTES: Final = 900_000  # of the details of one PutEvents, which takes 1 MB with their names (ecr.md 5.3)
_ORDER: Final = {
    detail_type: place
    for place, detail_type in enumerate(
        (
            "Upload Accepted",
            "Image Pushed",
            "Image Replicated",
            "Image Late",
            "Image Available",
            "Upload Rejected",
            "Upload Superseded",
            "Upload Failed",
        )
    )
}
"""In which order events of one moment are sent; subscribers must not rely on any order."""


def flush(outside: Outside, upload_id: str) -> int:
    """
    Send the unsent events of an upload, the oldest first, and return how many the bus did not take.

    Those stay due and are sent again by the next step or by the sweep: a bus that is out of order for an hour, or that
    our role may not use, delays what is told, and nothing that is done.
    """
    waiting = [stored for stored in outside.table.query(collection(upload_id), "outbox#") if not stored.item["sent"]]
    waiting.sort(key=lambda stored: (stored.item["detail"]["time"], _ORDER[stored.item["detail_type"]], stored.key.sk))
    try:
        write_receipt(outside, upload_id, waiting)
    except TemporaryError as error:
        outside.log.warning("the receipt could not be written yet", reason=str(error))
        return len(waiting)
    return sum(_send(outside, request) for request in _requests(waiting))


def _requests(waiting: Sequence[Stored]) -> Iterator[Sequence[Stored]]:
    """Yield *waiting* in order, as many at a time as one PutEvents takes."""
    request: list[Stored] = []
    room = _MOST_BYTES
    for stored in waiting:
        size = len(json.dumps(stored.item["detail"]))
        if request and (len(request) == _MOST_EVENTS or size > room):
            yield request
            request, room = [], _MOST_BYTES
        request.append(stored)
        room -= size
    if request:
        yield request


def _send(outside: Outside, waiting: Sequence[Stored]) -> int:
    refused = _refused(outside, waiting)
    sent = [stored for index, stored in enumerate(waiting) if index not in refused]
    if refused:
        outside.log.warning("the bus did not take every event", refused=len(refused))
    if not sent:
        return len(refused)
    try:
        expires = parts_expire(outside)
        outside.table.write(
            [Put(stored.key, {**stored.item, "sent": True}, stored.revision, expires=expires) for stored in sent]
        )
    except ConflictError:
        # Somebody else sent them at the same time: the same bytes under the same ids.
        outside.log.info("events were sent twice", events=len(sent))
    return len(refused)


def _refused(outside: Outside, waiting: Sequence[Stored]) -> set[int]:
    """Put events on the bus and return the places of those that it did not take."""
    try:
        return set(outside.bus.put([event_from(stored.item) for stored in waiting]))
    except (FinalError, TemporaryError) as error:
        outside.log.warning("the bus takes nothing", reason=str(error))
        return set(range(len(waiting)))
