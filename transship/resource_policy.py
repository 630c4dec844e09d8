"""What a policy on a queue, a bus or a role lets a service or an account do: asked, not read by its shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.access.evaluate import (
    Policy,
    PolicyGrammarError,
    PolicyKind,
    Principal,
    Request,
    evaluate_resource_policy,
    parse_policy,
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: may *principal* do *action* on *resource*, with the condition keys of *context*?"""

    principal: Principal
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


class ResourcePolicy:
    """The policy of one resource, JSON text or "" for none; one that is no policy allows nothing."""

    def __init__(self, text: str) -> None:
        self._policy = _parsed(text)

    def allows(self, ask: Ask) -> bool:
        """Return whether the policy alone allows it."""
        if self._policy is None:
            return False
        return evaluate_resource_policy(
            self._policy, Request(ask.principal, ask.action, ask.resource, None, ask.context)
        ).allowed


def account(number: str, partition: str) -> Principal:
    """Return the principal that stands for everybody in an account (12 digits) whom it lets."""
    return Principal.from_arn(f"arn:{partition}:iam::{number}:root")


def _parsed(text: str) -> Policy | None:
    try:
        return parse_policy(text, name="policy", kind=PolicyKind.RESOURCE) if text else None
    except PolicyGrammarError:
        return None
