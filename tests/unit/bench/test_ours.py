"""Our side of the benchmark waits for a push without taking of the processor what is measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.names import PUBLISH, RECEIVE, function_name
from transship.bench import ours
from transship.local_stage import STAGE


class Functions:
    """Functions of which receive is busy for so many looks, then publish has ended, or never will; nothing else."""

    def __init__(self, busy: int, *, publishes: bool) -> None:
        self.looks = 0
        self.pool = self
        self._busy, self._publishes = busy, publishes

    def count(self, name: str) -> tuple[int, int]:
        return int(name == function_name(STAGE, RECEIVE) and self.looks < self._busy), 0

    def invocations(self, since: float, function: str) -> tuple[object, ...]:
        assert (since, function) == (5.0, function_name(STAGE, PUBLISH))
        self.looks += 1
        return (object(),) if self._publishes and self.looks > self._busy else ()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(ours.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(ours.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


def stage(functions: Functions) -> Any:
    """Return a stage that has functions and no client."""
    return SimpleNamespace(aws=SimpleNamespace(functions=functions))


def test_waits_until_the_image_is_put() -> None:
    functions = Functions(1_000, publishes=True)

    ours._await_put(stage(functions), 5.0)

    assert functions.looks == 1_001


def test_waits_no_longer_when_nothing_happens_any_more() -> None:
    functions = Functions(1_000, publishes=False)

    ours._await_put(stage(functions), 5.0)

    assert functions.looks == pytest.approx(1_000 + ours._QUIET / ours._GLANCE, abs=3)
