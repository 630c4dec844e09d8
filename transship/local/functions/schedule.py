"""
Scheduled rules of EventBridge: `rate(…)` and `cron(…)` fire by the local AWS's clock.

Rules (EventBridge user guide, "Creating an Amazon EventBridge rule that runs on a schedule"):
- a rate counts from when the rule was made or enabled; cron is in UTC, to the minute;
- only the default bus has scheduled rules;
- a rule that was late (a clock that jumped) fires once, not once per missed time.

How an event reaches the targets is not decided here: see `events/router.py`.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_croniter import AwsCroniter
from aws_croniter.exceptions import AwsCroniterExpressionError
from moto.events.models import events_backends

from transship.local.lookout import Lookout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transship.local.clock import Clock

_RATE = re.compile(r"rate\((?P<value>[1-9]\d*) (?P<unit>minute|hour|day)(?P<plural>s?)\)")
_CRON = re.compile(r"cron\((?P<fields>[^()]+)\)")
_UNIT_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}

Fire = Callable[[Any, dict[str, Any]], None]
"""Sends an event to the targets of a rule of moto's."""


def send_to_targets(rule: Any, event: dict[str, Any]) -> None:
    """Let moto send *event* to the targets of *rule*."""
    rule.send_to_targets(event)


class InvalidScheduleError(ValueError):
    """A schedule expression that EventBridge refuses."""


def next_time(expression: str, after: float) -> float | None:
    """
    Return when a rule with *expression* fires next.

    Args:
        expression: `rate(5 minutes)` or `cron(0 12 * * ? *)`.
        after: Seconds since the epoch: the last firing, or when the rule was made.

    Returns:
        Seconds since the epoch; None if it never fires again.

    Raises:
        InvalidScheduleError: *expression* is no schedule.
    """
    if rate := _RATE.fullmatch(expression):
        if (rate["value"] == "1") == bool(rate["plural"]):
            raise InvalidScheduleError(f"Parameter ScheduleExpression is not valid: {expression}")
        return after + int(rate["value"]) * _UNIT_SECONDS[rate["unit"]]
    if cron := _CRON.fullmatch(expression):
        return _next_cron(cron["fields"], after)
    raise InvalidScheduleError(f"Parameter ScheduleExpression is not valid: {expression}")


def _next_cron(fields: str, after: float) -> float | None:
    try:
        schedule = AwsCroniter(fields)
    except AwsCroniterExpressionError as error:
        raise InvalidScheduleError(f"Parameter ScheduleExpression is not valid: {error}") from error
    following = schedule.occurrence(datetime.fromtimestamp(after, UTC)).next()
    return None if following is None else float(following.timestamp())


class Scheduler:
    """Fires scheduled rules of every account and Region."""

    def __init__(self, clock: Clock, fire: Fire) -> None:
        self._clock = clock
        self._fire = fire
        self._looking = threading.Lock()
        self._since: dict[tuple[str, str], float] = {}
        self._lookout = Lookout(clock, "function-schedules", self.run_due)

    def start(self) -> None:
        """Begin to fire."""
        self._lookout.start()

    def stop(self) -> None:
        """Fire nothing more."""
        self._lookout.stop()

    def wake(self) -> None:
        """Look at all rules: one has changed."""
        self._lookout.wake()

    def fire(self, rule_arn: str) -> None:
        """
        Fire a rule now, whatever its schedule and state.

        Raises:
            LookupError: There is no such rule.
        """
        for rule in _scheduled_rules():
            if rule.arn == rule_arn:
                self._send(rule, self._clock.now())
                return
        raise LookupError(f"no scheduled rule {rule_arn}")

    def run_due(self) -> float | None:
        """Fire what is due now and return the seconds until the next; None: nothing ever is."""
        with self._looking:
            return self._run_due(self._clock.now())

    def _run_due(self, now: float) -> float | None:
        rules = {(rule.arn, rule.scheduled_expression): rule for rule in _scheduled_rules() if rule.state == "ENABLED"}
        self._since = {key: self._since.get(key, now) for key in rules}
        waits = [self._fire_if_due(key, rule, now) for key, rule in rules.items()]
        return min((wait for wait in waits if wait is not None), default=None)

    def _fire_if_due(self, key: tuple[str, str], rule: Any, now: float) -> float | None:
        due = next_time(key[1], self._since[key])
        if due is not None and due <= now:
            self._since[key] = now
            self._send(rule, due)
            due = next_time(key[1], now)
        return None if due is None else due - now

    def _send(self, rule: Any, due: float) -> None:
        self._fire(rule, scheduled_event(rule.arn, due))


def scheduled_event(rule_arn: str, due: float) -> dict[str, Any]:
    """Return the event that a scheduled rule sends."""
    region, account = rule_arn.split(":")[3:5]
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account,
        "time": datetime.fromtimestamp(due, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [rule_arn],
        "detail": {},
    }


def _scheduled_rules() -> Iterator[Any]:
    backends: list[Any] = [backend for _, _, backend in events_backends.iter_backends()]
    for backend in backends:
        bus = backend.event_buses.get("default")
        yield from [rule for rule in list(bus.rules.values()) if rule.scheduled_expression] if bus else ()
