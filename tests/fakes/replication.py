"""Replication between the registries of a `FakeEcr` (ecr.md sections 4 and 8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from chalicelib.ports import ReplicaStatus, ReplicationRule
from tests.fakes.repository import FakeImage, FakeRepository

if TYPE_CHECKING:
    from tests.fakes.registry import FakeEcr


@dataclass(frozen=True, slots=True)
class Arrival:
    """What an `ECR Replication Action` event would tell; a test may turn it into one."""

    source: Registry
    destination: Registry
    name: RepositoryName
    digest: Digest
    tag: Tag | None


@dataclass(slots=True)
class Replication:
    """
    Copies what was put, *lag* seconds later, and tells the source how it went.

    There is no chaining: only PutImage starts a replication. An immutable tag at the destination that names another
    image stays, and the status is COMPLETE all the same. *arrivals* lists what events would have told.
    """

    ecr: FakeEcr
    arrivals: list[Arrival] = field(default_factory=list)
    _waiting: list[tuple[float, Arrival]] = field(default_factory=list)
    _statuses: dict[tuple[Registry, RepositoryName, Digest], dict[Registry, ReplicaStatus]] = field(
        default_factory=dict
    )

    def start(self, source: Registry, name: RepositoryName, digest: Digest, tag: Tag | None) -> None:
        """Take note of an image that was put."""
        for rule in self.ecr.rules.get(source, ()):
            for destination in rule.destinations if _matches(rule, name) else ():
                arrival = Arrival(source, destination, name, digest, tag)
                self._waiting.append((self.ecr.clock.now() + self.ecr.lag, arrival))
                self._report(arrival, "IN_PROGRESS")

    def run(self) -> None:
        """Do what is due."""
        now = self.ecr.clock.now()
        due = [arrival for at, arrival in self._waiting if at <= now]
        self._waiting = [(at, arrival) for at, arrival in self._waiting if at > now]
        for arrival in due:
            self._arrive(arrival)

    def statuses(self, source: Registry, name: RepositoryName, digest: Digest) -> Sequence[ReplicaStatus]:
        return tuple(self._statuses.get((source, name, digest), {}).values())

    def _arrive(self, arrival: Arrival) -> None:
        failure = self.ecr.failing.get(arrival.destination)
        if failure is not None:
            self._report(arrival, "FAILED", failure)
            return
        source = self.ecr.repositories[arrival.source][arrival.name]
        there = self.ecr.repositories[arrival.destination]
        target = there.get(arrival.name) or self.ecr.create(arrival.destination, arrival.name)
        _copy(source, target, arrival)
        self._report(arrival, "COMPLETE")
        self.arrivals.append(arrival)

    def _report(self, arrival: Arrival, status: str, failure: str | None = None) -> None:
        statuses = self._statuses.setdefault((arrival.source, arrival.name, arrival.digest), {})
        statuses[arrival.destination] = ReplicaStatus(arrival.destination, status, failure)


def _copy(source: FakeRepository, target: FakeRepository, arrival: Arrival) -> None:
    for image in _family(source, arrival.digest):
        target.blobs.update({digest: source.blobs[digest] for digest in image.blobs()})
        target.images[image.digest] = image
    taken = arrival.tag is not None and arrival.tag in target.tags and target.immutable
    target.receive(source.images[arrival.digest], None if taken else arrival.tag)


def _family(repository: FakeRepository, digest: Digest) -> Iterator[FakeImage]:
    image = repository.images[digest]
    for child in image.children():
        yield from _family(repository, child)
    yield image


def _matches(rule: ReplicationRule, name: RepositoryName) -> bool:
    """Tell whether *rule* speaks of *name*; a prefix is raw: `prod` matches `production` (ecr.md 4)."""
    return not rule.prefixes or str(name).startswith(rule.prefixes)
