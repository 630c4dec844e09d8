"""
Deletions repeated at the destinations of the rules that ask for it (ecr.md 4, deleteReplication).

What is not documented is decided for the least damage: another account's policy, which let the image in, is not asked
again, and an image that has tags of its own at the destination, or belongs to an index there, stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transship.local.ecr.content import Image
from transship.local.ecr.engine import Engine
from transship.local.ecr.names import RegistryId
from transship.local.ecr.registry import Registry
from transship.local.ecr.replication import destinations, matching_rules
from transship.local.ecr.repository import Repository


def replicate_deletion(
    engine: Engine, source: Registry, repository: Repository, image: Image, tags: Sequence[str]
) -> None:
    """Repeat the removal of *tags* of *image*, or of the image if it has gone."""
    rules = [
        rule
        for rule in matching_rules(source.replication_rules, repository.name)
        if rule.get("deleteReplication", {}).get("enabled")
    ]
    with repository.lock:
        whole = repository.images.get(image.digest) is not image
    for destination in destinations(rules):
        act = _Deletion(engine, destination, repository.name, image.digest, tuple(tags), whole)
        engine.agenda.at(engine.clock.now() + engine.lag(destination), act)


@dataclass(frozen=True, slots=True)
class _Deletion:
    engine: Engine
    destination: RegistryId
    repository: str
    digest: str
    tags: tuple[str, ...]
    whole: bool

    def __call__(self) -> None:
        target = self.engine.registry(self.destination).find(self.repository)
        if target is None:
            return
        with target.lock:
            image = target.images.get(self.digest)
            if image is None:
                return
            for tag in set(self.tags) & set(image.tags):
                target.remove_tag(tag)
            if self.whole and not image.tags and not target.is_child(self.digest):
                target.remove_image(image)
