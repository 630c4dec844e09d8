"""
Event patterns: which rules an event is for.

Matching is moto's; what moto lets pass and AWS does not is refused here when a rule is put: an operator that does
not exist would match every event.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moto.events.exceptions import InvalidEventPatternException

if TYPE_CHECKING:
    from moto.events.models import Rule

    from transship.local.events.envelope import Event

_OPERATORS = frozenset(
    {"anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard"}
)
"""EventBridge User Guide, "Comparison operators for use in event patterns"."""


def matches(rule: Rule, event: Event) -> bool:
    """Return whether *rule* is enabled, has a pattern and matches *event*."""
    if not rule.state.startswith("ENABLED") or not rule.event_pattern.get_pattern():
        return False
    return rule.event_pattern.matches_event(event)  # type: ignore[arg-type] # moto's own type of an event


def check_pattern(text: str | None) -> None:
    """
    Look at every operator in the pattern.

    Raises:
        InvalidEventPatternException: One does not exist.
    """
    if text:
        _check(json.loads(text), ())


def _check(node: Any, path: tuple[str, ...]) -> None:
    for name, value in node.items():
        if isinstance(value, dict):
            _check(value, (*path, name))
        for item in value if isinstance(value, list) else ():
            if name == "$or":
                _check(item, path)
            elif isinstance(item, dict):
                _check_operator(item)


def _check_operator(item: dict[str, Any]) -> None:
    for operator in item:
        if operator not in _OPERATORS:
            raise InvalidEventPatternException(reason=f"Unrecognized match type {operator}")
