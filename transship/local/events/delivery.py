"""One event on its way to one target, and what can go wrong there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moto.events.models import Rule

    from transship.local.events.envelope import Event

_RETRIED = frozenset({"CONNECTION_FAILURE", "INTERNAL_ERROR", "RESOURCE_LIMIT_EXCEEDED", "THROTTLING", "TIMEOUT"})
"""Codes of failures that may pass by themselves; the others need somebody to do something."""


class TargetFailed(Exception):  # noqa: N818 - an outcome, reported in a dead letter
    """
    A target did not take an event.

    *code* is one of those that a dead letter's ERROR_CODE may be ("Using dead-letter queues to process undelivered
    events", EventBridge User Guide).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def passes(self) -> bool:
        """Whether it is worth another try."""
        return self.code in _RETRIED


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    An event for a target of a rule.

    Attributes:
        forwarded: Whether it came from another bus.
    """

    event: Event
    rule: Rule
    target: Mapping[str, Any]
    forwarded: bool

    @property
    def arn(self) -> str:
        """The target's ARN."""
        return str(self.target["Arn"])
