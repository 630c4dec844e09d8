"""
Reading what may explain why images do not arrive; `diagnosis` says what follows.

Every reading may be denied: a destination owes us none of it. What is denied is said, and nothing fails for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from chalicelib.access.denied_look import role_of
from chalicelib.errors import FinalError, RepositoryAbsent, TemporaryError
from chalicelib.names import CONFIRM
from chalicelib.oci.reference import Registry, Repository, RepositoryName
from chalicelib.outside import Outside
from chalicelib.ports.registry import CreationTemplate, RegistryClient, ReplicationRule, RepositorySettings
from chalicelib.replacing import replace
from chalicelib.replicas.destinations import Lack
from chalicelib.replicas.diagnosis import Evidence, Unread, causes
from chalicelib.state.ledger import Ledger
from chalicelib.state.records import ReplicaRecord

T = TypeVar("T")
_MOST: Final = 25
"""Replicas that are looked into: up to four calls each, in the last look of a 60 s function, and 2 KB of the event."""
_NO_READER = Unread("no role is configured that may read there")


def diagnose(outside: Outside, upload: str, missing: Sequence[ReplicaRecord]) -> list[dict[str, Any]]:
    """
    Return for each of *missing*, replicas of *upload*, what is lacking there and why, as JSON values.

    Of very many, one of each destination and failure is looked into first; "alike" counts those that were not.
    """
    sight = Sight(outside)
    rules = sight.rules()
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
            "causes": [cause.to_item() for cause in causes(evidence)],
        }
        for replica, evidence in ((one, _evidence(sight, upload, one, tags[one.image], rules)) for one in chosen)
    ]


def _evidence(
    sight: Sight,
    upload: str,
    replica: ReplicaRecord,
    tags: tuple[str, ...],
    rules: tuple[ReplicationRule, ...] | Unread,
) -> Evidence:
    repository = Repository(replica.registry, replica.repository)
    seen = sight.of(repository, rules)
    return replace(seen, upload=upload, tags=tags, lack=replica.failure, lifecycle=sight.lifecycle(repository))


def _one_of_each_first(missing: Sequence[ReplicaRecord]) -> list[ReplicaRecord]:
    """Return *missing*, those that stand for a destination and failure before the others like them."""
    first = {(replica.registry, replica.failure): replica for replica in reversed(missing)}
    foremost = [replica for replica in missing if first[replica.registry, replica.failure] is replica]
    return [*foremost, *(replica for replica in missing if replica not in foremost)]


class Sight:
    """What may be read of destinations, what is the whole registry's once for all its repositories."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._confirm = role_of(outside, CONFIRM)
        self._policies: dict[Registry, str | Unread | None] = {}
        self._templates: dict[Registry, tuple[CreationTemplate, ...] | Unread] = {}

    def rules(self) -> tuple[ReplicationRule, ...] | Unread:
        """Return the rules of the registry that is pushed to, as they are now."""
        source = self._outside.deployment.registry
        return _of(self._outside.registries.client(source), lambda client: tuple(client.replication_rules()))

    def of(self, repository: Repository, rules: tuple[ReplicationRule, ...] | Unread) -> Evidence:
        """Return what can be read of *repository* and its registry, as if no image had been sent there yet."""
        registry, name = repository.registry, repository.name
        client = self._outside.registries.reader(registry)
        reader = self._outside.settings.readers.get(registry.account)
        if registry not in self._policies:
            self._policies[registry] = _of(client, lambda there: there.registry_policy())
            self._templates[registry] = _of(client, lambda there: tuple(there.creation_templates()))
        return Evidence(
            partition=self._outside.deployment.partition,
            source=self._outside.deployment.registry,
            repository=repository,
            upload="",
            tags=(),
            lack=Lack.NO_STATUS,
            rules=rules,
            policy=self._policies[registry],
            found=_of(client, lambda there: _repository(there, name)),
            templates=self._templates[registry],
            reader=reader.role_arn if reader else "",
            external_id=reader.external_id if reader else "",
            confirm=self._confirm,
        )

    def lifecycle(self, repository: Repository) -> str | Unread | None:
        """Return the lifecycle policy of *repository* as JSON text, None for none."""
        client = self._outside.registries.reader(repository.registry)
        return _of(client, lambda there: _lifecycle(there, repository.name))


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
    except FinalError as error:
        return Unread(str(error), str(error.facts.get("action", "")))
    except TemporaryError as error:
        return Unread(str(error))
