"""The world around the local stage: who accepts whose images, who may read them back, who hears of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from transship import local_world as world
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT
from transship.local.stack import LocalAws

CONFIRM = f"arn:aws:iam::{SOURCE_ACCOUNT}:role/transship-local-confirm"


class Clients:
    """boto3 clients of the administrators of one local AWS."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws

    def __call__(self, service: str, account: str, region: str = world.HOME) -> Any:
        keys = self._aws.administrator(account).for_boto3()
        return boto3.client(service, region_name=region, endpoint_url=self._aws.endpoint_url, **keys)  # type: ignore[call-overload] # any service


@pytest.fixture(name="clients", scope="module")
def _clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    with LocalAws(tmp_path_factory.mktemp("aws"), registries=world.REGISTRIES) as aws:
        yield Clients(aws)


def test_the_source_replicates_to_two_registries_of_each_account(clients: Clients) -> None:
    world.configure_replication(clients)

    rules = clients("ecr", *world.SOURCE).describe_registry()["replicationConfiguration"]["rules"]
    assert [
        ([(one["registryId"], one["region"]) for one in rule["destinations"]], rule.get("repositoryFilters", []))
        for rule in rules
    ] == [
        ([(SOURCE_ACCOUNT, "eu-west-1"), (SOURCE_ACCOUNT, "ap-southeast-2")], []),
        (
            [(OTHER_ACCOUNT, "us-east-1"), (OTHER_ACCOUNT, "eu-central-1")],
            [{"filter": prefix, "filterType": "PREFIX_MATCH"} for prefix in ("team/", "vendor/")],
        ),
    ]


def test_confirm_alone_becomes_the_reader_and_only_with_the_external_id(clients: Clients) -> None:
    iam = clients("iam", SOURCE_ACCOUNT)
    trust = {"Principal": {"AWS": f"arn:aws:iam::{SOURCE_ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **trust}]}
    may = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}
    for name in ("transship-local-confirm", "transship-local-push"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(policy))
        iam.put_role_policy(RoleName=name, PolicyName="assume", PolicyDocument=json.dumps(may))

    world.grant_read_back(clients, CONFIRM)

    reader = f"arn:aws:iam::{OTHER_ACCOUNT}:role/{world.READ_BACK_ROLE}"
    assert _assume(_assumed(clients, CONFIRM), reader, world.EXTERNAL_ID)
    with pytest.raises(ClientError, match="AccessDenied"):
        _assume(_assumed(clients, CONFIRM), reader, "another")
    with pytest.raises(ClientError, match="AccessDenied"):
        _assume(_assumed(clients, CONFIRM.replace("confirm", "push")), reader, world.EXTERNAL_ID)


def test_the_subscriber_hears_of_transship_and_of_nothing_else(clients: Clients) -> None:
    events = clients("events", SOURCE_ACCOUNT)
    bus = events.create_event_bus(Name="transship-local")["EventBusArn"]
    subscriber = world.subscribe(clients, bus)

    for source in ("elsewhere", "transship"):
        events.put_events(Entries=[{"Source": source, "DetailType": "T", "Detail": '{"a": 1}', "EventBusName": bus}])

    (event,) = subscriber.receive(wait_seconds=5)
    assert (event["source"], event["account"], event["detail"]) == ("transship", SOURCE_ACCOUNT, {"a": 1})
    assert subscriber.receive(wait_seconds=0) == []


def _assumed(clients: Clients, role: str) -> Any:
    """Return an STS client of a session of *role*."""
    own = clients("sts", SOURCE_ACCOUNT)
    keys = _assume(own, role, None)
    return boto3.client(
        "sts",
        region_name=world.HOME,
        endpoint_url=own.meta.endpoint_url,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def _assume(sts: Any, role: str, external_id: str | None) -> dict[str, str]:
    extra = {"ExternalId": external_id} if external_id else {}
    keys: dict[str, str] = sts.assume_role(RoleArn=role, RoleSessionName="test", **extra)["Credentials"]
    return keys
