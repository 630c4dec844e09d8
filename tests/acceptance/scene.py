"""
A producer, an operator and a subscriber in the other account, around one stage.

Nothing here waits for time to pass: `age` lets hours of an upload pass at once, `LocalAws.ecr.hurry` lets a replication
that is held back arrive, `sweep` runs the sweep. So what a test sees was caused by the test, on whatever machine.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3

from chalicelib.names import SWEEP, function_name
from chalicelib.oci.reference import Registry
from chalicelib.replacing import replace
from chalicelib.state.ledger import Ledger
from chalicelib.state.records import Arrival
from chalicelib.state.upload import State, Upload
from tests import archives
from tests.acceptance.producer import Producer
from transship.local_stage import STAGE
from transship.observation import Observation
from transship.workstation import outside_of

HOUR = 3_600.0
SOUND = archives.docker_save(archives.image("hello"))
_SCHEDULED = {
    "version": "0",
    "id": "89d1a02d-5ec7-412e-82f5-13505f849b41",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "111122223333",
    "time": "2026-09-21T14:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:111122223333:rule/sweep"],
    "detail": {},
}


@dataclass(frozen=True)
class Scene(Producer):
    """
    Everybody around the local *stage*.

    Attributes:
        events: What the subscriber received, by detail.id.
        copies: How often, by detail.id.
    """

    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    copies: Counter[str] = field(default_factory=Counter)

    # --- time ---

    def age(self, upload: str, seconds: float) -> None:
        """Let *seconds* pass for an upload whose destinations are being looked at."""
        outside = outside_of(boto3.Session(), self.stage.deployment)

        def older(found: Upload) -> Upload:
            assert found.state is State.CONFIRMING, "it has ended before its time"
            return replace(found, published=found.published - seconds, received=found.received - seconds)

        Ledger(outside).update(upload, older)

    def sweep(self) -> None:
        """Run the sweep, and return when it has ended."""
        name = function_name(STAGE, SWEEP)
        answer = self.stage.client("lambda").invoke(FunctionName=name, Payload=json.dumps(_SCHEDULED))
        assert "FunctionError" not in answer, answer["Payload"].read()

    # --- what is looked at ---

    def confirming(self, upload: str, *, waiting: Registry) -> Observation:
        """Wait until one destination of an upload is waited for and every other one is verified; return the upload."""

        def stand() -> Observation | None:
            seen = self.look(upload)
            assert seen is None or not seen.upload.state.terminal, seen
            if seen is None or not seen.replicas:
                return None
            expected = [Arrival.WAITING if one.registry == waiting else Arrival.VERIFIED for one in seen.replicas]
            return seen if [one.status for one in seen.replicas] == expected else None

        found = self.until(stand)
        assert isinstance(found, Observation)
        return found

    def listen(self) -> list[dict[str, Any]]:
        """Let the subscriber take what has arrived, or arrives within a second; return what is new to it."""
        new = []
        for event in self.stage.subscriber.receive(wait_seconds=1):
            identity = event["detail"]["id"]
            if identity in self.events:
                assert self.events[identity]["detail"] == event["detail"], "the same id has the same bytes"
            else:
                new.append(event)
            self.events[identity] = event
            self.copies[identity] += 1
        return new

    def hear(self, upload: str, detail_type: str) -> dict[str, Any]:
        """Wait until the subscriber has received an event of an upload, and return its detail."""

        def heard() -> dict[str, Any] | None:
            self.listen()
            return next(iter(self.heard_of(upload)[detail_type]), None)

        found = self.until(heard)
        assert isinstance(found, dict)
        return found

    def heard(self, seen: Observation) -> Mapping[str, list[dict[str, Any]]]:
        """Wait for every event of an upload's last attempt, and return their details by type."""
        attempt = seen.upload.attempt
        awaited = {event.detail["id"] for event in seen.events if event.detail["upload"]["attempt"] == attempt}

        def all_arrived() -> bool:
            self.listen()
            return awaited <= self.events.keys()

        self.until(all_arrived)
        return self.heard_of(seen.upload.id, attempt)

    def heard_of(self, upload: str, attempt: int = 1) -> Mapping[str, list[dict[str, Any]]]:
        """Return what the subscriber has received of one attempt so far, by type."""
        by_type: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for event in self.events.values():
            told = event["detail"]["upload"]
            if (told["id"], told["attempt"]) == (upload, attempt):
                by_type[event["detail-type"]].append(event["detail"])
        return by_type

    # --- what ends badly ---

    def fails(self, upload: str, registry: Registry) -> tuple[Observation, dict[str, Any]]:
        """Wait until an upload has failed for its destinations, and return what was said of one of them."""
        seen = self.await_end(upload)
        assert (seen.upload.state, seen.upload.code) == (State.FAILED, "NOT_REPLICATED")
        (failed,) = self.heard(seen)["Upload Failed"]
        return seen, {**destination(failed, registry), "causes": _causes(failed, registry)}


def destination(detail: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """Return what an event says of one destination."""
    described = detail["images"][0] if "images" in detail else detail
    return dict(_of(described["destinations"], registry))


def _causes(failed: Mapping[str, Any], registry: Registry) -> list[str]:
    return [cause["cause"] for cause in _of(failed["facts"]["destinations"], registry)["causes"]]


def _of(places: list[dict[str, Any]], registry: Registry) -> dict[str, Any]:
    (found,) = (one for one in places if (one["account"], one["region"]) == (registry.account, registry.region))
    return found
