"""
The environments of all functions: warm ones are used again, stale and idle ones are ended.

An environment is stale when the function's code or configuration changed, or when its credentials are about to
expire.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from transship.local.functions.configuration import FunctionConfiguration
from transship.local.functions.environment import Environment
from transship.local.functions.errors import ServiceError
from transship.local.functions.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator

Launch = Callable[[FunctionConfiguration], Environment]
"""Starts an environment for a function."""

IDLE_SECONDS = 300.0
"""How long a warm environment is kept without work."""


class EnvironmentPool:
    """Lends environments, each to one invocation at a time."""

    def __init__(self, launch: Launch, idle_seconds: float = IDLE_SECONDS) -> None:
        self._launch = launch
        self._idle_seconds = idle_seconds
        self._lock = threading.Condition()
        self._idle: list[tuple[float, Environment]] = []
        self._busy: set[Environment] = set()
        self._closed = False
        # Ending a process waits for it and for its server: nobody's invocation should.
        self._undertaker = Workers(thread_name_prefix="function-close")
        self._reaper = threading.Thread(target=self._reap, name="function-reaper", daemon=True)

    def start(self) -> None:
        """Begin to end environments that are idle for too long."""
        self._reaper.start()

    @contextmanager
    def lend(self, function: FunctionConfiguration) -> Iterator[Environment]:
        """Hold an environment of *function*, a warm one if there is one."""
        environment = self._take(function) or self._start(function)
        try:
            yield environment
        finally:
            self._give_back(environment)

    def kill(self, function_name: str) -> int:
        """Kill the busy environments of *function_name* and return how many there were."""
        with self._lock:
            victims = [each for each in self._busy if each.function.name == function_name]
        for environment in victims:
            environment.kill()
        return len(victims)

    def count(self, function_name: str) -> tuple[int, int]:
        """Return how many environments of *function_name* are busy and how many idle."""
        with self._lock:
            busy = sum(each.function.name == function_name for each in self._busy)
            idle = sum(each.function.name == function_name for _, each in self._idle)
        return busy, idle

    def close(self) -> None:
        """End every environment; running invocations fail. Nothing is left when this returns."""
        with self._lock:
            self._closed = True
            idle, busy = [environment for _, environment in self._idle], list(self._busy)
            self._idle.clear()
            self._lock.notify_all()
        for environment in busy:
            environment.kill()
        for environment in idle:
            self._undertaker.submit(environment.close)
        with self._lock:
            self._lock.wait_for(lambda: not self._busy)
        if self._reaper.is_alive():
            self._reaper.join()
        self._undertaker.shutdown(wait=True)

    def _take(self, function: FunctionConfiguration) -> Environment | None:
        fingerprint = function.fingerprint
        with self._lock:
            self._check_open()
            same = [entry for entry in self._idle if _is_version_of(entry[1].function, function)]
            fit = [entry for entry in same if entry[1].function.fingerprint == fingerprint and entry[1].usable]
            chosen = fit[-1] if fit else None
            for entry in same:
                if entry not in fit or entry is chosen:
                    self._idle.remove(entry)
                if entry not in fit:
                    self._undertaker.submit(entry[1].close)
            if chosen:
                self._busy.add(chosen[1])
        return chosen[1] if chosen else None

    def _start(self, function: FunctionConfiguration) -> Environment:
        environment = self._launch(function)
        with self._lock:
            closed = self._closed
            if not closed:
                self._busy.add(environment)
        if closed:
            environment.close()
            raise ServiceError("the local AWS is stopping")
        return environment

    def _give_back(self, environment: Environment) -> None:
        with self._lock:
            self._busy.discard(environment)
            if environment.usable and not self._closed:
                self._idle.append((time.monotonic(), environment))
            else:
                self._undertaker.submit(environment.close)
            self._lock.notify_all()

    def _check_open(self) -> None:
        if self._closed:
            raise ServiceError("the local AWS is stopping")

    def _reap(self) -> None:
        with self._lock:
            while not self._closed:
                oldest = self._idle[0][0] if self._idle else None
                if oldest is None:
                    self._lock.wait()
                    continue
                left = oldest + self._idle_seconds - time.monotonic()
                if left > 0:
                    self._lock.wait(left)
                else:
                    self._undertaker.submit(self._idle.pop(0)[1].close)


def _is_version_of(one: FunctionConfiguration, other: FunctionConfiguration) -> bool:
    return one.arn == other.arn and one.version == other.version
