"""
Events on their way: entries to a bus, through its rules, to targets.

- the account and Region of an event are those it was put in, however far it travels;
- an event that came from another bus is not forwarded again ("Sending and receiving events between AWS accounts");
- PutEvents to a bus that does not exist succeeds and drops the event, as AWS documents;
- what fails goes to the target's dead-letter queue at once: a missing permission or target, the only failures that
  there are here, is not retried by AWS either ("How EventBridge retries delivering events").

Left out: archives, replays, API destinations, and targets other than queues, functions and buses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.events.exceptions import ValidationException

from transship.local.caller import AccessDenied, AccessRequest, Caller
from transship.local.events import envelope as envelopes
from transship.local.events.envelope import ENTRIES_LIMIT, SIZE_LIMIT, Event, InvalidEntryError
from transship.local.events.patterns import matches
from transship.local.events.target_input import target_input
from transship.local.protocol import AwsError
from transship.local.queues import send
from transship.local.resources import bus_policies, find_bus, find_queue, function_policies, queue_policies
from transship.local.service_principals import service_may

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from moto.events.models import Rule

    from transship.local.caller import Authorizer
    from transship.local.clock import Clock


class TargetFailed(Exception):  # noqa: N818 - an outcome, reported in a dead letter
    """A target did not take an event; *code* as in a dead letter's ERROR_CODE."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Delivery:
    event: Event
    rule: Rule
    target: Mapping[str, Any]
    forwarded: bool


class EventRouter:
    """Delivers events, synchronously and in order."""

    def __init__(
        self,
        clock: Clock,
        authorizer: Authorizer,
        *,
        assume: Callable[[str, str], Caller],
        invoke: Callable[[str, str], None],
    ) -> None:
        """
        Compose the router.

        Args:
            clock: Dates the events.
            authorizer: Judges whether a rule's role, or else its account, may put events on another bus.
            assume: Takes on a target's role: (role ARN, rule ARN); AwsError if it does not trust EventBridge.
            invoke: Invokes a function asynchronously: (function ARN, JSON text); LookupError if there is none.
        """
        self._clock, self._authorizer = clock, authorizer
        self._assume, self._invoke = assume, invoke

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
            self._send(_Delivery(event, rule, target, forwarded=False))

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
                    self._send(_Delivery(event, rule, target, forwarded))

    def _send(self, delivery: _Delivery) -> None:
        try:
            self._hand_over(delivery)
        except TargetFailed as failure:
            _bury(delivery, failure)

    def _hand_over(self, delivery: _Delivery) -> None:
        arn = delivery.target["Arn"]
        service = arn.split(":")[2]
        if service == "events":
            self._forward(delivery, arn)
            return
        text = target_input(delivery.target, delivery.event, delivery.rule.arn)
        if service == "sqs":
            group = delivery.target.get("SqsParameters", {}).get("MessageGroupId")
            _send_to_queue(arn, text, group, delivery.rule)
        elif service == "lambda":
            self._invoke_function(arn, text, delivery.rule)
        else:
            raise TargetFailed("UNSUPPORTED_TARGET", f"the local EventBridge has no targets of {service}")

    def _invoke_function(self, arn: str, text: str, rule: Rule) -> None:
        _check_permission("lambda:InvokeFunction", arn, function_policies(arn), rule)
        try:
            self._invoke(arn, text)
        except LookupError as unknown:
            raise TargetFailed("RESOURCE_NOT_FOUND", f"Function {arn} does not exist.") from unknown

    def _forward(self, delivery: _Delivery, arn: str) -> None:
        if delivery.forwarded:
            return  # one hop only
        bus = find_bus(arn)
        if bus is None:
            raise TargetFailed("RESOURCE_NOT_FOUND", f"Event bus {arn} does not exist.")
        request = AccessRequest(
            "events:PutEvents",
            arn,
            bus.account_id,
            {"events:source": delivery.event["source"], "events:detail-type": delivery.event["detail-type"]},
            bus_policies(arn),
        )
        try:
            self._authorizer.authorize(self._sender(delivery.rule, delivery.target), request)
        except (AccessDenied, AwsError) as denied:
            raise TargetFailed("NO_PERMISSIONS", str(denied)) from denied
        self._deliver(arn, delivery.event, forwarded=True)

    def _sender(self, rule: Rule, target: Mapping[str, Any]) -> Caller:
        """Return in whose name a rule puts events on another bus: the target's role, or the rule's account."""
        account, region = rule.account_id, rule.region_name
        if role := target.get("RoleArn"):
            return self._assume(role, rule.arn)
        root = f"arn:aws:iam::{account}:root"
        return Caller(account=account, region=region, arn=root, user_id=account, access_key="")


def _send_to_queue(arn: str, text: str, group: str | None, rule: Rule) -> None:
    queue = find_queue(arn)
    if queue is None:
        raise TargetFailed("RESOURCE_NOT_FOUND", f"Queue {arn} does not exist.")
    _check_permission("sqs:SendMessage", arn, queue_policies(arn), rule)
    send(queue, text, group_id=group)


def _check_permission(action: str, arn: str, policies: Sequence[Mapping[str, Any]], rule: Rule) -> None:
    """Let EventBridge at a target only if the target's policy says so ("Using resource-based policies")."""
    if not service_may(
        "events.amazonaws.com", action, arn, policies, source_arn=rule.arn, source_account=rule.account_id
    ):
        raise TargetFailed("NO_PERMISSIONS", f"No policy of {arn} allows {action} for rule {rule.arn}.")


def _bury(delivery: _Delivery, failure: TargetFailed) -> None:
    """Send the event to the target's dead-letter queue; without one it is lost."""
    queue = find_queue(delivery.target.get("DeadLetterConfig", {}).get("Arn", "arn:::::"))
    if queue is None:
        return
    attributes = {
        "RULE_ARN": delivery.rule.arn,
        "TARGET_ARN": delivery.target["Arn"],
        "ERROR_CODE": failure.code,
        "ERROR_MESSAGE": str(failure),
    }
    send(queue, json.dumps(delivery.event), attributes=attributes)


def _bus_arn(account: str, region: str, name: str) -> str:
    return f"arn:aws:events:{region}:{account}:event-bus/{name}"
