"""
Where images must arrive, who reads them back there, and whether the destinations let them in.

What keeps replicas out is judged by `chalicelib.replicas.diagnosis`, as for an image that did not arrive; only what is
certain counts here. A destination's policy is its account's own: it is read through the role that reads images back,
where that trusts whoever calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from chalicelib.errors import RefusedError
from chalicelib.oci.reference import Registry, Repository, RepositoryName
from chalicelib.outside import Outside
from chalicelib.ports.registry import ReplicationRule
from chalicelib.replacing import replace
from chalicelib.replicas.destinations import destinations, near_misses
from chalicelib.replicas.diagnosis import Cause, Evidence, obstacles, unread
from chalicelib.replicas.evidence import Sight
from transship.finding import Finding

_ANY: Final = "any"


def examine_replication(
    outside: Outside, names: Sequence[RepositoryName], rules: Sequence[ReplicationRule]
) -> Iterator[Finding]:
    """Look at where repositories *names* are replicated to by *rules*, and at each of these registries."""
    here = outside.deployment.registry
    yield Finding(
        f"registry {here} replicates",
        bool(rules),
        "It has no replication rule: what is pushed stays there. Add one with PutReplicationConfiguration.",
    )
    for name in names:
        yield _configured(name, destinations(rules, name, here), rules, here)
    asked = [*names, *(_one_of(prefix) for rule in rules for prefix in rule.prefixes or ("",))]
    reached = {name: destinations(rules, name, here) for name in dict.fromkeys(asked)}
    yield from _readers(outside, {registry.account for found in reached.values() for registry in found})
    yield from _destinations(outside, reached, rules)


def _one_of(prefix: str) -> RepositoryName:
    """Return a repository that a rule takes, for what holds of a destination whoever pushes where."""
    try:
        return RepositoryName(f"{prefix}any")
    except RefusedError:
        return RepositoryName(_ANY)  # no repository can have that beginning


def _configured(
    name: RepositoryName, found: frozenset[Registry], rules: Sequence[ReplicationRule], here: Registry
) -> Finding:
    shown = ", ".join(map(str, sorted(found))) or "other registries"
    near = "".join(f" It misses the filter {prefix} by little." for prefix in near_misses(rules, name))
    return Finding(
        f"repository {name} is replicated to {shown}",
        bool(found),
        f"No replication rule of {here} takes {name}: what is pushed there stays there.{near} "
        "Add a rule with PutReplicationConfiguration, unless that is meant.",
    )


def _readers(outside: Outside, accounts: set[str]) -> Iterator[Finding]:
    settings = outside.settings
    for account in sorted(accounts - {outside.deployment.account}):
        yield Finding(
            f"reader of images in {account} is named",
            account in settings.readers or settings.reported_suffices,
            f"Name one in TRANSSHIP_READERS; `transship policy --for read-back --account {account} --role ARN` and "
            "`transship policy --for trust` print what it needs.",
        )


def _destinations(
    outside: Outside, reached: Mapping[RepositoryName, frozenset[Registry]], rules: Sequence[ReplicationRule]
) -> Iterator[Finding]:
    sight = Sight(outside)
    for registry in sorted({registry for found in reached.values() for registry in found}):
        names = [name for name, found in reached.items() if registry in found]
        seen = [sight.of(Repository(registry, name), tuple(rules)) for name in names]
        prefixes = _prefixes(rules, registry)
        yield _destination(outside, registry, [replace(evidence, prefixes=prefixes) for evidence in seen])


def _prefixes(rules: Sequence[ReplicationRule], registry: Registry) -> tuple[str, ...]:
    """Return the beginnings of all names that *rules* send to *registry*; the empty one is every name."""
    sending = [rule for rule in rules if registry in rule.destinations]
    return tuple(dict.fromkeys(prefix for rule in sending for prefix in (rule.prefixes or ("",))))


def _destination(outside: Outside, registry: Registry, seen: Sequence[Evidence]) -> Finding:
    shown = ", ".join(f"{prefix}*" for prefix in seen[0].prefixes)
    subject = f"destination {registry} takes replicas of {shown}"
    causes = {cause.reason: cause for evidence in reversed(seen) for cause in obstacles(evidence) if cause.certain}
    if causes:
        return Finding(subject, holds=False, remedy="\n  ".join(map(_told, causes.values())))
    if reasons := list(dict.fromkeys(reason for evidence in seen for reason in unread(evidence))):
        return Finding(subject, holds=None, remedy=_how_to_see(outside, registry, reasons))
    return Finding(subject, holds=True)


def _told(cause: Cause) -> str:
    mend = cause.mend
    if "command" in mend:
        return f"{cause.detail}. In account {mend['account']}: {mend['command']}"
    if "statement" in mend:
        return f"{cause.detail}. Add to {mend['attach_to']}: {json.dumps(mend['statement'])}"
    return f"{cause.detail}: mend the {mend['attach_to']}."


def _how_to_see(outside: Outside, registry: Registry, reasons: Sequence[str]) -> str:
    here, reader = outside.deployment, outside.settings.readers.get(registry.account)
    if registry.account == here.registry.account:
        return f"{reasons[0]}."  # within an account no policy is needed, only to look
    policy = (
        f"compare its registry policy with `transship policy --for replicas --account {registry.account} "
        f"--region {registry.region} --source-account {here.registry.account}`"
    )
    if reader is None:
        return f"{reasons[0]}. There, {policy}."
    trust = f"let the trust policy of {reader.role_arn} name you too (`transship policy --for trust`)"
    return f"{reasons[0]}. Either {trust}, or {policy} there."
