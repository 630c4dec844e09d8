"""
Claims on tags: of two uploads that set one tag, the one accepted later has it in the end.

A claim is also a lock for the moment of putting, so that an earlier upload that is slow cannot put after a later one.
Sequencers of S3 compare only within one key, so acceptance is the order (docs/decisions/0004).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from chalicelib.errors import SupersededError, TemporaryError
from chalicelib.oci.reference import Repository, RepositoryName, Tag
from chalicelib.outside import Outside
from chalicelib.ports import Put
from chalicelib.records import claim_key
from chalicelib.upload import SHAPE, Upload

_DAY = 86_400.0


def claim(outside: Outside, upload: Upload, tags: Iterable[tuple[RepositoryName, Tag]]) -> list[Put]:
    """
    Claim *tags* for *upload*, lock them for the time of its lease, and return the changes that unlock them.

    Raises:
        SupersededError: A later upload holds one of them.
        TemporaryError: An earlier upload is putting one of them at this moment.
        ConflictError: Somebody claimed one of them at the same time.
    """
    registry = outside.deployment.registry
    return [_claim(outside, upload, Repository(registry, name), tag) for name, tag in tags]


def demand_claims(outside: Outside, upload: Upload, tags: Iterable[tuple[RepositoryName, Tag]]) -> None:
    """
    Return if *upload* still holds *tags*.

    Raises:
        SupersededError: A later upload holds one of them.
    """
    for name, tag in tags:
        stored = outside.table.get(claim_key(Repository(outside.deployment.registry, name), tag))
        if stored and stored.item["upload"] != upload.id:
            raise SupersededError(f"a later upload claimed {name}:{tag}")


def _claim(outside: Outside, upload: Upload, repository: Repository, tag: Tag) -> Put:
    now = outside.clock.now()
    key = claim_key(repository, tag)
    stored = outside.table.get(key)
    if stored and stored.item["upload"] != upload.id:
        if stored.item["accepted"] > upload.accepted:
            raise SupersededError(f"a later upload claimed {repository.name}:{tag}")
        if stored.item["until"] > now:
            raise TemporaryError(f"an earlier upload is putting {repository.name}:{tag}")
    item = {"v": SHAPE, "upload": upload.id, "accepted": upload.accepted, "until": now + outside.settings.lease}
    expires = now + outside.settings.keep_days * _DAY
    lock = Put(key, item, stored.revision if stored else 0, expires=expires)
    outside.table.write([lock])
    return replace(lock, item={**item, "until": 0.0}, revision=lock.revision + 1)
