"""A world in which calls of ECR take time, so that an archive of many images takes several functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from chalicelib.oci.reference import RepositoryName
from chalicelib.outside import Outside
from chalicelib.replacing import replace
from tests import archives
from tests.world import TIMEOUTS, World


@dataclass
class SlowWorld(World):
    """
    A world in which each call of ECR takes `pause` seconds while it is `slow`, and a function that has none left dies.

    Attributes:
        invoked: How often each function was, while it was slow.
        killed: The functions that ran out of time.
    """

    slow: bool = False
    pause: float = 0.1
    invoked: Counter[str] = field(default_factory=Counter)
    killed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._ends = float("inf")
        self._beat: Callable[[], None] | None = None
        self._next_beat = 0.0

    @contextmanager
    def point(self, name: str) -> Iterator[None]:
        """Let the call take its time."""
        if self.slow and name.startswith("ecr."):
            self.clock.seconds += self.pause
            if self.clock.now() > self._ends:
                self.killed.append(self.invocations[-1])
                self.kill()
            self._beat_if_due()
        with super().point(name):
            yield

    def _begin(self, function: str) -> None:
        self._ends = self.clock.now() + TIMEOUTS[function]
        self.invoked[function] += self.slow
        super()._begin(function)

    def _outside(self, *args: Any, **kwargs: Any) -> Outside:
        return replace(super()._outside(*args, **kwargs), alive=self._alive)

    @contextmanager
    def _alive(self, beat: Callable[[], None]) -> Iterator[None]:
        """Call *beat* as often as `Heartbeat` does, as the time of this world goes."""
        self._beat, self._next_beat = beat, self.clock.now() + self.settings.lease / 3
        try:
            yield
        finally:
            self._beat = None

    def _beat_if_due(self) -> None:
        if self._beat and self.clock.now() >= self._next_beat:
            self._next_beat += self.settings.lease / 3
            self._beat()


def many(images: int) -> bytes:
    """Return an archive of *images* that go to a repository each."""
    return archives.docker_save(*(archives.image(f"n{number}", tags=(f"n{number}:1",)) for number in range(images)))


def repository(number: int) -> RepositoryName:
    """Return where one of them goes."""
    return RepositoryName(f"team/app/n{number}")
