"""
Functions that run one at a time, each in a thread of its own, and wait for moments of a clock that is moved.

Whoever runs has the turn until it pauses or ends, so the order of everything is decided here and never by the machine.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from _thread import LockType
from collections.abc import Callable
from contextlib import suppress

from chalicelib.ports.clock import Clock
from tests.fakes.faults import Killed


class Turns:
    """
    The functions that run; the loop that moves the clock calls `start` and `resume`.

    Attributes:
        running: How many have not ended.
    """

    def __init__(self, clock: Clock) -> None:
        self.running = 0
        self._clock = clock
        self._serial = itertools.count()
        self._waiting: list[tuple[float, int, LockType]] = []
        self._back = threading.Lock()
        self._back.acquire()
        self._error: BaseException | None = None
        self._abandoned = False

    def start(self, function: Callable[[], None]) -> None:
        """Run *function* until it pauses or ends."""
        self.running += 1
        threading.Thread(target=self._run, args=(function,), name="function", daemon=True).start()
        self._wait()

    def next(self) -> float:
        """Return the moment at which the first of those that pause goes on; infinity if none does."""
        return self._waiting[0][0] if self._waiting else float("inf")

    def resume(self) -> None:
        """Let the first of those that pause go on until it pauses again or ends."""
        _, _, turn = heapq.heappop(self._waiting)
        turn.release()
        self._wait()

    def abandon(self) -> None:
        """Kill all that pause, so that no thread is left behind."""
        self._abandoned = True
        while self._waiting:
            with suppress(BaseException):
                self.resume()

    def pause(self, until: float) -> None:
        """
        Give the turn away until the clock shows *until*; called by whoever has it.

        Raises:
            Killed: All were abandoned.
        """
        if self._abandoned:
            raise Killed
        turn = threading.Lock()
        turn.acquire()
        heapq.heappush(self._waiting, (until, next(self._serial), turn))
        self._back.release()
        turn.acquire()
        if self._abandoned:
            raise Killed

    def _wait(self) -> None:
        self._back.acquire()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self, function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - raised again where the clock is moved
            self._error = error
        finally:
            self.running -= 1
            self._back.release()
