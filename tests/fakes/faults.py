"""
Any port with faults: one call of it fails, before its effect or after, or takes the whole function with it.

    registry = Faulty(client, "put_part", 3, Fault.REPLY_LOST)   # the third put_part is stored, its reply is not seen
"""

from __future__ import annotations

import threading
from enum import Enum
from typing import Any

from chalicelib.errors import TemporaryError


class Killed(BaseException):
    """The function was killed: nothing may catch this but the test."""


class Fault(Enum):
    """What happens to a call."""

    NOT_ARRIVED = "error before the effect"
    REPLY_LOST = "effect, then no reply"
    KILLED_BEFORE = "killed before the effect"
    KILLED_AFTER = "killed after the effect"


class Faulty:
    """*target*, of which the *number*th call (from 1) of *method* suffers *fault*, once."""

    def __init__(self, target: Any, method: str, number: int, fault: Fault) -> None:
        self._target = target
        self._method = method
        self._number = number
        self._fault = fault
        self._lock = threading.Lock()
        self.happened = False

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        return self._call if name == self._method else attribute

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            self._number -= 1
            if self._number:
                return getattr(self._target, self._method)(*args, **kwargs)
            self.happened = True
        if self._fault in (Fault.REPLY_LOST, Fault.KILLED_AFTER):
            getattr(self._target, self._method)(*args, **kwargs)
        if self._fault in (Fault.KILLED_BEFORE, Fault.KILLED_AFTER):
            raise Killed
        raise TemporaryError(f"{self._method}: {self._fault.value}")
