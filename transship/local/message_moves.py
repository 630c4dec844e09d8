"""
Dead letters on their way back: StartMessageMoveTask and its siblings, which moto lacks.

- the source must be some queue's dead-letter queue;
- without a destination each message goes to the queue that it died in, with one to that queue;
- a moved message is a new one: its receive count and its age begin again ("Learn how to configure a dead-letter queue
  redrive", Amazon SQS Developer Guide);
- one that nobody received to death, such as EventBridge's, has no queue to go back to and fails the task.

Left out: time. A task ends before its call does, whatever MaxNumberOfMessagesPerSecond says, so that none can be
cancelled; messages that a receiver holds at that moment stay.
"""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.sqs.models import sqs_backends

from transship.local.protocol import Answer, AwsRequest
from transship.local.protocol_error import AwsError
from transship.local.resources import find_queue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moto.sqs.models import Message, Queue

    from transship.local.caller import Caller
    from transship.local.clock import Clock

KEPT_TASKS = 10
"""Tasks of one queue that ListMessageMoveTasks knows (its API Reference)."""

_MOST_PER_SECOND = 500
_NO_SOURCE = "CouldNotDetermineMessageSource"


@dataclass(frozen=True, slots=True)
class _Task:
    source: str
    destination: str | None
    rate: int | None
    started: float
    found: int
    moved: int
    handle: str

    def described(self) -> dict[str, Any]:
        """Return it as ListMessageMoveTasks does; only a running task shows its handle."""
        entry: dict[str, Any] = {
            "Status": "COMPLETED" if self.moved == self.found else "FAILED",
            "SourceArn": self.source,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.found,
            "StartedTimestamp": int(self.started * 1000),
        }
        if self.destination:
            entry["DestinationArn"] = self.destination
        if self.rate:
            entry["MaxNumberOfMessagesPerSecond"] = self.rate
        if self.moved < self.found:
            entry["FailureReason"] = _NO_SOURCE
        return entry


class MessageMoves:
    """Answers the three operations; one of the front door's services."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: defaultdict[str, list[_Task]] = defaultdict(list)
        self._lock = threading.Lock()
        self._operations = {
            "StartMessageMoveTask": self._start,
            "ListMessageMoveTasks": self._list,
            "CancelMessageMoveTask": self._cancel,
        }

    def __call__(self, request: AwsRequest, caller: Caller) -> Answer | None:
        """
        Answer *request*, or leave it to moto.

        Raises:
            AwsError: As SQS would refuse it.
        """
        del caller
        operation = self._operations.get(request.operation)
        return request.answer(operation(request.params)) if operation else None

    def _start(self, params: Mapping[str, Any]) -> dict[str, Any]:
        source = _queue(params["SourceArn"], "SourceArn")
        if not _dying_in(source):
            raise AwsError("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
        destination = params.get("DestinationArn")
        if destination and _queue(destination, "DestinationArn").fifo_queue != source.fifo_queue:
            raise AwsError("InvalidParameterValue", "Source and destination must both be FIFO queues or neither.")
        rate = params.get("MaxNumberOfMessagesPerSecond")
        if rate is not None and not 1 <= rate <= _MOST_PER_SECOND:
            message = f"MaxNumberOfMessagesPerSecond must be between 1 and {_MOST_PER_SECOND}."
            raise AwsError("InvalidParameterValue", message)
        with self._lock:
            found, moved = _move(source, destination, self._clock)
            handle = json.dumps({"taskId": str(uuid.uuid4()), "sourceArn": source.queue_arn})
            task = _Task(
                source.queue_arn,
                destination,
                rate,
                self._clock.now(),
                found,
                moved,
                base64.b64encode(handle.encode()).decode(),
            )
            self._tasks[task.source] = [task, *self._tasks[task.source]][:KEPT_TASKS]
        return {"TaskHandle": task.handle}

    def _list(self, params: Mapping[str, Any]) -> dict[str, Any]:
        source = _queue(params["SourceArn"], "SourceArn")
        most = params.get("MaxResults", 1)
        if not 1 <= most <= KEPT_TASKS:
            raise AwsError("InvalidParameterValue", f"MaxResults must be between 1 and {KEPT_TASKS}.")
        return {"Results": [task.described() for task in self._tasks[source.queue_arn][:most]]}

    def _cancel(self, params: Mapping[str, Any]) -> dict[str, Any]:
        known = any(task.handle == params["TaskHandle"] for tasks in self._tasks.values() for task in tasks)
        if known:
            raise AwsError("UnsupportedOperation", "Only active tasks can be cancelled.")
        raise AwsError("ResourceNotFoundException", "Task does not exist.", 404)


def remember_home(queue: Queue, message: Message) -> None:
    """Note the first queue that *message* comes to: a dead letter goes back there."""
    vars(message).setdefault("home", queue.queue_arn)


def source_of_task(handle: str) -> str:
    """Return the ARN of the queue that a task's *handle* names; `*` if it is no handle."""
    try:
        return str(json.loads(base64.b64decode(handle))["sourceArn"])
    except (ValueError, KeyError, TypeError):
        return "*"


def destinations(source_arn: str, destination_arn: str | None) -> list[str]:
    """Return the ARNs of the queues that a task may send to."""
    if destination_arn:
        return [destination_arn]
    source = find_queue(source_arn) if source_arn.count(":") == 5 else None
    return [queue.queue_arn for queue in _dying_in(source)] if source else []


def _queue(arn: str, member: str) -> Queue:
    queue = find_queue(arn) if arn.count(":") == 5 else None
    if queue is None:
        message = f"The resource that you specified for the {member} parameter doesn't exist."
        raise AwsError("ResourceNotFoundException", message, 404)
    return queue


def _dying_in(queue: Queue) -> list[Queue]:
    """Return the queues whose dead letters come to *queue*."""
    others = sqs_backends[queue.account_id][queue.region].queues.values()
    return [other for other in others if other.dead_letter_queue is queue]


def _move(source: Queue, destination: str | None, clock: Clock) -> tuple[int, int]:
    """Move what is visible; return how many messages there were and how many went."""
    waiting = list(source.messages)
    moved = 0
    for message in waiting:
        home = vars(message).get("home")
        target = find_queue(destination or (home if home != source.queue_arn else "") or "arn:::::")
        if target is None:
            continue
        with source._messages_lock:  # noqa: SLF001 - moto has no way to take a message without receiving it
            if message not in source._messages:  # noqa: SLF001 - received and deleted meanwhile
                continue
            source._messages.remove(message)  # noqa: SLF001
        _renew(message, clock)
        target.add_message(message)
        moved += 1
    return len(waiting), moved


def _renew(message: Message, clock: Clock) -> None:
    message.id = str(uuid.uuid4())
    message.sent_timestamp = int(clock.now() * 1000)  # type: ignore[assignment]
    message.approximate_receive_count = 0
    message.approximate_first_receive_timestamp = None
    message.visible_at = 0.0
    vars(message).pop("home")
