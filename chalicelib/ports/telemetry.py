"""Log lines and numbers."""

from __future__ import annotations

from typing import Any, Protocol


class Log(Protocol):
    """Structured lines; values are quoted and cut by the formatter, so that one call is one line."""

    def keys(self, **keys: str) -> None:
        """Add *keys* to every line of this invocation."""

    def info(self, message: str, **facts: Any) -> None:
        """Say what was done."""

    def warning(self, message: str, **facts: Any) -> None:
        """Say what an operator may want to look at."""


class Metrics(Protocol):
    """Numbers for dashboards and alarms."""

    def add(self, name: str, unit: str, value: float, **dimensions: str) -> None:
        """Count *value* of *unit* (a CloudWatch unit) under *name*."""
