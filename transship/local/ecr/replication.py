"""
Replication: what must go where, when it arrives, and what is reported of it.

Rules (ecr.md 4, 8.6): the source registry's configuration decides, at the push; a filter is a raw prefix of the
repository's name; one replication for each push and destination, a new tag on an old image being a push; statuses are
kept at the source, events are sent by the destination.
What happens at the destination is in `arrival`, what becomes of deletions in `deletion`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transship.local.ecr.arrival import (
    ReplicationFailure,
    SourceGone,
    copy_image,
    copy_tag,
    destination_repository,
)
from transship.local.ecr.content import DestinationStatus, Image
from transship.local.ecr.engine import Engine
from transship.local.ecr.events import replication_action
from transship.local.ecr.faults import EVENT, REPLICATE, added_seconds, failure_code
from transship.local.ecr.names import RegistryId
from transship.local.ecr.registry import Registry
from transship.local.ecr.repository import Repository

Rule = Mapping[str, Any]


def matching_rules(rules: Sequence[Rule], repository: str) -> Iterable[Rule]:
    """Yield the rules that are about *repository*; without a filter a rule is about all."""
    for rule in rules:
        filters = rule.get("repositoryFilters")
        if not filters or any(repository.startswith(entry["filter"]) for entry in filters):
            yield rule


def destinations(rules: Iterable[Rule]) -> list[RegistryId]:
    """Return the destinations of *rules*, each once."""
    found = (
        RegistryId(entry["registryId"], entry["region"]) for rule in rules for entry in rule.get("destinations", ())
    )
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Replication:
    """
    One image, perhaps with a tag, on its way to one destination.

    Attributes:
        engine: The service's state.
        source: Registry that it comes from.
        repository: Its repository there.
        image: The image there.
        tag: The tag that was pushed.
        destination: Where it goes.
    """

    engine: Engine
    source: Registry
    repository: Repository
    image: Image
    tag: str | None
    destination: RegistryId

    def start(self) -> None:
        """Report IN_PROGRESS, and arrange for the arrival."""
        engine = self.engine
        fired = engine.faults.fired(REPLICATE, self.destination)
        failure = failure_code(fired)
        now = engine.clock.now()
        with self.repository.lock:
            status = self.image.destinations.get(self.destination)
            if status is None or not status.pending:
                appears_at = now + engine.options.status_appears_after_seconds
                status = DestinationStatus("IN_PROGRESS", appears_at if status is None else now)
                self.image.destinations[self.destination] = status
            status.pending += 1
        due = now + engine.lag(self.destination) + added_seconds(fired, "slow")
        engine.agenda.at(due, lambda: self.finish(failure))

    def finish(self, failure: str | None) -> None:
        """Arrive, or fail with code *failure*, and say so."""
        try:
            tagged = self.arrive(failure)
        except ReplicationFailure as reason:
            self._settle(reason.code)
            self._announce_failure()
        except SourceGone:
            # The image went, and its status with it; there is nothing to report.
            return
        else:
            self._settle(None)
            self._announce(tagged)

    def arrive(self, failure: str | None = None) -> bool:
        """
        Put the image, and its tag, into the destination; return whether the tag is there.

        Raises:
            ReplicationFailure: It may not, or cannot, or a fault rule gave it the code *failure*.
            SourceGone: The source image was deleted.
        """
        if failure is not None:
            raise ReplicationFailure(failure)
        with self.repository.lock:
            if self.repository.images.get(self.image.digest) is not self.image:
                raise SourceGone
            # A tag that moved on in the source must not come back at the destination by a late replication.
            tag = self.tag if self.tag in self.image.tags else None
        destination = self.engine.registry(self.destination)
        target = destination_repository(self.engine, self.source.id, destination, self.repository.name)
        arrived = copy_image(self.engine, self.repository, target, self.image)
        return tag is not None and copy_tag(target, arrived, tag)

    def _settle(self, failure: str | None) -> None:
        with self.repository.lock:
            status = self.image.destinations[self.destination]
            status.pending -= 1
            status.failure_code = failure or status.failure_code
            if not status.pending:
                status.status = "FAILED" if status.failure_code else "COMPLETE"

    def report(self, failure: str | None) -> None:
        """Report the end of a replication that was not started here, unless one that was is under way."""
        with self.repository.lock:
            status = self.image.destinations.get(self.destination)
            if status is None or not status.pending:
                ended = DestinationStatus("FAILED" if failure else "COMPLETE", self.engine.clock.now(), 0, failure)
                self.image.destinations[self.destination] = ended

    def _announce(self, tagged: bool) -> None:
        if tagged or self.engine.options.announces_untagged_replicas:
            self._send("SUCCESS", self.tag if tagged else None)

    def _announce_failure(self) -> None:
        if self.engine.options.announces_failed_replications:
            self._send("FAILED", self.tag)

    def _send(self, result: str, tag: str | None) -> None:
        kinds = [rule.kind for rule in self.engine.faults.fired(EVENT, self.destination)]
        if "lose" in kinds:
            return
        event = replication_action(
            self.source.id,
            self.destination,
            self.engine.clock.now(),
            repository=self.repository.name,
            digest=self.image.digest,
            tag=tag,
            result=result,
        )
        for _ in range(2 if "duplicate" in kinds else 1):
            self.engine.emit(event)


def replicate(engine: Engine, source: Registry, repository: Repository, image: Image, tag: str | None) -> None:
    """Replicate a push (or a retag, or a restore) of *image* as the source's configuration says now."""
    for destination in destinations(matching_rules(source.replication_rules, repository.name)):
        Replication(engine, source, repository, image, tag, destination).start()
