"""
One event source mapping at work: batches of a queue's messages, each received, handled and deleted in a worker.

What a function did not handle stays for the queue's visibility timeout, which the handler itself may have changed.

Rules (developer guide, "Using Lambda with Amazon SQS"):
- at most MaximumConcurrency batches of a mapping are in flight; without it five, Lambda's start, and no more, because
  scaling up (300 a minute) is left out;
- a batch is invoked when it is full, or when its window has passed since the first of its messages was seen;
- a throttled batch is tried again until its messages are about to become visible;
- a function that recursed too often fails its batch: RecursiveInvocationException reaches the mapping, and the queue's
  redrive policy decides.

Left out: filter criteria (refused when the mapping is made), provisioned pollers, metrics.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from transship.local.functions.configuration import SqsMapping, find_function
from transship.local.functions.errors import InvokeError, TooManyRequestsError
from transship.local.functions.queues import Backlog, backlog
from transship.local.functions.sqs_records import handled, sqs_event, trace_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from transship.local.clock import Clock
    from transship.local.functions.clients import RoleClients
    from transship.local.functions.concurrency import Concurrency
    from transship.local.functions.invocation import Outcome
    from transship.local.functions.service import InvokeResult

DEFAULT_CONCURRENCY = 5
RECEIVE_MAX = 10
"""Messages per ReceiveMessage and DeleteMessageBatch."""

PAUSE_SECONDS = 1.0
"""How long a mapping rests after a call to SQS failed; of the machine's clock, like the next."""

EMPTY_SECONDS = 0.05
"""How long it rests after a receive that, against the look at the queue, found nothing."""

Messages = list[dict[str, Any]]

_log = logging.getLogger(__name__)


class Invoker(Protocol):
    """What mappings need of the function service."""

    clock: Clock
    concurrency: Concurrency

    @property
    def workers(self) -> Executor:
        """Where batches are handled."""

    def invoke(self, function_arn: str, payload: bytes, *, trace: str | None = None) -> InvokeResult:
        """Run the function and return how it ended."""


class SqsSource:
    """One mapping at work."""

    def __init__(self, mapping: SqsMapping, invoker: Invoker, clients: RoleClients, wake: Callable[[], None]) -> None:
        self.mapping = mapping
        self.in_flight = 0
        self._receiving = 0
        self._invoker = invoker
        self._clients = clients
        self._wake = wake
        self._lock = threading.Lock()
        self._first_seen: float | None = None
        self._rest_until = 0.0

    def look(self) -> float | None:
        """Start the batches that are due and return the seconds until there may be more."""
        resting = self._rest_until - time.monotonic()
        if resting > 0:
            return resting
        with self._lock:  # before the look at the queue: what is received in between is then counted twice, not lost
            in_flight, receiving = self.in_flight, self._receiving
        found = backlog(self.mapping.queue_arn)
        if found is None:
            return None
        free = (self.mapping.maximum_concurrency or DEFAULT_CONCURRENCY) - in_flight
        wanted, wait = self._full_batches(found)
        count = min(free, wanted - receiving)
        for _ in range(count):
            self._start_batch()
        return wait

    def _full_batches(self, found: Backlog) -> tuple[int, float | None]:
        """Return how many batches the messages make, and the seconds until there may be more."""
        full, rest = divmod(found.visible, self.mapping.batch_size)
        wait = found.next_visible
        if not rest or not self.mapping.window:
            return full + bool(rest), wait
        if full:
            self._first_seen = None
            return full, wait
        left = self._window_left()
        if left > 0:
            return 0, left if wait is None else min(left, wait)
        self._first_seen = None
        return 1, wait

    def _now(self) -> float:
        return self._invoker.clock.now()

    def _window_left(self) -> float:
        now = self._now()
        if self._first_seen is None:
            self._first_seen = now
        return self._first_seen + self.mapping.window - now

    def _start_batch(self) -> None:
        with self._lock:
            self.in_flight += 1
            self._receiving += 1
        self._invoker.workers.submit(self._work, self.mapping)

    def _work(self, mapping: SqsMapping) -> None:
        try:
            messages, hidden_until = self._receive_batch(mapping)
            if messages:
                self._handle(mapping, messages, hidden_until)
        except InvokeError as error:
            _log.warning("%s -> %s: %s", mapping.queue_arn, mapping.function_arn, error)
        except (ClientError, BotoCoreError) as error:
            _log.warning("%s -> %s: %s", mapping.queue_arn, mapping.function_arn, error)
            self._rest_until = time.monotonic() + PAUSE_SECONDS
        finally:
            with self._lock:
                self.in_flight -= 1
            self._wake()

    def _receive_batch(self, mapping: SqsMapping) -> tuple[Messages, float]:
        try:
            queue = _Queue(mapping, self._clients)
            found = backlog(mapping.queue_arn)
            hidden_until = self._now() + (found.visibility_timeout if found else 0.0)
            messages = queue.receive(mapping.batch_size)
            if not messages:
                self._rest_until = time.monotonic() + EMPTY_SECONDS
            return messages, hidden_until
        finally:
            with self._lock:
                self._receiving -= 1
            self._wake()

    def _handle(self, mapping: SqsMapping, messages: Messages, hidden_until: float) -> None:
        outcome = self._invoke(mapping, messages, hidden_until)
        done = handled(messages, outcome, partial=mapping.partial) if outcome else []
        if done:
            _Queue(mapping, self._clients).delete(done)

    def _invoke(self, mapping: SqsMapping, messages: Messages, hidden_until: float) -> Outcome | None:
        """Return how the batch ended; None if there was no concurrency for it in time."""
        payload = json.dumps(sqs_event(messages, mapping.queue_arn)).encode()
        trace = trace_of(messages, mapping.function_arn)
        while self._now() < hidden_until:
            try:
                return self._invoker.invoke(mapping.function_arn, payload, trace=trace).outcome
            except TooManyRequestsError:
                changed = self._invoker.concurrency.changed
                with changed:
                    changed.wait(min(PAUSE_SECONDS, hidden_until - self._now()))
        return None


class _Queue:
    """The source's queue, used with the function's permissions."""

    def __init__(self, mapping: SqsMapping, clients: RoleClients) -> None:
        region, account, name = mapping.queue_arn.split(":")[3:6]
        self._client = clients.client("sqs", find_function(mapping.function_arn), region)
        # The path of a queue's URL is all that SQS looks at.
        self._url = f"{self._client.meta.endpoint_url}/{account}/{name}"

    def receive(self, count: int) -> Messages:
        """Return up to *count* messages that are visible now, hidden for the queue's timeout as it is now."""
        messages: Messages = []
        while len(messages) < count:
            got = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(RECEIVE_MAX, count - len(messages)),
                WaitTimeSeconds=0,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            if not got:
                break
            messages += got
        return messages

    def delete(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Delete *messages*; one that cannot be deleted will come again."""
        for start in range(0, len(messages), RECEIVE_MAX):
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                for index, message in enumerate(messages[start : start + RECEIVE_MAX])
            ]
            answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
            for failure in answer.get("Failed", []):
                _log.warning("%s: a handled message was not deleted: %s", self._url, failure.get("Message"))
