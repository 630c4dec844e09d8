"""
From a message of SQS to a step, and from the step's outcome back to SQS.

The first act is to shorten the message's invisibility to the length of a lease, which the step then keeps renewing: a
function that is killed costs seconds, not the queue's visibility timeout. What is temporary comes back after a wait
that grows with each receipt; what is not ours is counted and dropped; whatever else a step raises is a bug, and goes
the queue's way to its dead letters, where the sweep closes the upload.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from chalicelib.errors import ConflictError, LeaseHeld, TemporaryError
from chalicelib.events import (
    ForeignMessageError,
    demand_own_queue,
    demand_own_schedule,
    parse_hint,
    parse_message,
    parse_notifications,
)
from chalicelib.names import CONFIRM, PUBLISH, PUSH, SWEEP, UPLOADS
from chalicelib.outside import Outside
from chalicelib.state.upload import tenant
from chalicelib.wiring import Process

_LONGEST_WAIT: Final = 900.0
_PATIENT_RECEIVES: Final = 4
"""Receipts after which a message that always met a held lease is put anew, before it becomes a dead letter."""

_process: Process | None = None


def process(context: Any) -> Process:
    """Return what this process keeps, made on the first invocation."""
    global _process  # noqa: PLW0603 - one per process is what a warm Lambda function is
    if _process is None:
        _process = Process.start(context)
    _process.log.begin(context)
    return _process


def handle(queue: str, event: Mapping[str, Any], context: Any) -> None:
    """
    Take the messages of an invocation (one: the batch size is 1).

    Raises:
        TemporaryError: The message must come again.
    """
    kept = process(context)
    for record in event.get("Records") or [{}]:  # what has none is foreign, and counted like any other

        def extend(seconds: float, record: Mapping[str, Any] = record) -> None:
            kept.queues.keep_invisible(queue, record["receiptHandle"], seconds)

        take(queue, record, kept.outside(context, extend))


def take(queue: str, record: Mapping[str, Any], outside: Outside) -> None:
    """
    Take one message of *queue*.

    Raises:
        TemporaryError: It must come again; when it does is settled.
    """
    try:
        demand_own_queue(record, queue, outside.deployment)
        outside.extend(outside.settings.lease)
        _STEPS[queue](outside, record)
    except ForeignMessageError as error:
        _drop(outside, queue, error, str(record.get("body", "")))
    except LeaseHeld as error:
        if _receives(record) >= _PATIENT_RECEIVES:
            _put_anew(outside, queue, record, error)
            return
        _come_back(outside, outside.settings.lease / 2, error)
    except TemporaryError as error:
        _come_back(outside, backoff(_receives(record)) if error.after is None else error.after, error)
    except ConflictError as error:
        _come_back(outside, backoff(_receives(record)), TemporaryError(str(error)))


def _drop(outside: Outside, queue: str, error: ForeignMessageError, body: str) -> None:
    outside.log.warning("dropped a message that is not ours", queue=queue, reason=str(error), body=body)
    outside.metrics.add("ForeignMessages", "Count", 1, queue=queue)


def _put_anew(outside: Outside, queue: str, record: Mapping[str, Any], error: LeaseHeld) -> None:
    """
    Let a message begin again at the end of its queue, its receipts counted from none.

    The holder of the lease may be the one that this very message brought to work, while its own claim to the message
    has run out: were the message dropped and the holder to fail after that, only the sweep would find the upload.
    For the same reason it asks for the look that is next by now: none of it is taken for an old one, and of those that
    queues deliver twice all but one end once the looks go on.
    """
    message = dict(parse_message(record["body"]))
    whose = _whose(outside, queue, message)
    if not whose:
        outside.log.info("dropped a hint whose look another one takes", reason=str(error))
        return
    if queue == CONFIRM:
        from chalicelib.confirm import next_look  # noqa: PLC0415

        message["look"] = next_look(outside, str(message["upload"]))
    outside.log.info("put a message anew whose work another one does", queue=queue, reason=str(error))
    outside.queue.send(queue, message, delay=round(outside.settings.lease), group=whose)


def _whose(outside: Outside, queue: str, message: Mapping[str, Any]) -> str:
    """Return the tenant that a message is about, "" for a hint of ECR's, which changes nothing if it is lost."""
    if queue != UPLOADS:
        return "" if message.get("source") == "aws.ecr" else str(message.get("tenant") or message["upload"])
    told = parse_notifications(json.dumps(message), outside.deployment)
    return tenant(told[0].object.key, outside.settings.prefix)


def _come_back(outside: Outside, seconds: float, error: TemporaryError) -> None:
    outside.log.info("the message will come again", seconds=round(seconds, 1), reason=str(error))
    outside.extend(seconds)
    raise error


def backoff(receives: int) -> float:
    """Return how long a message waits after its *receives*th receipt: about 2, 4, 8 … seconds, with full jitter."""
    longest = min(_LONGEST_WAIT, 2.0**receives)
    return longest / 2 + random.random() * longest / 2  # noqa: S311 - spreads load, guards nothing


def _receive(outside: Outside, record: Mapping[str, Any]) -> None:
    # Each function loads its own step only: imports are most of a cold start.
    from chalicelib.receive import receive  # noqa: PLC0415

    receive(outside, record["body"])


def _push(outside: Outside, record: Mapping[str, Any]) -> None:
    from chalicelib.push import push  # noqa: PLC0415

    message = parse_message(record["body"])
    push(outside, _upload(outside, message), _number(message, "bundle") or 0)


def _number(message: Mapping[str, Any], name: str) -> int | None:
    if name not in message:
        return None
    number = message[name]
    if not isinstance(number, int) or isinstance(number, bool):
        raise ForeignMessageError("not a message of ours")
    return number


def _publish(outside: Outside, record: Mapping[str, Any]) -> None:
    from chalicelib.publish import publish  # noqa: PLC0415

    message = parse_message(record["body"])
    publish(outside, _upload(outside, message), _number(message, "first") or 0)


def _confirm(outside: Outside, record: Mapping[str, Any]) -> None:
    from chalicelib.confirm import confirm, hint  # noqa: PLC0415

    message = parse_message(record["body"])
    if message.get("source") == "aws.ecr":
        hint(outside, parse_hint(message, outside.deployment))
    else:
        upload, number = _upload(outside, message), _number(message, "look")
        confirm(outside, upload, number=number, again=_receives(record) > 1)


def _receives(record: Mapping[str, Any]) -> int:
    return int(record["attributes"]["ApproximateReceiveCount"])


def _upload(outside: Outside, message: Mapping[str, Any]) -> str:
    upload = message.get("upload")
    if message.get("v") != 1 or not isinstance(upload, str):
        raise ForeignMessageError("not a message of ours")
    outside.log.keys(upload_id=upload, tenant=str(message.get("tenant", "")))
    return upload


_STEPS: Final[Mapping[str, Callable[[Outside, Mapping[str, Any]], None]]] = {
    UPLOADS: _receive,
    PUSH: _push,
    PUBLISH: _publish,
    CONFIRM: _confirm,
}


def run_sweep(event: Mapping[str, Any], context: Any) -> None:
    """Run the sweep, which nobody but our schedule asks for."""
    from chalicelib.sweep import sweep  # noqa: PLC0415

    outside = process(context).outside(context, lambda _: None)
    try:
        demand_own_schedule(event, outside.deployment)
    except ForeignMessageError as error:
        _drop(outside, SWEEP, error, json.dumps(event))
        return
    sweep(outside)
