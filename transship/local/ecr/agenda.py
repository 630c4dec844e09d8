"""
What happens later: replications, events, steps of a backfill.

One worker thread runs it under `transship local up`; a test without that thread calls `step` after it has moved its
clock, or `settle` to let time pass until nothing is left.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable

from transship.local.clock import Clock, ManualClock

logger = logging.getLogger(__name__)

Action = Callable[[], None]


class Agenda:
    """Actions by due time; equal times keep their order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._condition = threading.Condition()
        self._order = itertools.count()
        self._entries: list[tuple[float, int, Action]] = []
        self._running = 0
        self._worker: threading.Thread | None = None
        self._stopping = False

    def at(self, due: float, action: Action) -> None:
        """Have *action* run at *due*, seconds since the epoch."""
        with self._condition:
            heapq.heappush(self._entries, (due, next(self._order), action))
            self._condition.notify_all()

    def hurry(self) -> None:
        """Make all that is to happen later due now, in the order in which it was to happen."""
        with self._condition:
            now = self._clock.now()
            waiting = sorted(self._entries, key=lambda entry: entry[:2])
            self._entries = [(min(due, now), next(self._order), action) for due, _, action in waiting]
            self._condition.notify_all()

    def step(self) -> int:
        """Run what is due now, on this thread, and return how many actions that was."""
        count = 0
        while (action := self._take()) is not None:
            self._run(action)
            count += 1
        return count

    def settle(self) -> None:
        """
        Return when nothing is left to do.

        A manual clock is advanced to each due time; a real one is waited for, if the worker runs.
        """
        while (due := self.next_due()) is not None:
            if isinstance(self._clock, ManualClock):
                self._clock.advance(max(0.0, due - self._clock.now()))
            if self._worker is None and self.step():
                continue
            with self._condition:
                if self._entries or self._running:
                    # Either the worker is at it, or a real clock has to pass: look again soon.
                    self._condition.wait(0.02)

    def next_due(self) -> float | None:
        """Return when the next action is due (now, while one runs), or None if there is none."""
        with self._condition:
            if self._running:
                return self._clock.now()
            return self._entries[0][0] if self._entries else None

    def start(self) -> None:
        """Start the worker."""
        self._stopping = False
        self._worker = threading.Thread(target=self._work, name="ecr-agenda", daemon=True)
        self._worker.start()

    def stop(self) -> None:
        """Stop the worker, if it runs, after the action it is at; the rest is left undone."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        worker.join()

    def _work(self) -> None:
        while not self._stopping:
            action = self._take()
            if action is None:
                self._wait()
                continue
            try:
                self._run(action)
            except Exception:
                # A subscriber's failure must not end replication; what the others wait for goes on.
                logger.exception("an action of the local ECR failed")

    def _wait(self) -> None:
        with self._condition:
            timeout = self._entries[0][0] - self._clock.now() if self._entries else None
            if not self._stopping and (timeout is None or timeout > 0):
                self._clock.wait(self._condition, timeout)

    def _take(self) -> Action | None:
        with self._condition:
            if self._entries and self._entries[0][0] <= self._clock.now():
                self._running += 1
                return heapq.heappop(self._entries)[2]
            return None

    def _run(self, action: Action) -> None:
        try:
            action()
        finally:
            with self._condition:
                self._running -= 1
                self._condition.notify_all()
