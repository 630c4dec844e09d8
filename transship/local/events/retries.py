"""
What becomes of an event that its target did not take: more tries, then its target's dead-letter queue, or nothing.

Rules ("How EventBridge retries delivering events" and "Using dead-letter queues to process undelivered events",
EventBridge User Guide):
- what needs somebody to act, a missing permission or target, is not tried again;
- the rest is, for 24 hours and up to 185 times, or as long and as often as the target's RetryPolicy says;
- a dead-letter queue gets the event only if its policy lets EventBridge in for that rule.

AWS says that the waits grow exponentially, not how: here they double from 1 s to 8 min, with which the 185 tries fill
the day. Left out: their jitter, which would make tests guess.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from moto.core.exceptions import ServiceException

from transship.local.events.delivery import Delivery, TargetFailed
from transship.local.events.targets import events_may
from transship.local.queues import send
from transship.local.resources import find_queue, queue_policies

if TYPE_CHECKING:
    from collections.abc import Callable

    from transship.local.clock import Clock

RETRIES = 185
"""Most tries after the first one."""

EVENT_AGE_SECONDS = 86_400
"""Longest life of an event that no target took."""

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 1.0, 480.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Try:
    delivery: Delivery
    accepted: float
    retries: int = 0

    @property
    def wait(self) -> float:
        return min(_FIRST_WAIT_SECONDS * 2.0**self.retries, _LONGEST_WAIT_SECONDS)

    def exhausted(self, now: float) -> str | None:
        """Return which limit forbids one more try; None if none does."""
        policy = self.delivery.target.get("RetryPolicy") or {}
        if self.retries >= policy.get("MaximumRetryAttempts", RETRIES):
            return "MaximumRetryAttempts"
        if now + self.wait - self.accepted > policy.get("MaximumEventAgeInSeconds", EVENT_AGE_SECONDS):
            return "MaximumEventAgeInSeconds"
        return None


class Retries:
    """Delivers events, again and again where that can help."""

    def __init__(
        self,
        clock: Clock,
        take: Callable[[Delivery], None],
        later: Callable[[float, Callable[[], object]], None],
    ) -> None:
        """
        Compose.

        Args:
            clock: Dates the tries.
            take: Delivers once; TargetFailed if the target did not take it.
            later: Calls a function after so many seconds of *clock*.
        """
        self._clock, self._take, self._later = clock, take, later

    def deliver(self, delivery: Delivery) -> None:
        """Deliver now; what fails is tried again later."""
        self._try(_Try(delivery, self._clock.now()))

    def _try(self, this: _Try) -> None:
        try:
            self._take(this.delivery)
        except TargetFailed as failure:
            self._judge(this, failure)

    def _judge(self, this: _Try, failure: TargetFailed) -> None:
        limit = this.exhausted(self._clock.now()) if failure.passes else None
        if failure.passes and limit is None:
            following = replace(this, retries=this.retries + 1)
            self._later(this.wait, lambda: self._try(following))
            return
        _bury(this, failure, limit)


def _bury(this: _Try, failure: TargetFailed, limit: str | None) -> None:
    """Send the event to the target's dead-letter queue; without one it is lost."""
    delivery = this.delivery
    arn = delivery.target.get("DeadLetterConfig", {}).get("Arn")
    queue = find_queue(arn) if arn else None
    if queue is None or not events_may("sqs:SendMessage", arn, queue_policies(arn), delivery.rule):
        _log.warning("an event for %s is lost: %s", delivery.arn, failure)
        return
    attributes = {
        "RULE_ARN": delivery.rule.arn,
        "TARGET_ARN": delivery.arn,
        "ERROR_CODE": failure.code,
        "ERROR_MESSAGE": str(failure),
        "RETRY_ATTEMPTS": str(this.retries),
        **({"EXHAUSTED_RETRY_CONDITION": limit} if limit else {}),
    }
    try:
        send(queue, json.dumps(delivery.event), attributes=attributes)
    except ServiceException as refused:
        _log.warning("a dead letter for %s is lost: %s", delivery.arn, refused)
