"""Everything outside the pipeline that a step works with, handed to it in one piece by `wiring` or by a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chalicelib.names import Deployment
from chalicelib.ports import Bucket, Clock, EventBus, Identity, Queue, Registries, Table
from chalicelib.settings import Settings


class Log(Protocol):
    """Structured lines; values are quoted and cut by the formatter, so that one call is one line."""

    def info(self, message: str, **facts: Any) -> None:
        """Say what was done."""

    def warning(self, message: str, **facts: Any) -> None:
        """Say what an operator may want to look at."""


class Metrics(Protocol):
    """Numbers for dashboards and alarms."""

    def add(self, name: str, unit: str, value: float, **dimensions: str) -> None:
        """Count *value* of *unit* (a CloudWatch unit) under *name*."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """
    The ports, the settings and where we run.

    Attributes:
        remaining: Seconds until the function's hard deadline.
        usage: Returns the counters of calls and bytes since it was last asked; see `transfer`.
    """

    deployment: Deployment
    settings: Settings
    bucket: Bucket
    registries: Registries
    identity: Identity
    table: Table
    queue: Queue
    bus: EventBus
    clock: Clock
    log: Log
    metrics: Metrics
    remaining: Callable[[], float]
    usage: Callable[[], Mapping[str, float]]
