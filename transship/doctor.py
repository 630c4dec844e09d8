"""
What an operator can find out about a deployment: what holds, what does not, and how each is mended.

`deploy.checks` looks at the functions, queues, notification and schedule; here follow the rest: what the roles may do
in given repositories, where images must arrive and who reads them back there, and whether anything has given up.
Everything only reads, with the rights of whoever calls it; what could not be looked at is a finding that does not hold.

Left out: policies in other accounts, which only they can read; the read-back shows whether they are right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.access.documents import missing_statement
from chalicelib.access.needs import Need, Wanted, needs
from chalicelib.aws.ecr import EcrRegistries
from chalicelib.aws.session import Session
from chalicelib.aws.sts_iam import AwsIdentity
from chalicelib.errors import TransshipError
from chalicelib.names import QUEUES, RECEIVE, Deployment, function_name, queue_name, role_name
from chalicelib.oci.reference import Registry, Repository, RepositoryName
from chalicelib.replicas.destinations import destinations
from chalicelib.settings import Settings
from transship.deploy.checks import Finding, check
from transship.rights import examine_rights

_FAULTS = (BotoCoreError, ClientError, TransshipError)


def examine(deployment: Deployment, session: boto3.Session, repositories: Sequence[RepositoryName]) -> list[Finding]:
    """Make every check of *deployment*, those of permissions and replication for each of *repositories*."""
    checks: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("the deployment can be examined", lambda: check(deployment, session)),
        ("the table can be examined", lambda: _table(deployment, session.client("dynamodb"))),
        ("the bus can be examined", lambda: _bus(deployment, session.client("events"))),
        ("dead letters can be counted", lambda: _dead_letters(deployment.stage, session.client("sqs"))),
        ("permissions can be examined", lambda: _outward(deployment, session, repositories)),
    ]
    return [finding for subject, examined in checks for finding in _made(subject, examined)]


def _outward(
    deployment: Deployment, session: boto3.Session, repositories: Sequence[RepositoryName]
) -> Iterator[Finding]:
    outlook = Outlook.read(deployment, session, repositories)
    yield from _replication(outlook, deployment)
    yield from examine_rights(deployment, outlook.settings, AwsIdentity(Session()))
    yield from _permissions(outlook, deployment)


def _made(subject: str, examined: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(examined())
    except _FAULTS as error:
        return [Finding(subject, holds=False, remedy=f"AWS did not answer: {error}")]


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


def _replication(outlook: Outlook, deployment: Deployment) -> Iterator[Finding]:
    for name, found in outlook.destinations.items():
        shown = ", ".join(map(str, sorted(found)))
        yield Finding(
            f"repository {name} is replicated to {shown or 'other registries'}",
            bool(found),
            f"No replication rule of {deployment.registry} takes {name}: what is pushed there stays there. "
            "Add a rule with PutReplicationConfiguration, unless that is meant.",
        )
    for account in sorted(outlook.accounts - {deployment.account}):
        yield Finding(
            f"reader of images in {account} is named",
            account in outlook.settings.readers or outlook.settings.reported_suffices,
            f"Name one in TRANSSHIP_READERS; `transship policy --for read-back --account {account}` and "
            "`transship policy --for trust` print what it needs.",
        )


def _permissions(outlook: Outlook, deployment: Deployment) -> Iterator[Finding]:
    identity = AwsIdentity(Session())
    for need in needs(outlook.wanted(deployment)):
        role = role_name(deployment.stage, need.function)
        context = {"aws:RequestedRegion": need.region, **dict(need.context)}
        decisions = identity.simulate(identity.role_arn(role), need.actions, need.resources, context)
        for resource in need.resources:
            denied = [told.action for told in decisions if told.resource == resource and not told.allowed]
            yield _permission(role, need, resource, denied)


def _permission(role: str, need: Need, resource: str, denied: Sequence[str]) -> Finding:
    said = f"all {len(need.actions)} actions" if len(need.actions) > 1 else need.actions[0]
    return Finding(
        f"role {role} may do {said} on {resource}",
        not denied,
        f"Add to its policy, unless a statement denies it: {json.dumps(missing_statement(denied, resource))}",
    )


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where images of each repository must arrive, and the settings by which they are read back there."""

    destinations: Mapping[RepositoryName, frozenset[Registry]]
    settings: Settings

    @classmethod
    def read(cls, deployment: Deployment, session: boto3.Session, names: Sequence[RepositoryName]) -> Self:
        """Read the registry's rules and the settings of the deployed functions."""
        registry = deployment.registry
        rules = EcrRegistries(Session(), deployment.account, {}).client(registry).replication_rules()
        functions = session.client("lambda")
        deployed = functions.get_function_configuration(FunctionName=function_name(deployment.stage, RECEIVE))
        settings = Settings.from_environment(deployed.get("Environment", {}).get("Variables", {}))
        return cls({name: destinations(rules, name, registry) for name in names}, settings)

    @property
    def accounts(self) -> set[str]:
        """The accounts that images must arrive in."""
        return {registry.account for found in self.destinations.values() for registry in found}

    def wanted(self, deployment: Deployment) -> Wanted:
        """Return what a push to every repository would ask of IAM."""
        own = {(name, place) for name, found in self.destinations.items() for place in found}
        readers = (
            self.settings.readers[account].role_arn for account in sorted(self.accounts & {*self.settings.readers})
        )
        return Wanted(
            partition=deployment.partition,
            registry=deployment.registry,
            repositories={Repository(deployment.registry, name): {} for name in self.destinations},
            replicas=tuple(
                Repository(place, name) for name, place in sorted(own) if place.account == deployment.account
            ),
            readers=tuple(readers),
        )
