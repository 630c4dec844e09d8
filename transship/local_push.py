"""One archive, the whole way on this machine, and what it took."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from chalicelib.names import FUNCTIONS, PUBLISH, PUSH, function_name
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.state.upload import upload_id
from transship.aws import table
from transship.document import upload_document
from transship.following import follow
from transship.keys import PREFIX
from transship.local.functions.usage import InvocationRecord
from transship.local_stage import STAGE, LocalStage
from transship.observation import Observation, observe
from transship.sending import send
from transship.view.transfer import transferring
from transship.view.upload import watching

_EVENTS_SECONDS: Final = 15.0
"""So long the subscriber waits for events that the record says were decided on."""

_SETTLING_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 0.02
_MOVERS: Final = frozenset({function_name(STAGE, PUSH), function_name(STAGE, PUBLISH)})


def push_archive(stage: LocalStage, archive: Path, key: str, patience: float) -> dict[str, Any]:
    """
    Upload *archive*, follow it to its end, and return its document.

    Args:
        stage: Where.
        archive: What.
        key: The object's key.
        patience: Seconds to wait for the end.

    Raises:
        CommandError: The bucket did not take it, or the end did not come.
    """
    meter = _Meter(stage)
    with transferring(archive) as on_bytes:
        sent = send(stage.client("s3"), archive, stage.deployment.bucket, key, on_bytes)
    seen = _follow(stage, sent, patience)
    events = _received(stage, seen)
    return upload_document(seen, events=events, measured=meter.read(seen))


def _follow(stage: LocalStage, sent: ObjectVersion, patience: float) -> Observation:
    records = table(stage.deployment)
    number = upload_id(sent, PREFIX)
    with watching() as show:
        return follow(lambda: observe(records, number), show, patience=patience)


def _received(stage: LocalStage, seen: Observation) -> list[dict[str, Any]]:
    """Return the events of the upload that arrived at the subscriber in the other account, each once."""
    awaited = {event.detail["id"] for event in seen.events}
    received: dict[str, dict[str, Any]] = {}
    deadline = time.monotonic() + _EVENTS_SECONDS
    while not awaited <= received.keys() and time.monotonic() < deadline:
        for event in stage.subscriber.receive(wait_seconds=1):
            if event["detail"]["upload"]["id"] == seen.upload.id:
                received.setdefault(event["detail"]["id"], event)
    return sorted(received.values(), key=lambda event: (event["detail"]["time"], event["detail"]["id"]))


class _Meter:
    """What the function processes take from now on."""

    def __init__(self, stage: LocalStage) -> None:
        self._functions = stage.aws.functions
        self._began = time.time()
        self._cpu_seconds = self._functions.usage().cpu_seconds

    def read(self, seen: Observation) -> dict[str, float | None]:
        """Return the CPU seconds of all functions together, the largest memory of one, and push's to publish's time."""
        invocations = self._until_settled(seen.upload.ended)
        peak = max((one.outcome.usage.peak_rss_mib for one in invocations), default=0.0)
        measured: dict[str, float | None] = {
            "cpu_seconds": round(self._functions.usage().cpu_seconds - self._cpu_seconds, 3),
            "peak_rss_mib": round(peak, 1),
        }
        moved = [one for one in invocations if one.function in _MOVERS]
        if moved:
            begun = min(one.ended - one.outcome.usage.seconds for one in moved)
            measured["seconds"] = round(max(one.ended for one in moved) - begun, 3)
        return measured

    def _until_settled(self, ended: float) -> tuple[InvocationRecord, ...]:
        """Return the invocations when no function runs any more: the one that ended the upload may still be ending."""
        deadline = time.monotonic() + _SETTLING_SECONDS
        while True:
            invocations = self._functions.invocations(since=self._began)
            running = any(self._functions.pool.count(function_name(STAGE, function))[0] for function in FUNCTIONS)
            settled = not running and any(one.ended >= ended for one in invocations)
            if settled or time.monotonic() > deadline:
                return invocations
            time.sleep(_LOOK_SECONDS)
