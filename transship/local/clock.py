"""The clock of the local AWS: real under `transship local up`, moved by hand in tests."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since the epoch, and a way to wait for them."""

    def now(self) -> float:
        """Return seconds since the epoch."""

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """
        Wait on *condition* (held by the caller) until notified or until *timeout* seconds of this clock passed.

        May return early; callers look again at what they waited for.
        """


class RealClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """Wait on *condition* for at most *timeout* real seconds."""
        condition.wait(timeout)


class ManualClock:
    """A clock that only `advance` moves."""

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        self._now = start
        self._lock = threading.Lock()
        self._waiting: set[threading.Condition] = set()

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move time forward by *seconds* and wake all who wait."""
        with self._lock:
            self._now += seconds
            waiting = tuple(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """Wait on *condition* until notified or until `advance` is called; *timeout* is looked at by the caller."""
        with self._lock:
            self._waiting.add(condition)
        # A bounded real wait keeps a waiter from sleeping through an `advance` that came just before it.
        condition.wait(0.05 if timeout is not None else None)
