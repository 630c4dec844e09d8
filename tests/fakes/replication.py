"""Replication between the registries of a `FakeEcr` (ecr.md sections 4 and 8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.access.evaluate import PolicyKind, Principal, Request, evaluate_resource_policy, parse_policy
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, Repository, RepositoryName, Tag
from chalicelib.ports.registry import ReplicaStatus, ReplicationRule
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
                lag = self.ecr.lags.get(destination, self.ecr.lag)
                self._waiting.append((self.ecr.clock.now() + lag, arrival))
                self._report(arrival, "IN_PROGRESS")

    def backfill(self, source: Registry, destination: Registry) -> None:
        """Replicate every pair of image and tag that *destination* is configured for again."""
        for name, repository in self.ecr.repositories[source].items():
            if any(_matches(rule, name) and destination in rule.destinations for rule in self.ecr.rules[source]):
                for digest in repository.images:
                    tags: list[Tag | None] = [tag for tag, named in repository.tags.items() if named == digest]
                    for tag in tags or [None]:
                        self._waiting.append((self.ecr.clock.now(), Arrival(source, destination, name, digest, tag)))

    def run(self) -> None:
        """Do what is due."""
        now = self.ecr.clock.now()
        due = [arrival for at, arrival in self._waiting if at <= now]
        self._waiting = [(at, arrival) for at, arrival in self._waiting if at > now]
        for arrival in due:
            self._arrive(arrival)

    def statuses(self, source: Registry, name: RepositoryName, digest: Digest) -> Sequence[ReplicaStatus]:
        if self.ecr.mute_children and _is_child(self.ecr.repositories[source][name], digest):
            return ()
        known = self._statuses.get((source, name, digest), {})
        return tuple(status for registry, status in known.items() if registry not in self.ecr.silent)

    def _arrive(self, arrival: Arrival) -> None:
        failure = self.ecr.failing.get(arrival.destination) or self._refused(arrival)
        if failure is not None:
            self._report(arrival, "FAILED", failure)
            return
        source = self.ecr.repositories[arrival.source].get(arrival.name)
        if source is None:
            return  # deleted meanwhile: nothing is left to be copied
        if arrival.digest not in source.images:
            return
        there = self.ecr.repositories[arrival.destination]
        target = there.get(arrival.name) or self.ecr.create(arrival.destination, arrival.name)
        barren = arrival.destination in self.ecr.barren
        if not (barren and _is_child(source, arrival.digest)):
            _copy(source, target, arrival, alone=barren)
        self._report(arrival, "COMPLETE")
        self.arrivals.append(arrival)

    def _refused(self, arrival: Arrival) -> str | None:
        """Another account's registry policy must let the source replicate, and create what is absent."""
        if arrival.source.account == arrival.destination.account:
            return None
        text = self.ecr.policies.get(str(arrival.destination))
        create = arrival.name not in self.ecr.repositories[arrival.destination]
        actions = ["ecr:ReplicateImage", *(["ecr:CreateRepository"] if create else [])]
        return None if text and all(_allows(text, arrival, action) for action in actions) else "AccessDenied"

    def _report(self, arrival: Arrival, status: str, failure: str | None = None) -> None:
        statuses = self._statuses.setdefault((arrival.source, arrival.name, arrival.digest), {})
        statuses[arrival.destination] = ReplicaStatus(arrival.destination, status, failure)


def _allows(text: str, arrival: Arrival, action: str) -> bool:
    principal = Principal.from_arn(f"arn:aws:iam::{arrival.source.account}:root")
    arn = Repository(arrival.destination, arrival.name).arn("aws")
    policy = parse_policy(text, name="registry policy", kind=PolicyKind.RESOURCE)
    return evaluate_resource_policy(policy, Request(principal, action, arn, arrival.destination.account, {})).allowed


def _is_child(repository: FakeRepository, digest: Digest) -> bool:
    return any(digest in image.children() for image in repository.images.values())


def _copy(source: FakeRepository, target: FakeRepository, arrival: Arrival, *, alone: bool) -> None:
    for image in [source.images[arrival.digest]] if alone else _family(source, arrival.digest):
        target.blobs.update({digest: source.blobs[digest] for digest in image.blobs()})
        target.images[image.digest] = image
    target.receive(source.images[arrival.digest], arrival.tag if _may_be_tagged(source, target, arrival) else None)


def _may_be_tagged(source: FakeRepository, target: FakeRepository, arrival: Arrival) -> bool:
    """Tell whether a replica takes its tag; one that has moved on in the source stays there (docs/decisions/0009)."""
    if arrival.tag is None:
        return False
    taken = arrival.tag in target.tags and target.immutable
    return not taken and source.tags.get(arrival.tag) == arrival.digest


def _family(repository: FakeRepository, digest: Digest) -> Iterator[FakeImage]:
    image = repository.images[digest]
    for child in image.children():
        yield from _family(repository, child)
    yield image


def _matches(rule: ReplicationRule, name: RepositoryName) -> bool:
    """Tell whether *rule* speaks of *name*; a prefix is raw: `prod` matches `production` (ecr.md 4)."""
    return not rule.prefixes or str(name).startswith(rule.prefixes)
