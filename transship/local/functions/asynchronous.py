"""
Asynchronous invocation: Lambda's own queue in front of a function.

Rules (developer guide, "How Lambda handles errors and retries with asynchronous invocation"):
- a failed event is tried twice more, after one minute and after two, unless MaximumRetryAttempts says less;
- a throttled event is tried for as long as MaximumEventAgeInSeconds allows (6 hours), after 1 s to 5 min;
- an event given up goes to the on-failure destination and to the function's dead-letter queue;
- a loop found by the recursion guard is given up at once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from transship.local.functions.configuration import find_function
from transship.local.functions.destinations import Ending, Result
from transship.local.functions.errors import InvokeError, RecursiveInvocationError, TooManyRequestsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from transship.local.clock import Clock
    from transship.local.functions.invocation import Invocation, Outcome
    from transship.local.timer import Timer

RETRY_SECONDS = (60.0, 120.0)
MAX_EVENT_AGE_SECONDS = 21_600.0
_THROTTLE_SECONDS = (1.0, 300.0)

_log = logging.getLogger(__name__)


class Deliver(Protocol):
    """Sends what became of an event to where the function's configuration says."""

    def __call__(self, ending: Ending) -> None:
        """Deliver *ending*."""


@dataclass(frozen=True, slots=True)
class _Event:
    invocation: Invocation
    accepted: float
    failures: int = 0
    throttles: int = 0


class AsynchronousQueue:
    """Events on their way to functions."""

    def __init__(
        self,
        run: Callable[[Invocation], Outcome],
        deliver: Deliver,
        *,
        clock: Clock,
        timer: Timer,
        workers: Executor,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self._run = run
        self._deliver = deliver
        self._clock = clock
        self._timer = timer
        self._workers = workers
        self._retry_seconds = retry_seconds

    def put(self, invocation: Invocation) -> None:
        """Accept *invocation*; it runs as soon as there is concurrency for it."""
        self._submit(_Event(invocation, self._clock.now()))

    def _submit(self, event: _Event) -> None:
        self._workers.submit(self._attempt, event)

    def _attempt(self, event: _Event) -> None:
        try:
            outcome = self._run(event.invocation)
        except TooManyRequestsError:
            self._wait_for_concurrency(event)
        except RecursiveInvocationError as error:
            self._end(event, Ending.refused(event.invocation, event.failures, error))
        except InvokeError:
            _log.exception("an asynchronous event of %s was dropped", event.invocation.function_arn)
        else:
            self._judge(replace(event, failures=event.failures + bool(outcome.function_error)), outcome)

    def _judge(self, event: _Event, outcome: Outcome) -> None:
        if outcome.function_error is None:
            self._end(event, Ending(Result.SUCCESS, event.invocation, event.failures + 1, outcome))
            return
        config = find_function(event.invocation.function_arn).invoke_config
        retries = min(config.get("MaximumRetryAttempts", 2), len(self._retry_seconds))
        if event.failures > retries:
            self._end(event, Ending(Result.RETRIES_EXHAUSTED, event.invocation, event.failures, outcome))
            return
        delay = self._retry_seconds[event.failures - 1]
        if self._age(event) + delay > self._max_age(event):
            self._end(event, Ending(Result.EVENT_AGE_EXCEEDED, event.invocation, event.failures, outcome))
            return
        self._timer.call_later(delay, lambda: self._submit(event))

    def _wait_for_concurrency(self, event: _Event) -> None:
        shortest, longest = _THROTTLE_SECONDS
        delay = min(shortest * 2**event.throttles, longest)
        if self._age(event) + delay > self._max_age(event):
            self._end(event, Ending(Result.EVENT_AGE_EXCEEDED, event.invocation, event.failures, None))
            return
        later = replace(event, throttles=event.throttles + 1)
        self._timer.call_later(delay, lambda: self._submit(later))

    def _end(self, event: _Event, ending: Ending) -> None:
        try:
            self._deliver(ending)
        except (ClientError, BotoCoreError, InvokeError):
            _log.exception("the end of an event of %s could not be delivered", event.invocation.function_arn)

    def _age(self, event: _Event) -> float:
        return self._clock.now() - event.accepted

    def _max_age(self, event: _Event) -> float:
        config = find_function(event.invocation.function_arn).invoke_config
        return float(config.get("MaximumEventAgeInSeconds", MAX_EVENT_AGE_SECONDS))
