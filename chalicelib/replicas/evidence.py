"""
Reading what may explain why images do not arrive; `diagnosis` says what follows.

Every reading may be denied: a destination owes us none of it. What is denied is said, and nothing fails for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from chalicelib.errors import FinalError, RepositoryAbsent, TemporaryError
from chalicelib.oci.reference import Registry, Repository, RepositoryName
from chalicelib.outside import Outside
from chalicelib.ports.registry import RegistryClient, ReplicationRule, RepositorySettings
from chalicelib.replicas.diagnosis import Cause, Evidence, Unread, causes
from chalicelib.state.ledger import Ledger
from chalicelib.state.records import ReplicaRecord

T = TypeVar("T")
_MOST: Final = 25
"""Replicas that are looked into: four calls each, in the last look of a function of 60 s, and 2 KB of the event."""
_NO_READER = Unread("no role is configured that may read there")


def diagnose(outside: Outside, upload: str, missing: Sequence[ReplicaRecord]) -> list[dict[str, Any]]:
    """
    Return for each of *missing*, replicas of *upload*, what is lacking there and why, as JSON values.

    Of very many, one of each destination and failure is looked into first; "alike" counts those that were not.
    """
    rules = _rules(outside)
    tags = {row.record.number: tuple(map(str, row.record.tags)) for row in Ledger(outside).images(upload)}
    chosen = _one_of_each_first(missing)[:_MOST]
    left = Counter((replica.registry, replica.failure) for replica in missing)
    left.subtract((replica.registry, replica.failure) for replica in chosen)
    return [
        {
            "account": replica.registry.account,
            "region": replica.registry.region,
            "repository": str(replica.repository),
            "digest": str(replica.digest),
            "failure": replica.failure,
            "alike": left[replica.registry, replica.failure],
            "causes": [cause.to_item() for cause in _causes(outside, upload, replica, tags[replica.image], rules)],
        }
        for replica in chosen
    ]


def _one_of_each_first(missing: Sequence[ReplicaRecord]) -> list[ReplicaRecord]:
    """Return *missing*, those that stand for a destination and failure before the others like them."""
    first = {(replica.registry, replica.failure): replica for replica in reversed(missing)}
    foremost = [replica for replica in missing if first[replica.registry, replica.failure] is replica]
    return [*foremost, *(replica for replica in missing if replica not in foremost)]


def _causes(
    outside: Outside,
    upload: str,
    replica: ReplicaRecord,
    tags: tuple[str, ...],
    rules: tuple[ReplicationRule, ...] | Unread,
) -> tuple[Cause, ...]:
    registry, name = replica.registry, replica.repository
    client = outside.registries.reader(registry)
    reader = outside.settings.readers.get(registry.account)
    return causes(
        Evidence(
            partition=outside.deployment.partition,
            source=outside.deployment.registry,
            repository=Repository(registry, name),
            upload=upload,
            tags=tags,
            lack=replica.failure,
            rules=rules,
            policy=_of(client, lambda there: there.registry_policy()),
            found=_of(client, lambda there: _repository(there, name)),
            templates=_of(client, lambda there: tuple(there.creation_templates())),
            lifecycle=_of(client, lambda there: _lifecycle(there, name)),
            reader=reader.role_arn if reader else "",
        )
    )


def _rules(outside: Outside) -> tuple[ReplicationRule, ...] | Unread:
    source: Registry = outside.deployment.registry
    return _of(outside.registries.client(source), lambda client: tuple(client.replication_rules()))


def _repository(client: RegistryClient, name: RepositoryName) -> RepositorySettings | None:
    return client.repositories([name]).get(name)


def _lifecycle(client: RegistryClient, name: RepositoryName) -> str | None:
    try:
        return client.lifecycle_policy(name)
    except RepositoryAbsent:
        return None


def _of(client: RegistryClient | None, read: Callable[[RegistryClient], T]) -> T | Unread:
    if client is None:
        return _NO_READER
    try:
        return read(client)
    except (FinalError, TemporaryError) as error:
        return Unread(str(error))
