"""
A replication backfill: the images that a registry had before, replicated to one destination.

Rules (ecr.md 1.7): PREPARING, IN_PROGRESS, then COMPLETE, FAILED or, by request, STOPPING and STOPPED; one pair of
image and tag is one replication; FAILED once at least half of at least 100 fail; results are told after the end and
kept for 90 days; the end sends an event.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from transship.local.ecr.arrival import ReplicationFailure, SourceGone
from transship.local.ecr.content import Image
from transship.local.ecr.engine import Engine
from transship.local.ecr.events import envelope
from transship.local.ecr.faults import REPLICATE, failure_code
from transship.local.ecr.names import RegistryId
from transship.local.ecr.registry import Registry
from transship.local.ecr.replication import Replication, destinations, matching_rules
from transship.local.ecr.repository import Repository

RETENTION_SECONDS = 90 * 86_400
TERMINAL = frozenset({"COMPLETE", "FAILED", "STOPPED"})

_FAILING_AFTER = 100
_DELETED = "ImageNotFound"


@dataclass(slots=True)
class Backfill:
    """
    One backfill.

    Attributes:
        engine: The service's state.
        source: Registry whose images are replicated.
        destination: Where they go.
        id: UUID.
        status: As the API reports it.
        started_at: Seconds since the epoch.
        ended_at: The same, once it has ended.
        total: Replications to do.
        results: One entry for each replication done.
    """

    engine: Engine
    source: Registry
    destination: RegistryId
    started_at: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "PREPARING"
    ended_at: float | None = None
    total: int = 0
    results: list[dict[str, Any]] = field(default_factory=list)
    _left: list[Replication] = field(default_factory=list)

    def start(self) -> None:
        """Arrange for the preparation."""
        self.engine.agenda.at(self.started_at + self.engine.options.backfill_preparation_seconds, self._prepare)

    def stop(self) -> None:
        """Begin to stop; what is under way is completed."""
        self.status = "STOPPING"
        self.engine.agenda.at(self.engine.clock.now(), lambda: self._end("STOPPED"))

    def failures(self) -> list[dict[str, Any]]:
        """Return the results that are FAILED."""
        return [result for result in self.results if result["status"] == "FAILED"]

    def progress(self) -> dict[str, Any]:
        """Return the ReplicationBackfillProgress shape."""
        failures = self.failures()
        return {
            "totalReplicationCount": self.total,
            "completedReplicationCount": len(self.results) - len(failures),
            "failedReplicationCount": len(failures),
            "failureCodes": sorted({result["failureCode"] for result in failures}),
        }

    def _prepare(self) -> None:
        if self.status != "PREPARING":
            return
        self.status = "IN_PROGRESS"
        self._left = [
            Replication(self.engine, self.source, repository, image, tag, self.destination)
            for repository in self.source.repositories()
            if self._concerns(repository)
            for image in _children_first(repository)
            for tag in _tags(image)
        ]
        self.total = len(self._left)
        self.engine.agenda.at(self.engine.clock.now() + self.engine.lag(self.destination), self._work)

    def _concerns(self, repository: Repository) -> bool:
        return self.destination in destinations(matching_rules(self.source.replication_rules, repository.name))

    def _work(self) -> None:
        for replication in self._left:
            if self.status != "IN_PROGRESS":
                return
            self.results.append(self._result(replication))
            if self._is_failing():
                self._end("FAILED")
                return
        self._end("COMPLETE")

    def _is_failing(self) -> bool:
        return len(self.results) >= _FAILING_AFTER and 2 * len(self.failures()) >= len(self.results)

    def _result(self, replication: Replication) -> dict[str, Any]:
        image = replication.image
        entry = {
            "repositoryName": replication.repository.name,
            "imageId": image.image_id(replication.tag),
            "status": "COMPLETE",
        }
        code = self._replicate(replication)
        replication.report(code)
        if code is not None:
            entry |= {"status": "FAILED", "failureCode": code}
        if image.is_index:
            children = {child.digest for child in image.manifest.manifests}
            entry["subImageFailureCodes"] = sorted(
                {failure["failureCode"] for failure in self.failures() if failure["imageId"]["imageDigest"] in children}
            )
        return entry

    def _replicate(self, replication: Replication) -> str | None:
        """Replicate one image and return None, or a failureCode."""
        try:
            replication.arrive(failure_code(self.engine.faults.fired(REPLICATE, self.destination)))
        except ReplicationFailure as reason:
            return reason.code
        except SourceGone:
            return _DELETED
        return None

    def _end(self, status: str) -> None:
        if self.status in TERMINAL:
            return
        self.status, self.ended_at = status, self.engine.clock.now()
        detail = {
            "replication-backfill-id": self.id,
            "status": status,
            "destination-account": self.destination.account,
            "destination-region": self.destination.region,
        }
        detail_type = self.engine.options.backfill_detail_type
        self.engine.emit(envelope(self.source.id, detail_type, [], detail, self.ended_at))


def _children_first(repository: Repository) -> list[Image]:
    with repository.lock:
        return sorted(repository.images.values(), key=lambda image: image.is_index)


def _tags(image: Image) -> list[str | None]:
    return [*image.tags] or [None]
