"""
The bus of events: what its policy lets others do, and the rules that carry events to and from it.

Whom the stack was told about is read from the parameters of the deployed stack, and each of them is asked of the
policies that are there, whatever these look like. A stranger is asked too: whoever could put events there could
announce images that do not exist (ecr.md 5.2).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import boto3

from chalicelib.access.documents import SUBSCRIBER_ACTIONS, subscribe_policy
from chalicelib.names import CONFIRM, Deployment, queue_name
from transship.deploy.checks import HINTS
from transship.deploy.foundation import stack_name
from transship.finding import Finding
from transship.resource_policy import Ask, ResourcePolicy, account

_STRANGER: Final = "000000000000"  # no account has this id, so no policy can mean it by name
_FOUNDATION: Final = "Deploy again: the foundation stack was changed by hand or is incomplete."
_ECR: Final = {"events:source": "aws.ecr", "events:detail-type": "ECR Replication Action"}


@dataclass(frozen=True, slots=True)
class _Told:
    """What the deployed stack was told: parameters of `.chalice/foundation.json`."""

    subscribers: tuple[str, ...]
    organization: str
    forward: str
    destinations: tuple[str, ...]


def examine_bus(deployment: Deployment, session: boto3.Session) -> Iterator[Finding]:
    """Look at the bus, at who may keep rules on it, and at the rules of the stack."""
    events: Any = session.client("events")
    name = deployment.bus_arn.rpartition("/")[2]
    try:
        text = events.describe_event_bus(Name=deployment.bus_arn).get("Policy", "")
    except events.exceptions.ResourceNotFoundException:
        yield Finding(f"bus {name} exists", holds=False, remedy=_FOUNDATION)
        return
    yield Finding(f"bus {name} exists", holds=True)
    told = _told(deployment, session.client("cloudformation"))
    guard = _Guard(deployment, ResourcePolicy(text))
    yield guard.closed(told.subscribers)
    for subscriber in told.subscribers:
        yield from guard.lets(subscriber)
    if told.organization:
        yield guard.lets_organization(told.organization)
    yield from _hints(deployment, events, told)
    if told.forward:
        yield _forwards(deployment, events, told.forward)


def _told(deployment: Deployment, client: Any) -> _Told:
    stack = client.describe_stacks(StackName=stack_name(deployment.stage))["Stacks"][0]
    given = {one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters", ())}
    return _Told(
        _listed(given.get("SubscriberAccounts", "")),
        given.get("OrganizationId", ""),
        given.get("ForwardBusArn", ""),
        _listed(given.get("DestinationAccounts", "")),
    )


def _listed(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class _Guard:
    """The policy of our bus, and what it lets accounts do there."""

    deployment: Deployment
    policy: ResourcePolicy

    @property
    def _rules(self) -> str:
        return f"{self.deployment.bus_arn.replace(':event-bus/', ':rule/')}/any"

    def puts(self, number: str) -> bool:
        """Return whether an account may put events."""
        who = account(number, self.deployment.partition)
        return self.policy.allows(Ask(who, "events:PutEvents", self.deployment.bus_arn, {}))

    def manages(self, number: str, creator: str, organization: str = "") -> list[str]:
        """Return what an account, of an organization, may do with a rule that *creator* has made."""
        keys = {"aws:PrincipalAccount": number, "events:creatorAccount": creator, "aws:SecureTransport": "true"}
        keys |= {"aws:PrincipalOrgID": organization} if organization else {}
        who = account(number, self.deployment.partition)
        return [action for action in SUBSCRIBER_ACTIONS if self.policy.allows(Ask(who, action, self._rules, keys))]

    def closed(self, subscribers: Sequence[str]) -> Finding:
        """Nobody else may put events there, and nobody manage rules but those whom the stack names."""
        putting = ["events:PutEvents"] if any(map(self.puts, (*subscribers, _STRANGER))) else []
        open_to = [*putting, *self.manages(_STRANGER, _STRANGER)]
        return Finding(
            "bus takes no events of others, and no rules of strangers",
            not open_to,
            f"Its policy lets others {', '.join(open_to)}: find the statement with "
            f"`aws events describe-event-bus --name {self.deployment.bus_arn}`, and remove it with remove-permission.",
        )

    def lets(self, subscriber: str) -> Iterator[Finding]:
        """A subscriber keeps its own rules, and touches nobody else's."""
        (statement,) = subscribe_policy(self.deployment.bus_arn, [subscriber])["Statement"]
        mend = f"Deploy again, or put on the bus instead: {json.dumps(statement)}"
        own = self.manages(subscriber, subscriber)
        missing = [action for action in SUBSCRIBER_ACTIONS if action not in own]
        lacking = f"It may not {', '.join(missing)}. {mend}"
        yield Finding(f"bus lets account {subscriber} keep rules of its own", not missing, lacking)
        foreign = self.manages(subscriber, self.deployment.account)
        too_much = f"It may {', '.join(foreign)} rules that others made. {mend}"
        yield Finding(f"bus lets account {subscriber} touch no rule of others", not foreign, too_much)

    def lets_organization(self, organization: str) -> Finding:
        """Any account of it keeps rules of its own."""
        whole = len(self.manages(_STRANGER, _STRANGER, organization)) == len(SUBSCRIBER_ACTIONS)
        return Finding(f"bus lets accounts of {organization} keep rules of their own", whole, _FOUNDATION)


def _hints(deployment: Deployment, events: Any, told: _Told) -> Iterator[Finding]:
    """Without hints of ECR confirm only looks less often, so images are announced late."""
    name = HINTS.format(stage=deployment.stage)
    queue = f":{queue_name(deployment.stage, CONFIRM)}"
    yield Finding(
        f"bus default tells {CONFIRM} of replicas by the rule {name}",
        any(target.endswith(queue) for target in _targets(events, name)),
        _FOUNDATION,
    )
    if not told.destinations:
        return
    default = events.describe_event_bus(Name="default")
    policy = ResourcePolicy(default.get("Policy", ""))
    for number in told.destinations:
        ask = Ask(account(number, deployment.partition), "events:PutEvents", default["Arn"], _ECR)
        yield Finding(f"bus default takes replication events of {number}", policy.allows(ask), _FOUNDATION)


def _forwards(deployment: Deployment, events: Any, forward: str) -> Finding:
    bus = deployment.bus_arn.rpartition("/")[2]
    targets = _targets(events, f"transship-{deployment.stage}-forward", bus)
    return Finding(f"bus {bus} forwards to {forward}", forward in targets, _FOUNDATION)


def _targets(events: Any, rule: str, bus: str = "default") -> Sequence[str]:
    """Return what a rule that is switched on sends to; nothing where there is no such rule."""
    try:
        if events.describe_rule(Name=rule, EventBusName=bus)["State"] != "ENABLED":
            return ()
        targets = events.list_targets_by_rule(Rule=rule, EventBusName=bus)["Targets"]
    except events.exceptions.ResourceNotFoundException:
        return ()
    return [target["Arn"] for target in targets]
