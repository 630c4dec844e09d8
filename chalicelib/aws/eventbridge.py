"""The bus that downstream teams subscribe to."""

from __future__ import annotations

import json
from collections.abc import Sequence

from chalicelib.aws.failures import aws_call
from chalicelib.aws.session import Session
from chalicelib.names import EVENT_SOURCE
from chalicelib.ports.bus import Event


class EventBridgeBus:
    """
    One bus; implements `EventBus`.

    Args:
        session: Makes the client.
        arn: Of the bus: PutEvents answers 200 for an unknown name and drops the event (ecr.md 5.3).
    """

    def __init__(self, session: Session, arn: str) -> None:
        self._session = session
        self._arn = arn

    def put(self, events: Sequence[Event]) -> Sequence[int]:
        """Put 1 to 10 events and return the indexes of those that the bus did not take."""
        with aws_call("events:PutEvents", self._arn):
            answer = self._session.client("events").put_events(Entries=[self._entry(event) for event in events])
        if not answer["FailedEntryCount"]:
            return ()
        return [index for index, entry in enumerate(answer["Entries"]) if entry.get("ErrorCode")]

    def _entry(self, event: Event) -> dict[str, object]:
        return {
            "EventBusName": self._arn,
            "Source": EVENT_SOURCE,
            "DetailType": event.detail_type,
            "Detail": json.dumps(event.detail, separators=(",", ":"), ensure_ascii=False),
            "Resources": list(event.resources),
        }
