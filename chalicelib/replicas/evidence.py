"""
Reading what may explain why images do not arrive; `diagnosis` says what follows.

Every reading may be denied: a destination owes us none of it. What is denied is said, and nothing fails for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from chalicelib.errors import FinalError, RepositoryAbsent, TemporaryError
from chalicelib.oci.reference import Registry, Repository, RepositoryName
from chalicelib.outside import Outside
from chalicelib.ports.registry import RegistryClient, ReplicationRule, RepositorySettings
from chalicelib.replicas.diagnosis import Cause, Evidence, Unread, causes
from chalicelib.state.ledger import Ledger
from chalicelib.state.records import ReplicaRecord

T = TypeVar("T")
_NO_READER = Unread("no role is configured that may read there")


def diagnose(outside: Outside, upload: str, missing: Iterable[ReplicaRecord]) -> list[dict[str, Any]]:
    """Return for each of *missing*, replicas of *upload*, what is lacking there and why, as JSON values."""
    rules = _rules(outside)
    tags = {row.record.number: tuple(map(str, row.record.tags)) for row in Ledger(outside).images(upload)}
    return [
        {
            "account": replica.registry.account,
            "region": replica.registry.region,
            "repository": str(replica.repository),
            "digest": str(replica.digest),
            "failure": replica.failure,
            "causes": [cause.to_item() for cause in _causes(outside, upload, replica, tags[replica.image], rules)],
        }
        for replica in missing
    ]


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
