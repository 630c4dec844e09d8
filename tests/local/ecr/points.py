"""
The conformance points: for each operation and each error shape that botocore's model lists for it, how to provoke it.

A point is registered by `raises`; it prepares what it needs and makes the call that must fail.
Where the local ECR cannot raise an error, `cannot` says why. Errors that many operations share are provoked in one way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.local.ecr.world import World
from transship.local.ecr.model import operation_model, service_model
from transship.local.ecr.operations import OPERATIONS

Act = Callable[[World], Any]


@dataclass(frozen=True)
class Point:
    """One error of one operation, the switches it needs, and the way to it."""

    operation: str
    error: str
    act: Act
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.operation}-{self.error}"


POINTS: dict[tuple[str, str], Point] = {}
REASONS: dict[tuple[str, str], str] = {}


def raises(operation: str, error: str, **options: Any) -> Callable[[Act], Act]:
    """Register the decorated function as the way to *error*, under the given switches."""

    def register(act: Act) -> Act:
        assert error in errors_of(operation), (operation, error)
        POINTS[operation, error] = Point(operation, error, act, options)
        REASONS.pop((operation, error), None)
        return act

    return register


def cannot(error: str, reason: str, *operations: str) -> None:
    """Say why *operations* (all that list it, if none is named) do not raise *error* here."""
    for operation in operations or [name for name in OPERATIONS if error in errors_of(name)]:
        if (operation, error) not in POINTS:
            REASONS[operation, error] = reason


def errors_of(operation: str) -> list[str]:
    """Return the error shapes that the model lists for *operation*."""
    return [shape.name for shape in operation_model(operation).error_shapes]


def absent_operations() -> list[str]:
    """Return the operations of the model that the local ECR lacks."""
    return [name for name in service_model().operation_names if name not in OPERATIONS]
