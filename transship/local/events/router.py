"""
Events on their way: entries to a bus, through its rules, to targets.

- the account and Region of an event are those it was put in, however far it travels;
- PutEvents to a bus that does not exist succeeds and drops the event, as AWS documents;
- what a target does not take is tried again or becomes a dead letter (`retries.py`).

Left out: archives, replays, API destinations, and targets other than queues, functions and buses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.events.exceptions import ValidationException

from transship.local.events import envelope as envelopes
from transship.local.events.delivery import Delivery, TargetFailed
from transship.local.events.envelope import ENTRIES_LIMIT, SIZE_LIMIT, Event, InvalidEntryError
from transship.local.events.patterns import matches
from transship.local.events.retries import Retries
from transship.local.events.targets import Targets
from transship.local.resources import find_bus

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from moto.events.models import Rule

    from transship.local.caller import Authorizer, Caller
    from transship.local.clock import Clock

_FAULTS_BEFORE: Mapping[str, str] = {
    "throttle": "THROTTLING",
    "5xx": "INTERNAL_ERROR",
    "cut-before": "CONNECTION_FAILURE",
}
"""Kinds of faults that keep an event from its target, and the code of that failure."""


class EventRouter:
    """Delivers events, synchronously and in order."""

    def __init__(
        self,
        clock: Clock,
        authorizer: Authorizer,
        *,
        assume: Callable[[str, str], Caller],
        invoke: Callable[[str, str], object],
        later: Callable[[float, Callable[[], object]], None],
        strike: Callable[[str], Container[str]] = lambda _: (),
    ) -> None:
        """
        Compose the router.

        Args:
            clock: Dates the events.
            authorizer: Judges whether a rule's role, or else its account, may put events on another bus.
            assume: Takes on a target's role: (role ARN, rule ARN); AwsError if it does not trust EventBridge.
            invoke: Invokes a function asynchronously: (function ARN, JSON text); InvokeError if Lambda refuses.
            later: Calls a function after so many seconds of *clock*.
            strike: Tells which kinds of faults strike a delivery to an ARN.
        """
        self._clock, self._strike = clock, strike
        self._targets = Targets(authorizer, assume=assume, invoke=invoke, forward=self._forwarded)
        self._retries = Retries(clock, self._take, later)

    def put_events(self, account: str, region: str, entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """
        Answer PutEvents of *account* in *region*: one result for each entry.

        Raises:
            ValidationException: Too many entries, or too large together.
        """
        if len(entries) > ENTRIES_LIMIT:
            raise ValidationException(
                "1 validation error detected: Value '[PutEventsRequestEntry]' at 'entries' failed to satisfy "
                f"constraint: Member must have length less than or equal to {ENTRIES_LIMIT}"
            )
        if sum(map(envelopes.entry_size, entries)) > SIZE_LIMIT:
            raise ValidationException("Total size of the entries in the request is over the limit.")
        return [self._put(account, region, entry) for entry in entries]

    def emit(self, account: str, region: str, content: Event) -> None:
        """Put an event of an AWS service on the default bus; *content* is a whole event or its four own fields."""
        event = envelopes.envelope(content, account, region, self._clock.now())
        self._deliver(_bus_arn(account, region, "default"), {**event, **content}, forwarded=False)

    def fire(self, rule: Rule, event: Event) -> None:
        """Send *event* to the targets of *rule*, which a schedule triggered and not a pattern."""
        for target in list(rule.targets):
            self._retries.deliver(Delivery(event, rule, target, forwarded=False))

    def _put(self, account: str, region: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        try:
            event = envelopes.event_of(entry, account, region, self._clock.now())
        except InvalidEntryError as invalid:
            return {"ErrorCode": invalid.code, "ErrorMessage": invalid.message}
        name = entry.get("EventBusName") or "default"
        self._deliver(name if name.startswith("arn:") else _bus_arn(account, region, name), event, forwarded=False)
        return {"EventId": event["id"]}

    def _deliver(self, bus_arn: str, event: Event, *, forwarded: bool) -> None:
        bus = find_bus(bus_arn)
        for rule in list(bus.rules.values()) if bus else ():
            if matches(rule, event):
                for target in list(rule.targets):
                    self._retries.deliver(Delivery(event, rule, target, forwarded))

    def _forwarded(self, bus_arn: str, event: Event) -> None:
        self._deliver(bus_arn, event, forwarded=True)

    def _take(self, delivery: Delivery) -> None:
        struck = self._strike(delivery.arn)
        for kind, code in _FAULTS_BEFORE.items():
            if kind in struck:
                raise TargetFailed(code, "A fault rule asks for this error")
        self._targets.take(delivery)
        if "cut-after" in struck:
            raise TargetFailed("TIMEOUT", "A fault rule lost the target's answer")


def _bus_arn(account: str, region: str, name: str) -> str:
    return f"arn:aws:events:{region}:{account}:event-bus/{name}"
