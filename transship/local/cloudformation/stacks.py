"""Stacks and what is known of them; "Stack status codes" in the AWS CloudFormation User Guide."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from transship.local.protocol_error import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transship.local.clock import Clock
    from transship.local.cloudformation.template import Template


@dataclass(slots=True)
class Resource:
    """
    A resource of a stack.

    Attributes:
        logical_id: Name in the template.
        type_name: `AWS::Service::Resource`.
        physical_id: What Ref gives; empty until it is made.
        properties: As they were when it was made or updated, functions resolved.
        deletion_policy: Of its declaration.
        status: Such as `CREATE_COMPLETE`.
        reason: Why it has that status; mostly empty.
        changed: When it got it.
    """

    logical_id: str
    type_name: str
    physical_id: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    deletion_policy: str = "Delete"
    status: str = ""
    reason: str = ""
    changed: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(slots=True)
class Stack:
    """A stack, made from a template and parameters."""

    name: str
    account: str
    region: str
    template: Template
    parameters: Mapping[str, str]
    capabilities: Sequence[str]
    tags: Sequence[Mapping[str, str]]
    clock: Clock
    disable_rollback: bool = False
    status: str = ""
    reason: str = ""
    outputs: list[dict[str, str]] = field(default_factory=list)
    resources: dict[str, Resource] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated: datetime | None = None
    deleted: datetime | None = None
    id: str = ""

    def __post_init__(self) -> None:
        """Give the stack its id."""
        self.id = f"arn:aws:cloudformation:{self.region}:{self.account}:stack/{self.name}/{uuid.uuid4()}"

    def turn(self, status: str, reason: str = "") -> None:
        """Give the stack *status*, and note it as an event."""
        self.status, self.reason = status, reason
        self._note(self.name, self.id, "AWS::CloudFormation::Stack", status, reason)

    def turn_resource(self, resource: Resource, status: str, reason: str = "") -> None:
        """Give *resource* *status*, and note it as an event."""
        resource.status, resource.reason, resource.changed = status, reason, self.now()
        self._note(resource.logical_id, resource.physical_id, resource.type_name, status, reason)

    def now(self) -> datetime:
        """Return the stack's time."""
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def _note(self, logical_id: str, physical_id: str, type_name: str, status: str, reason: str) -> None:
        event = {
            "StackId": self.id,
            "EventId": str(uuid.uuid4()),
            "StackName": self.name,
            "LogicalResourceId": logical_id,
            "PhysicalResourceId": physical_id,
            "ResourceType": type_name,
            "Timestamp": self.now(),
            "ResourceStatus": status,
        }
        self.events.append({**event, "ResourceStatusReason": reason} if reason else event)


class Stacks:
    """The stacks of every account and Region, deleted ones included."""

    def __init__(self) -> None:
        self._stacks: list[Stack] = []

    def add(self, stack: Stack) -> None:
        """Keep *stack*."""
        self._stacks.append(stack)

    def of(self, account: str, region: str) -> list[Stack]:
        """Return the stacks of *account* in *region*, the newest first."""
        return [stack for stack in reversed(self._stacks) if (stack.account, stack.region) == (account, region)]

    def find(self, account: str, region: str, name: str) -> Stack | None:
        """Return the living stack called *name*, or the one with that id."""
        for stack in self.of(account, region):
            if stack.id == name or (stack.name == name and stack.deleted is None):
                return stack
        return None

    def get(self, account: str, region: str, name: str) -> Stack:
        """
        Return what `find` does.

        Raises:
            AwsError: There is no such stack.
        """
        stack = self.find(account, region, name)
        if stack is None:
            raise AwsError("ValidationError", f"Stack with id {name} does not exist")
        return stack
