"""Standard queues at their worst: in any order, twice, late."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.queues import FakeQueues, Message
from tests.faults.swarm.weather import Weather


def _nobody(_queue: str, _body: str, _group: str) -> None:
    """Hear nothing."""


@dataclass(slots=True)
class RoughQueues(FakeQueues):
    """
    Queues under a *weather*.

    Attributes:
        told: Hears of each message that a function sends: queue, body, group.
        buried: Bodies of all that became dead letters, with their queue.
    """

    weather: Weather = field(kw_only=True)
    told: Callable[[str, str, str], None] = _nobody
    buried: list[tuple[str, str]] = field(default_factory=list)

    def send(self, queue: str, body: Mapping[str, Any], *, delay: int = 0, group: str = "") -> None:
        self.told(queue, json.dumps(body), group)
        FakeQueues.send(self, queue, body, delay=delay, group=group)

    def deliver(self, queue: str, body: str, delay: float = 0) -> None:
        for _ in range(self.weather.doubled()):
            FakeQueues.deliver(self, queue, body, delay + self.weather.delay())

    def order(self, ready: list[tuple[float, str, Message]]) -> list[tuple[float, str, Message]]:
        self.weather.chance.shuffle(ready)
        return ready

    def died(self, queue: str, message: Message) -> None:
        FakeQueues.died(self, queue, message)
        self.buried.append((queue, message.body))
