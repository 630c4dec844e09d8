"""An entry of PutEvents, checked, and the event that becomes of it ("PutEvents", EventBridge API Reference)."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ENTRIES_LIMIT = 10
SIZE_LIMIT = 1 << 20
"""Bytes of all entries of one request together."""

Event = dict[str, Any]


class InvalidEntryError(ValueError):
    """An entry that fails alone, in a request that succeeds."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def entry_size(entry: Mapping[str, Any]) -> int:
    """Return the bytes that *entry* counts for (EventBridge User Guide, "Calculating PutEvents event entry size")."""
    texts = [entry.get("Source"), entry.get("DetailType"), entry.get("Detail"), *entry.get("Resources", ())]
    return (14 if entry.get("Time") else 0) + sum(len(text.encode()) for text in texts if text)


def event_of(entry: Mapping[str, Any], account: str, region: str, now: float) -> Event:
    """
    Return the event that *entry*, put by *account* in *region*, becomes.

    Raises:
        InvalidEntryError: A field is missing, reserved or malformed.
    """
    for field in ("Source", "DetailType", "Detail"):
        if not entry.get(field):
            reason = f"Parameter {field} is not valid. Reason: {field} is a required argument."
            raise InvalidEntryError("InvalidArgument", reason)
    if entry["Source"].startswith("aws."):
        raise InvalidEntryError("NotAuthorizedForSourceException", "Not authorized for the source.")
    return envelope(
        {
            "source": entry["Source"],
            "detail-type": entry["DetailType"],
            "resources": entry.get("Resources") or [],
            "detail": _detail(entry["Detail"]),
        },
        account,
        region,
        _seconds(entry.get("Time"), now),
    )


def envelope(content: Event, account: str, region: str, at: float) -> Event:
    """Return *content* (source, detail-type, resources, detail) as an event of *account* in *region*."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": content["detail-type"],
        "source": content["source"],
        "account": account,
        "time": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": content.get("resources", []),
        "detail": content["detail"],
    }


def _detail(text: str) -> Any:
    try:
        detail = json.loads(text)
    except ValueError:
        detail = None
    if not isinstance(detail, dict):
        raise InvalidEntryError("MalformedDetail", "Detail is malformed.")
    return detail


def _seconds(time: Any, now: float) -> float:
    return time.replace(tzinfo=UTC).timestamp() if isinstance(time, datetime) else float(time or now)
