"""A user's permissions boundary: kept, shown, and in force at every call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from transship.local.accounts import SOURCE_ACCOUNT
from transship.local.stack import LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONLY_QUEUES = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class Account:
    """An account, with its administrator's view of users and everybody's clients."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.made: list[Any] = []
        keys = aws.administrator(SOURCE_ACCOUNT)
        self.iam = self.client("iam", keys.access_key, keys.secret_key)
        document = json.dumps(ONLY_QUEUES)
        self.boundary = self.iam.create_policy(PolicyName="queues", PolicyDocument=document)["Policy"]["Arn"]

    def client(self, service: str, key: str, secret: str) -> Any:
        made: Any = boto3.client(
            service,  # type: ignore[call-overload]
            region_name="us-east-1",
            endpoint_url=self.aws.endpoint_url,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )
        self.made.append(made)
        return made

    def create(self, name: str, **more: Any) -> str:
        created = self.iam.create_user(UserName=name, **more)["User"]
        self.iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
        return str(created["UserId"])

    def may(self, name: str) -> list[str]:
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        allowed = []
        for service, operation in (("sqs", "list_queues"), ("s3", "list_buckets")):
            try:
                getattr(self.client(service, key["AccessKeyId"], key["SecretAccessKey"]), operation)()
            except ClientError as error:
                assert "no permissions boundary allows" in str(error)  # noqa: PT017 - either outcome is tested
            else:
                allowed.append(service)
        return allowed


@pytest.fixture(name="account", scope="module")
def _account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    path: Path = tmp_path_factory.mktemp("aws")
    with LocalAws(path) as aws:
        account = Account(aws)
        yield account
        for client in account.made:
            client.close()


def test_user_made_with_a_boundary_is_bound(account: Account) -> None:
    user_id = account.create("bound", PermissionsBoundary=account.boundary, Path="/team/")

    shown = account.iam.get_user(UserName="bound")["User"]
    assert shown["PermissionsBoundary"]["PermissionsBoundaryArn"] == account.boundary
    assert (shown["Path"], shown["UserId"], user_id[:4]) == ("/team/", user_id, "AIDA")
    assert account.may("bound") == ["sqs"]


def test_boundary_comes_and_goes(account: Account) -> None:
    account.create("free")
    assert account.may("free") == ["sqs", "s3"]

    account.iam.put_user_permissions_boundary(UserName="free", PermissionsBoundary=account.boundary)
    assert account.may("free") == ["sqs"]

    account.iam.delete_user_permissions_boundary(UserName="free")
    account.iam.delete_access_key(
        UserName="free",
        AccessKeyId=account.iam.list_access_keys(UserName="free")["AccessKeyMetadata"][0]["AccessKeyId"],
    )
    assert account.may("free") == ["sqs", "s3"]


def test_simulator_knows_it(account: Account) -> None:
    account.create("simulated", PermissionsBoundary=account.boundary)

    result = account.iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{SOURCE_ACCOUNT}:user/simulated", ActionNames=["s3:ListAllMyBuckets"]
    )["EvaluationResults"][0]

    assert result["EvalDecision"] == "implicitDeny"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}


def test_boundary_of_nobody_and_by_nothing_is_refused(account: Account) -> None:
    iam, nothing = account.iam, f"arn:aws:iam::{SOURCE_ACCOUNT}:policy/none"

    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.put_user_permissions_boundary(UserName="nobody", PermissionsBoundary=account.boundary)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.create_user(UserName="unbound", PermissionsBoundary=nothing)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_user(UserName="unbound")
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.create_user(UserName="administrator", PermissionsBoundary=account.boundary)
