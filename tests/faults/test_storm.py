"""Two hundred images at once: ECR throttles at its quotas, and everything arrives all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pytest

from chalicelib.errors import TemporaryError
from chalicelib.names import CONFIRM, PUBLISH, PUSH, RECEIVE, UPLOADS
from chalicelib.ports.clock import Clock
from chalicelib.rates import CONCURRENCY, QUOTAS
from chalicelib.state.upload import State
from tests import archives
from tests.fakes.registry import Call
from tests.world import World

pytestmark = pytest.mark.check  # exhaustive: a minute of a core

IMAGES: Final = 200
SHARE: Final = 10
"""The least number of calls is taken from a tenth of the images, which nothing throttles."""
CONSUMERS: Final = {UPLOADS: RECEIVE, PUSH: PUSH, PUBLISH: PUBLISH, CONFIRM: CONFIRM}


@dataclass
class Throttle:
    """A token bucket for each operation of a registry, as AWS has them: a second's worth may come at once."""

    clock: Clock
    rates: Mapping[str, float]
    refused: Counter[str] = field(default_factory=Counter)
    _left: dict[tuple[object, str], tuple[float, float]] = field(default_factory=dict)

    def __call__(self, call: Call) -> None:
        rate = self.rates.get(call.operation)
        if rate is None:
            return
        key, now = (call.registry, call.operation), self.clock.now()
        left, then = self._left.get(key, (rate, now))
        left = min(rate, left + (now - then) * rate)
        if left < 1:
            self._left[key] = (left, now)
            self.refused[call.operation] += 1
            raise TemporaryError(f"ThrottlingException: {call.operation}")
        self._left[key] = (left - 1, now)


@dataclass
class Storm(World):
    """
    A world whose functions take time, and of which only so many run at once.

    A call takes *call_time* seconds, and an invocation as long as its calls, one after the other. Nothing repeats a
    throttled call but its message, which is worse than botocore, that does so four times.
    """

    call_time: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        self._busy: dict[str, list[float]] = {queue: [] for queue in CONSUMERS}

    def run(self, seconds: float = 4 * 3600.0) -> None:
        end = self.clock.now() + seconds
        while self.clock.now() <= end:
            received = self.queues.receive(self._free())
            if received:
                before = len(self.calls)
                self._invoke(*received)
                self._busy[received[0]].append(self.clock.now() + self.call_time * (len(self.calls) - before))
            elif not self._wait():
                return

    def _free(self) -> list[str]:
        now = self.clock.now()
        self._busy = {queue: [until for until in ends if until > now] for queue, ends in self._busy.items()}
        return [queue for queue, ends in self._busy.items() if len(ends) < CONCURRENCY[CONSUMERS[queue]]]

    def _wait(self) -> bool:
        """Let time go on to the next message or the next function that is free again."""
        if not any(self.queues.messages.values()):
            return False
        moments = [m.visible for messages in self.queues.messages.values() for m in messages]
        moments += [until for ends in self._busy.values() for until in ends]
        self.clock.seconds = min(moment for moment in moments if moment > self.clock.now())
        return True


def stormed(world: World, images: int = IMAGES) -> list[str]:
    """Upload everything at the same moment, ten images for each repository, and let everything happen."""
    uploads = [
        world.upload(
            f"uploads/team/app-{number // 10}/app-{number}.tar",
            archives.docker_save(archives.image("base", f"app {number}", tags=())),
        )
        for number in range(images)
    ]
    world.run()
    return uploads


@pytest.mark.parametrize(
    ("call_time", "throttled"),
    [(0.02, False), (0.0065, True)],
    ids=["the quotas hold by arithmetic", "calls three times as fast are throttled"],
)
def test_two_hundred_images_at_once_all_become_available(call_time: float, throttled: bool) -> None:
    calm = Storm(call_time=call_time)
    stormed(calm, IMAGES // SHARE)
    world = Storm(call_time=call_time)
    throttle = world.ecr.on_call = Throttle(world.clock, QUOTAS)

    uploads = stormed(world)

    assert bool(throttle.refused) is throttled
    assert all(world.state(upload) is State.AVAILABLE for upload in uploads)
    assert not any(world.queues.dead.values())
    assert not any(world.queues.messages.values())
    assert len(world.ecr.calls) <= 1.5 * SHARE * len(calm.ecr.calls)
    assert len(world.calls) <= 1.5 * SHARE * len(calm.calls)
