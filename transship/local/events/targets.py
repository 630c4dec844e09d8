"""
What EventBridge hands events to: queues, functions and other buses.

Left out: every other kind of target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moto.core.exceptions import ServiceException

from transship.local.caller import AccessDenied, AccessRequest, Caller
from transship.local.events.delivery import TargetFailed
from transship.local.events.target_input import target_input
from transship.local.functions.errors import InvokeError
from transship.local.protocol_error import AwsError
from transship.local.queues import send
from transship.local.resources import bus_policies, find_bus, find_queue, function_policies, queue_policies
from transship.local.service_principals import service_may

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from moto.events.models import Rule

    from transship.local.caller import Authorizer
    from transship.local.events.delivery import Delivery
    from transship.local.events.envelope import Event

_REFUSALS: Mapping[str, str] = {
    "InvalidRequestContentException": "INVALID_JSON",
    "RequestTooLargeException": "INVALID_PARAMETER",
    "ResourceNotFoundException": "NO_RESOURCE",
}
"""What Lambda says to an asynchronous Invoke, and what EventBridge makes of it."""


class Targets:
    """Hands events over, once."""

    def __init__(
        self,
        authorizer: Authorizer,
        *,
        assume: Callable[[str, str], Caller],
        invoke: Callable[[str, str], object],
        forward: Callable[[str, Event], None],
    ) -> None:
        """
        Compose what the kinds of targets need.

        Args:
            authorizer: Judges whether a rule's role, or else its account, may put events on another bus.
            assume: Takes on a target's role: (role ARN, rule ARN); AwsError if it does not trust EventBridge.
            invoke: Invokes a function asynchronously: (function ARN, JSON text); InvokeError if Lambda refuses.
            forward: Puts an event on another bus: (bus ARN, event).
        """
        self._authorizer = authorizer
        self._assume, self._invoke, self._forward = assume, invoke, forward

    def take(self, delivery: Delivery) -> None:
        """
        Give the target of *delivery* its event.

        Raises:
            TargetFailed: It did not take it.
        """
        service = delivery.arn.split(":")[2]
        if service == "events":
            self._put_on_bus(delivery)
        elif service == "sqs":
            _send_to_queue(delivery)
        elif service == "lambda":
            self._invoke_function(delivery)
        else:
            raise TargetFailed("UNKNOWN", f"the local EventBridge has no targets of {service}")

    def _invoke_function(self, delivery: Delivery) -> None:
        _check_permission("lambda:InvokeFunction", delivery.arn, function_policies(delivery.arn), delivery.rule)
        try:
            self._invoke(delivery.arn, _input(delivery))
        except InvokeError as refused:
            raise TargetFailed(_REFUSALS.get(refused.code, "ERROR_FROM_TARGET"), str(refused)) from refused

    def _put_on_bus(self, delivery: Delivery) -> None:
        _check_hops(delivery)
        bus = find_bus(delivery.arn)
        if bus is None:
            raise TargetFailed("NO_RESOURCE", f"Event bus {delivery.arn} does not exist.")
        request = AccessRequest(
            "events:PutEvents",
            delivery.arn,
            bus.account_id,
            {"events:source": delivery.event["source"], "events:detail-type": delivery.event["detail-type"]},
            bus_policies(delivery.arn),
        )
        sender = self._sender(delivery.rule, delivery.target.get("RoleArn"))
        try:
            self._authorizer.authorize(sender, request)
        except (AccessDenied, AwsError) as denied:
            raise TargetFailed("NO_PERMISSIONS", str(denied)) from denied
        self._forward(delivery.arn, delivery.event)

    def _sender(self, rule: Rule, role: str | None) -> Caller:
        """Return in whose name a rule puts events on another bus: the target's role, or the rule's account."""
        account, region = rule.account_id, rule.region_name
        if role is None:
            root = f"arn:aws:iam::{account}:root"
            return Caller(account=account, region=region, arn=root, user_id=account, access_key="")
        try:
            return self._assume(role, rule.arn)
        except (AccessDenied, AwsError) as refused:
            raise TargetFailed("FAILED_TO_ASSUME_ROLE", str(refused)) from refused


def _input(delivery: Delivery) -> str:
    return target_input(delivery.target, delivery.event, delivery.rule.arn)


def _check_hops(delivery: Delivery) -> None:
    """Let an event that came from another bus go no further ("Sending and receiving events between event buses")."""
    if not delivery.forwarded:
        return
    elsewhere = delivery.arn.split(":")[3] != delivery.rule.region_name
    raise TargetFailed(
        "THIRD_REGION_HOP_DETECTED" if elsewhere else "THIRD_ACCOUNT_HOP_DETECTED",
        "Events received from another event bus cannot be forwarded to this event bus.",
    )


def _send_to_queue(delivery: Delivery) -> None:
    arn = delivery.arn
    queue = find_queue(arn)
    if queue is None:
        raise TargetFailed("NO_RESOURCE", f"Queue {arn} does not exist.")
    _check_permission("sqs:SendMessage", arn, queue_policies(arn), delivery.rule)
    group = delivery.target.get("SqsParameters", {}).get("MessageGroupId")
    try:
        send(queue, _input(delivery), group_id=group)
    except ServiceException as refused:
        raise TargetFailed("INVALID_PARAMETER", str(refused)) from refused


def _check_permission(action: str, arn: str, policies: Sequence[Mapping[str, object]], rule: Rule) -> None:
    if not events_may(action, arn, policies, rule):
        raise TargetFailed("NO_PERMISSIONS", f"No policy of {arn} allows {action} for rule {rule.arn}.")


def events_may(action: str, arn: str, policies: Sequence[Mapping[str, object]], rule: Rule) -> bool:
    """Return whether *policies* of what *arn* names let EventBridge do *action* there for *rule*."""
    return service_may(
        "events.amazonaws.com", action, arn, policies, source_arn=rule.arn, source_account=rule.account_id
    )
