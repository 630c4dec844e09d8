"""
Event patterns: which rules an event is for.

Matching is moto's; what moto lets pass and AWS does not is refused here when a rule is put: an operator that does
not exist would match every event.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from moto.events.exceptions import InvalidEventPatternException
from moto.events.models import EventPattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moto.events.models import Rule

    from transship.local.events.envelope import Event

_OPERATORS = frozenset(
    {"anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard"}
)
"""EventBridge User Guide, "Comparison operators for use in event patterns"."""


def matches(rule: Rule, event: Event) -> bool:
    """Return whether *rule* is enabled, has a pattern and matches *event*."""
    pattern = rule.event_pattern.get_pattern()
    if not rule.state.startswith("ENABLED") or not pattern:
        return False
    return any(rule.event_pattern.matches_event(one) for one in _by_element(event, pattern))


def check_pattern(text: str | None) -> None:
    """
    Look at every operator in the pattern.

    Raises:
        InvalidEventPatternException: It is malformed, or an operator does not exist.
    """
    _check(EventPattern.load(text).get_pattern(), ())


def _by_element(event: Any, pattern: Any) -> Iterator[Any]:
    """
    Yield *event* with each array of objects that *pattern* looks into replaced by one of its objects.

    An event matches if one object of the array does ("Event patterns", on matching in arrays of objects); moto does
    not look into arrays.
    """
    chosen: list[list[tuple[str, Any]]] = []
    for name, inner in pattern.items():
        value = event.get(name)
        if isinstance(inner, dict) and isinstance(value, (dict, list)):
            objects = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]
            chosen.append([(name, variant) for one in objects for variant in _by_element(one, inner)])
    for variants in itertools.product(*chosen):
        yield {**event, **dict(variants)}


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
