"""What follows from images being in the source registry: where they must arrive, and what is written down of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from chalicelib.events import Draft
from chalicelib.oci.reference import Registry, Repository
from chalicelib.outside import Outside
from chalicelib.ports.registry import ReplicationRule
from chalicelib.ports.table import Key, Put
from chalicelib.replacing import replace
from chalicelib.replicas.destinations import destinations, near_misses
from chalicelib.state.ledger import Ledger
from chalicelib.state.records import ImageRecord, ReplicaRecord, pointer_key
from chalicelib.state.upload import SHAPE, State, Upload

_DAY: Final = 86_400.0


class Publication(Struct, frozen=True):
    """The *upload* as it is then, its *replicas* to follow, and the *drafts* of its events."""

    upload: Upload
    replicas: tuple[ReplicaRecord, ...]
    drafts: tuple[Draft, ...]


def published(
    outside: Outside, upload: Upload, roots: Sequence[ImageRecord], rules: Sequence[ReplicationRule]
) -> Publication:
    """Judge *roots*, which are in the registry under their tags, by the replication rules of this moment."""
    source = outside.deployment.registry
    expected = {root.number: destinations(rules, root.repository, source) for root in roots}
    warnings = (*upload.warnings, *_alone(roots, expected), *_missed(roots, rules))
    confirming = replace(
        upload,
        state=State.CONFIRMING,
        published=outside.clock.now(),
        polls=0,
        bookmark="",
        warnings=tuple(dict.fromkeys(warnings)),
    )
    for root in roots:
        outside.log.info("published", repository=str(root.repository), image_digest=str(root.digest))
    announcer = Ledger(outside).announcer(confirming)
    return Publication(
        confirming,
        tuple(_replica(root, registry) for root in roots for registry in sorted(expected[root.number])),
        tuple(announcer.pushed(root, expected[root.number]) for root in roots),
    )


def pointers(outside: Outside, upload: Upload, roots: Iterable[ImageRecord]) -> dict[Key, Put]:
    """Return the changes that let a hint about one of *roots* find *upload*, as if none of them stood yet."""
    expires = outside.clock.now() + outside.settings.keep_days * _DAY
    repositories = [(Repository(outside.deployment.registry, root.repository), root.digest) for root in roots]
    keys = [pointer_key(repository, digest, upload.id) for repository, digest in repositories if digest]
    return {key: Put(key, {"v": SHAPE}, 0, expires=expires) for key in keys}


def _replica(root: ImageRecord, registry: Registry) -> ReplicaRecord:
    if root.digest is None:
        raise ValueError("an image without a digest was not put")
    return ReplicaRecord(image=root.number, repository=root.repository, digest=root.digest, registry=registry)


def _alone(roots: Sequence[ImageRecord], expected: Mapping[int, frozenset[Registry]]) -> list[str]:
    return [
        f"no replication rule takes the repository {root.repository}: it is published in the source only"
        for root in roots
        if not expected[root.number]
    ]


def _missed(roots: Sequence[ImageRecord], rules: Sequence[ReplicationRule]) -> list[str]:
    return [
        f"the repository {root.repository} is not replicated by the filter {prefix}, which it misses by little"
        for root in roots
        for prefix in near_misses(rules, root.repository)
    ]
