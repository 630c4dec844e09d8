"""One thread that looks when something may be due, by a clock that tests may move, and sleeps in between."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from transship.local.clock import Clock


class Lookout:
    """
    Calls *look* again and again from a thread of the given *name*.

    *look* does what is due and returns the seconds of the clock until more may be; None: only `wake` brings more.
    """

    def __init__(self, clock: Clock, name: str, look: Callable[[], float | None]) -> None:
        self._clock = clock
        self._look = look
        self._changed = threading.Condition()
        self._woken = False
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once, or once more after the look that is being taken: something has changed."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Look no more, and end the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def stopped(self) -> bool:
        """Whether nothing more is to be done."""
        return self._stopped

    def _run(self) -> None:
        while not self._stopped:
            with self._changed:
                self._woken = False
            wait = self._look()
            with self._changed:
                if not (self._woken or self._stopped):
                    self._clock.wait(self._changed, wait)
