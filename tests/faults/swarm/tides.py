"""Replication whose lag differs from image to image, which loses some for ever, and whose events come as they like."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from chalicelib.names import CONFIRM
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from tests.fakes.queues import FakeQueues
from tests.fakes.replication import Replication
from tests.faults.swarm.weather import Weather


@dataclass(slots=True)
class Tides(Replication):
    """
    Replication under a *weather*.

    What was put first arrives first: a destination does not go back to an older image.

    Attributes:
        stuck: Destinations where something never arrived, or FAILED.
    """

    weather: Weather = field(kw_only=True)
    queues: FakeQueues = field(kw_only=True)
    stuck: set[Registry] = field(default_factory=set)
    _last: dict[tuple[Registry, RepositoryName], float] = field(default_factory=dict)

    def start(self, source: Registry, name: RepositoryName, digest: Digest, tag: Tag | None) -> None:
        before = len(self._waiting)
        Replication.start(self, source, name, digest, tag)
        for place in range(before, len(self._waiting)):
            at, arrival = self._waiting[place]
            chance, now = self.weather.chance, self.ecr.clock.now()
            lag = chance.uniform(0.0, chance.choice((2.0, 10.0, 300.0, 1_200.0)))
            at = max(now + lag, self._last.get((arrival.destination, name), 0.0))
            if self.weather.loses():
                self.stuck.add(arrival.destination)
                at = float("inf")
            else:
                self._last[arrival.destination, name] = at
            self._waiting[place] = (at, arrival)

    def next(self) -> float:
        """Return when the next image arrives."""
        return min((at for at, _ in self._waiting), default=float("inf"))

    def run(self) -> None:
        if not self._waiting or self.next() > self.ecr.clock.now():
            return
        before = len(self.arrivals)
        Replication.run(self)
        for arrival in self.arrivals[before:]:
            if not self.weather.loses():
                detail = {
                    "source-account": arrival.source.account,
                    "source-region": arrival.source.region,
                    "repository-name": str(arrival.name),
                    "image-digest": str(arrival.digest),
                }
                event = {"source": "aws.ecr", "detail-type": "ECR Replication Action", "detail": detail}
                self.queues.deliver(CONFIRM, json.dumps(event))
