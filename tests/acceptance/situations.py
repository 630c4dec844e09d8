"""What may be wrong around the local stage, each for the length of a `with` block."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3

from chalicelib.oci.reference import Registry
from transship.deploy import deploy, project
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT
from transship.local.ecr.faults import parse_fault
from transship.local.protocol import AwsError
from transship.local_stage import STAGE, LocalStage
from transship.local_world import READ_BACK_ROLE

OWN = Registry(SOURCE_ACCOUNT, "eu-west-1")
FAR = Registry(OTHER_ACCOUNT, "eu-central-1")
HELD = f"ReplicateImage:region={FAR.region}:seconds=86400:slow"
"""Nothing arrives at FAR before `ecr.hurry`."""
HELD_EVERYWHERE = "ReplicateImage:seconds=86400:slow"
PutEvents = Callable[[str, str, Sequence[Mapping[str, Any]]], Any]
"""Of the local bus: account, Region, entries."""


@contextmanager
def faults(stage: LocalStage, *rules: str) -> Iterator[None]:
    """Let calls of ECR fail by *rules*."""
    found = stage.aws.ecr.faults
    for rule in rules:
        found.add(parse_fault(rule))
    try:
        yield
    finally:
        found.clear()


@contextmanager
def options(stage: LocalStage, **changes: Any) -> Iterator[None]:
    """Let ECR behave otherwise."""
    usual = stage.aws.ecr.options
    stage.aws.ecr.options = dataclasses.replace(usual, **changes)
    try:
        yield
    finally:
        stage.aws.ecr.options = usual


@contextmanager
def without_policy(stage: LocalStage, registry: Registry) -> Iterator[None]:
    """Let *registry* accept no replicas."""
    client = stage.client("ecr", registry.account, registry.region)
    usual = client.get_registry_policy()["policyText"]
    client.delete_registry_policy()
    try:
        yield
    finally:
        client.put_registry_policy(policyText=usual)


@contextmanager
def without_read_back(stage: LocalStage) -> Iterator[None]:
    """Let the read-back role of the other account read nothing."""
    iam = stage.client("iam", OTHER_ACCOUNT)
    (name,) = iam.list_role_policies(RoleName=READ_BACK_ROLE)["PolicyNames"]
    usual = iam.get_role_policy(RoleName=READ_BACK_ROLE, PolicyName=name)["PolicyDocument"]
    iam.delete_role_policy(RoleName=READ_BACK_ROLE, PolicyName=name)
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=READ_BACK_ROLE, PolicyName=name, PolicyDocument=json.dumps(usual))


@contextmanager
def without_reader(stage: LocalStage) -> Iterator[None]:
    """Let the read-back role of the other account not be there."""
    iam = stage.client("iam", OTHER_ACCOUNT)
    trust = iam.get_role(RoleName=READ_BACK_ROLE)["Role"]["AssumeRolePolicyDocument"]
    with without_read_back(stage):
        iam.delete_role(RoleName=READ_BACK_ROLE)
        try:
            yield
        finally:
            iam.create_role(RoleName=READ_BACK_ROLE, AssumeRolePolicyDocument=json.dumps(trust))


@contextmanager
def rules(stage: LocalStage, changed: list[dict[str, Any]]) -> Iterator[None]:
    """Let the source registry replicate by other rules."""
    client = stage.client("ecr")
    usual = client.describe_registry()["replicationConfiguration"]
    client.put_replication_configuration(replicationConfiguration={"rules": changed})
    try:
        yield
    finally:
        client.put_replication_configuration(replicationConfiguration=usual)


@dataclass
class Bus:
    """
    PutEvents of the local AWS, out of order until `mend`.

    Attributes:
        refused: How many requests it has not taken.
        taken: How often it took each event, by detail.id.
        texts: Every text in which an event was put, taken or not, by detail.id.
    """

    refused: int = 0
    taken: Counter[str] = field(default_factory=Counter)
    texts: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _works: bool = False

    def mend(self) -> None:
        """Take whatever comes from now on."""
        self._works = True

    def put(self, usual: PutEvents, account: str, region: str, given: Sequence[Mapping[str, Any]]) -> Any:
        """Put events as *usual*, or fail."""
        texts = {str(json.loads(entry["Detail"])["id"]): entry["Detail"] for entry in given}
        for identity, text in texts.items():
            self.texts[identity].add(text)
        if not self._works:
            self.refused += 1
            raise AwsError("InternalFailure", "PutEvents is out of order", 500)
        self.taken.update(texts.keys())
        return usual(account, region, given)


@contextmanager
def bus_out_of_order(stage: LocalStage) -> Iterator[Bus]:
    """Let every PutEvents fail, until the yielded bus is mended."""
    bus, events = Bus(), stage.aws.events
    with patch.object(events, "put_events", partial(bus.put, events.put_events)):
        yield bus


@contextmanager
def one_entry_refused(stage: LocalStage, place: int, entries: int) -> Iterator[list[str]]:
    """
    Let the first PutEvents of at least *entries* entries refuse the one at *place*, and each later one refuse it too.

    Yields its id.
    """
    usual = stage.aws.events.put_events
    refused: list[str] = []

    def put(account: str, region: str, given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        ids = [json.loads(entry["Detail"])["id"] for entry in given]
        if not refused and len(given) >= entries:
            refused.append(ids[place])
        taken = iter(
            usual(account, region, [entry for entry, one in zip(given, ids, strict=True) if one not in refused])
        )
        failure = {"ErrorCode": "InternalFailure", "ErrorMessage": "this one was not taken"}
        return [failure if one in refused else next(taken) for one in ids]

    with patch.object(stage.aws.events, "put_events", put):
        yield refused


@contextmanager
def without_notifications(stage: LocalStage) -> Iterator[None]:
    """Let S3 tell nobody of new objects."""
    s3, bucket = stage.client("s3"), stage.deployment.bucket
    usual = s3.get_bucket_notification_configuration(Bucket=bucket)
    usual.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        yield
    finally:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=usual)


@contextmanager
def redeployed(
    stage: LocalStage, settings: Mapping[str, str], foundation: Mapping[str, str] | None = None
) -> Iterator[None]:
    """
    Let the stage be deployed otherwise, as by an operator who changed `.chalice/config.json`.

    *settings* are variables of the functions, *foundation* parameters of their stack.
    """
    session = boto3.Session(region_name=stage.deployment.region)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(shutil.copytree(project.CONFIG.parent, Path(folder) / "chalice")) / project.CONFIG.name
        document = json.loads(config.read_text())
        described = document["stages"][STAGE]
        described["environment_variables"] |= settings
        described["foundation_parameters"] = {**described.get("foundation_parameters", {}), **(foundation or {})}
        config.write_text(json.dumps(document))
        try:
            with patch.object(project, "CONFIG", config):
                deploy(STAGE, session)
            yield
        finally:
            deploy(STAGE, session)
