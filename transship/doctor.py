"""
What an operator can find out about a deployment: what holds, what does not, and how each is mended.

`deploy.checks` looks at the functions, queues, notification and schedule; here follow the rest: the access rules, what
the roles may do in the repositories that these speak of (as preflight judges it, by the same code), where images must
arrive and who reads them back there, and whether anything has given up.
Everything only reads, with the rights of whoever calls it; what could not be looked at is a finding that does not hold.

Left out: policies in other accounts, which only they can read; the read-back shows whether they are right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.access.admission import read_current
from chalicelib.access.authorise import wanted
from chalicelib.access.judgement import Finding as Judged
from chalicelib.access.judgement import Verdict
from chalicelib.access.preflight import judge
from chalicelib.chunks import chunked
from chalicelib.errors import RefusedError, TransshipError
from chalicelib.names import QUEUES, Deployment, queue_name
from chalicelib.oci.reference import RepositoryName
from chalicelib.outside import Outside
from chalicelib.ports.registry import RegistryClient, ReplicationRule
from chalicelib.replicas.destinations import destinations
from transship.deploy.checks import Finding, check
from transship.errors import CommandError
from transship.rights import examine_rights
from transship.workstation import outside_of

_MOST_NAMES: Final = 100  # of one DescribeRepositories
_ENOUGH: Final = 20

Check = tuple[str, Callable[[], Iterable[Finding]]]
"""What a check that itself fails is called, and the check."""

_FAULTS: Final = (BotoCoreError, ClientError, TransshipError, CommandError)


def examine(deployment: Deployment, session: boto3.Session, repositories: Sequence[RepositoryName]) -> list[Finding]:
    """
    Make every check of *deployment*.

    Args:
        deployment: Which one.
        session: The rights that everything is looked at with.
        repositories: Those whose permissions and replication are examined; none: those that the access rules name.
    """
    try:
        outside = outside_of(session, deployment)
    except CommandError as error:
        unread = _unread("settings can be read", error)
        outward: list[Check] = [(unread.subject, lambda: [unread])]
    else:
        rights = (outside.deployment, outside.settings, outside.identity)
        outward = [
            ("rules of access can be examined", lambda: _rules(outside)),
            ("registry can be examined", lambda: _registry(outside, repositories)),
            ("roles can be examined", lambda: examine_rights(*rights)),
        ]
    checks: list[Check] = [
        ("deployment can be examined", lambda: check(deployment, session)),
        ("table can be examined", lambda: _table(deployment, session.client("dynamodb"))),
        ("bus can be examined", lambda: _bus(deployment, session.client("events"))),
        ("dead letters can be counted", lambda: _dead_letters(deployment.stage, session.client("sqs"))),
        *outward,
    ]
    return [finding for subject, examined in checks for finding in _made(subject, examined)]


def _unread(subject: str, error: Exception) -> Finding:
    return Finding(subject, holds=False, remedy=f"AWS did not answer: {error}")


def _rules(outside: Outside) -> Iterator[Finding]:
    try:
        rules = read_current(outside)
    except RefusedError as error:
        yield Finding("rules of access can be read", holds=False, remedy=f"{error.code.remedy} {error.detail}")
        return
    version = f"version {rules.version_id}" if rules.version_id else "the default, without a document"
    yield Finding(f"rules of access can be read: {version}", holds=True)


def _made(subject: str, examined: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(examined())
    except _FAULTS as error:
        return [_unread(subject, error)]


def _table(deployment: Deployment, dynamodb: Any) -> Iterator[Finding]:
    table = dynamodb.describe_table(TableName=deployment.table)["Table"]
    yield Finding(f"table {deployment.table} is ready", table["TableStatus"] == "ACTIVE", "Wait, or deploy again.")


def _bus(deployment: Deployment, events: Any) -> Iterator[Finding]:
    events.describe_event_bus(Name=deployment.bus_arn)
    yield Finding(f"bus {deployment.bus_arn.rpartition('/')[2]} exists", holds=True)


def _dead_letters(stage: str, sqs: Any) -> Iterator[Finding]:
    for queue in QUEUES:
        name = f"{queue_name(stage, queue)}-dead"
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        wanted = "ApproximateNumberOfMessages"
        count = int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[wanted])["Attributes"][wanted])
        yield Finding(
            f"queue {name} is empty",
            count == 0,
            f"It holds {count} messages: the sweep closes their uploads within minutes; see the log of {queue}.",
        )


def _registry(outside: Outside, names: Sequence[RepositoryName]) -> Iterator[Finding]:
    """Look at the registry as preflight does, for each repository that is named or that the rules speak of."""
    registry = outside.registries.client(outside.deployment.registry)
    rules = registry.replication_rules()
    there, absent = _sorted(registry, names or _of_the_rules(outside, registry))
    for name in absent:
        yield Finding(
            f"repository {name} is there or may be created",
            outside.settings.create_repositories,
            "Create it, or set TRANSSHIP_CREATE_REPOSITORIES: until then uploads to it end with REPOSITORY_ABSENT.",
        )
    yield from _replication(outside, [*there, *absent], rules)
    tags = {name: registry.repository_tags(name) for name in there}
    creating = absent if outside.settings.create_repositories else []
    tags |= dict.fromkeys(creating, outside.settings.repository_tags)
    yield from _permissions(judge(outside, wanted(outside, tags, rules, created=creating)))


def _sorted(
    registry: RegistryClient, names: Sequence[RepositoryName]
) -> tuple[list[RepositoryName], list[RepositoryName]]:
    """Return which of *names* are there and which are not."""
    found = {name for chunk in chunked(names, _MOST_NAMES) for name in registry.repositories(chunk)}
    return [name for name in names if name in found], [name for name in names if name not in found]


def _of_the_rules(outside: Outside, registry: RegistryClient) -> list[RepositoryName]:
    """
    Return the repositories that the access rules speak of: by name, or by a pattern that fits one that is there.

    Of those that only a pattern fits no more than a few are taken: what holds for them is mostly the same.
    """
    rules = read_current(outside).rules
    patterns = [pattern for rule in rules for pattern in rule.repositories]
    named = [RepositoryName(pattern) for pattern in dict.fromkeys(patterns) if "*" not in pattern]
    fitting = [name for name in registry.all_repositories() if any(rule.lets({name: ()}) for rule in rules)]
    return list(dict.fromkeys([*named, *fitting[:_ENOUGH]]))


def _replication(
    outside: Outside, names: Sequence[RepositoryName], rules: Sequence[ReplicationRule]
) -> Iterator[Finding]:
    here, settings = outside.deployment, outside.settings
    reached = {name: destinations(rules, name, here.registry) for name in names}
    for name, found in reached.items():
        shown = ", ".join(map(str, sorted(found)))
        yield Finding(
            f"repository {name} is replicated to {shown or 'other registries'}",
            bool(found),
            f"No replication rule of {here.registry} takes {name}: what is pushed there stays there. "
            "Add a rule with PutReplicationConfiguration, unless that is meant.",
        )
    for account in sorted({registry.account for found in reached.values() for registry in found} - {here.account}):
        yield Finding(
            f"reader of images in {account} is named",
            account in settings.readers or settings.reported_suffices,
            f"Name one in TRANSSHIP_READERS; `transship policy --for read-back --account {account}` and "
            "`transship policy --for trust` print what it needs.",
        )


def _permissions(verdict: Verdict) -> Iterator[Finding]:
    """Yield a finding for each role and resource, with the statements that mend what is denied."""
    grouped: dict[tuple[str, str], list[Judged]] = {}
    for one in verdict.findings:
        grouped.setdefault((one.role.rpartition("/")[2] or one.function, one.resource), []).append(one)
    for (role, resource), told in grouped.items():
        said = f"all {len(told)} actions" if len(told) > 1 else told[0].action
        part = replace(verdict, findings=tuple(told))
        yield Finding(f"role {role} may do {said} on {resource}", not part.denied, _remedy(part))


def _remedy(verdict: Verdict) -> str:
    statements = [f"{_place(one)}: {json.dumps(one['statement'])}" for one in verdict.statements()]
    mended = {action for one in verdict.statements() for action in _listed(one["statement"]["Action"])}
    others = [finding.sentence for finding in verdict.denied if finding.action not in mended]
    return "\n  ".join([*(f"Add to {text}" for text in statements), *others])


def _place(addition: Mapping[str, Any]) -> str:
    return f"the {addition['attach_to']} of {addition.get('role') or addition['repository']}"


def _listed(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
