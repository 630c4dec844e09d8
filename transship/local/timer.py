"""Runs things later, by a clock that tests may move."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from typing import TYPE_CHECKING

from transship.local.lookout import Lookout

if TYPE_CHECKING:
    from collections.abc import Callable

    from transship.local.clock import Clock


_log = logging.getLogger(__name__)


class Timer:
    """One thread that calls functions when they are due; they must be quick. One that fails ends no other."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._lookout = Lookout(clock, "timer", self._look)

    def start(self) -> None:
        """Begin to call."""
        self._lookout.start()

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        """Call *function* in *seconds* of the clock."""
        with self._lock:
            heapq.heappush(self._heap, (self._clock.now() + seconds, next(self._order), function))
        self._lookout.wake()

    def stop(self) -> None:
        """Forget what is not due yet and end the thread."""
        self._lookout.stop()

    def _look(self) -> float | None:
        """Call what is due and return the seconds until the next is."""
        while not self._lookout.stopped:
            due = self._next()
            if not callable(due):
                return due
            try:
                due()
            except Exception:  # noqa: BLE001 - whatever it was, what else is due is still due
                _log.exception("something due of the local AWS failed")
        return None

    def _next(self) -> Callable[[], object] | float | None:
        """Take what is due; if nothing is, return the seconds until something will be, None for nothing at all."""
        with self._lock:
            left = self._heap[0][0] - self._clock.now() if self._heap else None
            return heapq.heappop(self._heap)[2] if left is not None and left <= 0 else left
