"""Runs things later, by a clock that tests may move."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from transship.local.clock import Clock


_log = logging.getLogger(__name__)


class Timer:
    """One thread that calls functions when they are due; they must be quick. One that fails ends no other."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="timer", daemon=True)

    def start(self) -> None:
        """Begin to call."""
        self._thread.start()

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        """Call *function* in *seconds* of the clock."""
        with self._changed:
            heapq.heappush(self._heap, (self._clock.now() + seconds, next(self._order), function))
            self._changed.notify_all()

    def stop(self) -> None:
        """Forget what is not due yet and end the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while (function := self._next()) is not None:
            try:
                function()
            except Exception:  # noqa: BLE001 - whatever it was, what else is due is still due
                _log.exception("something due of the local AWS failed")

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            while not self._stopped:
                left = self._heap[0][0] - self._clock.now() if self._heap else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._heap)[2]
                self._clock.wait(self._changed, left)
        return None
