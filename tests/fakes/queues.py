"""Queues in memory, with delay, invisibility, receive counts and dead letters as SQS has them; implements `Queue`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.names import QUEUES, Deployment
from chalicelib.oci.reference import is_component
from chalicelib.ports.clock import Clock
from chalicelib.ports.queue import DeadLetter
from chalicelib.state.upload import NOBODY

VISIBILITY = {"uploads": 720.0, "push": 1_800.0, "publish": 720.0, "confirm": 360.0}
MOST_RECEIVES = {"uploads": 5, "push": 10, "publish": 5, "confirm": 5}


@dataclass(slots=True)
class Message:
    """A message that waits or is in flight."""

    receipt: str
    body: str
    visible: float
    origin: dict[str, str]
    receives: int = 0

    def record(self) -> dict[str, Any]:
        """Return it as Lambda hands it to a function."""
        return {
            "messageId": self.receipt,
            "receiptHandle": self.receipt,
            "body": self.body,
            "attributes": {"ApproximateReceiveCount": str(self.receives)},
            **self.origin,
        }


def origin(deployment: Deployment, queue: str) -> dict[str, str]:
    """Return how Lambda says where a record comes from."""
    return {
        "eventSource": "aws:sqs",
        "eventSourceARN": deployment.queue_arn(queue),
        "awsRegion": deployment.region,
    }


@dataclass(slots=True)
class FakeQueues:
    """
    The queues of a stage.

    Attributes:
        sent: How many messages were sent to each queue.
        dead: Dead letters by queue.
        overhear: Is told of every message that a step sends, and of its delay in seconds.
    """

    clock: Clock
    deployment: Deployment
    messages: dict[str, list[Message]] = field(default_factory=lambda: {queue: [] for queue in QUEUES})
    dead: dict[str, list[Message]] = field(default_factory=lambda: {queue: [] for queue in QUEUES})
    sent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(QUEUES, 0))
    overhear: Callable[[Mapping[str, Any], float], None] | None = None
    _serial: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def send(self, queue: str, body: Mapping[str, Any], *, delay: int = 0, group: str = "") -> None:
        assert 0 <= delay <= 900
        assert group == NOBODY or is_component(group), "every message names its tenant"
        self.sent[queue] += 1
        if self.overhear:
            self.overhear(body, delay)
        self.deliver(queue, json.dumps(body), delay)

    def deliver(self, queue: str, body: str, delay: float = 0) -> None:
        """Put a message into a queue, as S3 and EventBridge do."""
        message = Message(f"m{next(self._serial)}", body, self.clock.now() + delay, origin(self.deployment, queue))
        self.messages[queue].append(message)

    def receive(self, queues: Collection[str] = QUEUES) -> tuple[str, Message] | None:
        """Take the message that has been visible the longest, or None; what failed too often becomes a dead letter."""
        now = self.clock.now()
        ready = [(m.visible, queue, m) for queue in queues for m in self.messages[queue] if m.visible <= now]
        for _, queue, message in self.order(ready):
            if message.receives >= MOST_RECEIVES[queue]:
                self.died(queue, message)
                continue
            message.receives += 1
            message.visible = now + VISIBILITY[queue]
            return queue, message
        return None

    def order(self, ready: list[tuple[float, str, Message]]) -> list[tuple[float, str, Message]]:
        """Return what is visible, with since when and in which queue, in the order in which it is received."""
        return sorted(ready, key=lambda entry: entry[:2])

    def died(self, queue: str, message: Message) -> None:
        """Make a dead letter of a message that failed too often."""
        self.messages[queue].remove(message)
        self.dead[queue].append(message)

    def delete(self, queue: str, message: Message) -> None:
        """Delete a message that was dealt with, as Lambda's poller does."""
        self.messages[queue].remove(message)

    def next_visible(self) -> float | None:
        """Return when the next message becomes visible."""
        return min((m.visible for messages in self.messages.values() for m in messages), default=None)

    def dead_letters(self, queue: str) -> Sequence[DeadLetter]:
        return [DeadLetter(queue, message.body, message.receipt) for message in self.dead[queue][:10]]

    def bury(self, letter: DeadLetter) -> None:
        self.dead[letter.queue] = [m for m in self.dead[letter.queue] if m.receipt != letter.receipt]
