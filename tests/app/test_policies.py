"""The policies of the functions: sound, no wider than the calls that are made, and narrowed when deployed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.access.needs import LOOKERS, ON_ANYTHING, ON_REPOSITORY
from chalicelib.access.policy_document import PolicyKind, parse_policy
from chalicelib.aws.dynamodb import _VERBS
from chalicelib.names import CONFIRM, FUNCTIONS, PUBLISH, PUSH, RECEIVE, SWEEP, Deployment
from chalicelib.settings import Reader, Settings
from tests.linters import lint_policy
from transship.deploy.paths import ROOT
from transship.deploy.policies import narrow
from transship.deploy.project import read_policy

DEPLOYMENT = Deployment("prod", "aws-cn", "cn-north-1", "111122223333")
READER = Reader("arn:aws-cn:iam::444455556666:role/team/transship-prod-read-back", "external")

EVERY_RESOURCE = {
    "ecr:GetAuthorizationToken": "a token is good for all that its bearer may do: ECR knows no resource for it",
    "ecr:DescribeRegistry": "the registry is the account: ECR knows no resource for it",
    "ecr:DescribeRepositoryCreationTemplates": "the registry is the account: ECR knows no resource for it",
    "ecr:GetRegistryPolicy": "the registry is the account: ECR knows no resource for it",
}
BY_OPERATORS = {"ecr:StartReplicationBackfill", "ecr:DescribeReplicationBackfillResults"}
"""Calls of `transship heal`, which no function makes."""
NOT_BY_OUR_CODE = {
    "sqs:DeleteMessage": "Lambda, after a function has returned",
    "sqs:GetQueueAttributes": "Lambda, which reads the queue with the function's role",
    "sqs:ReceiveMessage": "Lambda, which reads the queue with the function's role",
    "dynamodb:DeleteItem": "TransactWriteItems",
    "s3:ListBucket": "GetObject, which without it calls an absent object forbidden",
    "ecr:TagResource": "CreateRepository, where the repository gets tags",
    "kms:CreateGrant": "CreateRepository, where the repository gets a key",
    "kms:DescribeKey": "CreateRepository, where the repository gets a key",
    "kms:RetireGrant": "CreateRepository, where the repository gets a key",
    "kms:GenerateDataKey": "PutObject, where the bucket has a key",
    "kms:Decrypt": "GetObject, where the bucket has a key",
    "logs:CreateLogStream": "Lambda, which writes the log with the function's role",
    "logs:PutLogEvents": "Lambda, which writes the log with the function's role",
    "sts:AssumeRole": "botocore's credentials of a role",
}


def statements(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield every statement id, action and resource."""
    for statement in document["Statement"]:
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                yield statement["Sid"], action, resource


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def actions(function: str, service: str = "") -> set[str]:
    return {action for _, action, _ in statements(read_policy(function)) if action.startswith(service)}


def narrowed(function: str, settings: Settings | None = None) -> dict[str, Any]:
    return narrow(read_policy(function), DEPLOYMENT, settings or Settings(stage="prod"))


def test_linter_finds_an_unknown_action() -> None:
    unknown = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecr:PushImage", "Resource": "*"}}

    assert "UNKNOWN_ACTION" in lint_policy(unknown)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_policy_keeps_the_grammar(function: str) -> None:
    for document in (read_policy(function), narrowed(function)):
        parse_policy(document, name=function, kind=PolicyKind.IDENTITY)

        assert set(lint_policy(document)) <= {"RESOURCE_EFFECTIVELY_STAR"}  # of ECR's repositories


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_resource_only_where_aws_knows_none(function: str) -> None:
    everywhere = {action for _, action, resource in statements(read_policy(function)) if resource == "*"}

    assert everywhere <= set(EVERY_RESOURCE)
    assert all("NoArn" in sid for sid, _, resource in statements(read_policy(function)) if resource == "*")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_action_is_a_pattern(function: str) -> None:
    assert not [action for action in actions(function) if "*" in action or "?" in action]


def test_every_action_is_one_that_somebody_calls() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "chalicelib" / "aws").glob("*.py"))
    called = set(re.findall(r'aws_call\(\s*"([a-z0-9]+:[A-Za-z]+)"', sources)) - {"dynamodb:TransactWriteItems"}
    called |= {f"dynamodb:{verb}Item" for verb in _VERBS.values()}  # what a transaction may consist of
    granted = set[str]().union(*(actions(function) for function in FUNCTIONS))

    assert granted <= called | set(NOT_BY_OUR_CODE)
    assert called - BY_OPERATORS - {"sts:GetCallerIdentity"} <= granted  # that one needs no permission


@pytest.mark.parametrize("function", [RECEIVE, PUSH, PUBLISH, CONFIRM])
def test_what_preflight_asks_is_what_the_policy_allows(function: str) -> None:
    asked = {*ON_REPOSITORY[function], *ON_ANYTHING.get(function, ())}

    assert asked <= actions(function, "ecr:")


def test_only_publish_puts_images() -> None:
    assert [function for function in FUNCTIONS if "ecr:PutImage" in actions(function)] == [PUBLISH]


def test_only_receive_creates_repositories() -> None:
    assert [function for function in FUNCTIONS if "ecr:CreateRepository" in actions(function)] == [RECEIVE]


def test_sweep_reads_no_object_and_no_registry() -> None:
    assert not [action for action in actions(SWEEP) if action.startswith(("ecr:", "s3:Get"))]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_narrowed_policy_names_partition_account_and_stage(function: str) -> None:
    for sid, _, arn in statements(
        narrowed(function, Settings(stage="prod", bucket_kms_key="arn:aws-cn:kms:cn-north-1:111122223333:key/k"))
    ):
        if arn == "*":
            continue
        _, partition, service, _, account, resource = arn.split(":", 5)
        assert partition == "aws-cn", sid
        assert account == ("" if service == "s3" else "111122223333"), sid
        assert service in {"ecr", "kms"} or "transship-prod" in resource, sid


@pytest.mark.parametrize("function", FUNCTIONS)
def test_narrowed_policy_is_no_wider(function: str) -> None:
    wide = {(sid, action) for sid, action, _ in statements(read_policy(function))}

    assert {(sid, action) for sid, action, _ in statements(narrowed(function))} <= wide


def _sids(function: str, settings: Settings) -> set[str]:
    return {sid for sid, _, _ in statements(narrowed(function, settings))}


def test_creating_is_allowed_only_where_the_settings_create() -> None:
    creating = Settings(stage="prod", create_repositories=True)

    assert "CreateRepositories" not in _sids(RECEIVE, Settings(stage="prod"))
    assert "CreateRepositories" in _sids(RECEIVE, creating)
    assert "GrantRepositoryKey" not in _sids(RECEIVE, creating)


def test_keys_are_those_of_the_settings() -> None:
    settings = Settings(
        stage="prod",
        create_repositories=True,
        repository_kms_key="arn:aws-cn:kms:r:a:key/repository",
        bucket_kms_key="arn:aws-cn:kms:r:a:key/bucket",
    )
    found = {sid: arn for sid, _, arn in statements(narrowed(RECEIVE, settings))}

    assert found["GrantRepositoryKey"] == "arn:aws-cn:kms:r:a:key/repository"
    assert found["DecryptUploads"] == "arn:aws-cn:kms:r:a:key/bucket"


def test_read_back_roles_are_those_of_the_settings() -> None:
    settings = Settings(stage="prod", readers={"444455556666": READER})
    for function in LOOKERS:
        found = [arn for sid, _, arn in statements(narrowed(function, settings)) if sid == "ReadBackElsewhere"]

        assert found == [READER.role_arn]
        assert "ReadBackElsewhere" not in _sids(function, Settings(stage="prod"))


def test_roles_that_push_elsewhere_are_those_of_the_settings() -> None:
    settings = Settings(stage="prod", target_account="444455556666", writers={"444455556666": READER})
    found = [arn for sid, _, arn in statements(narrowed(PUSH, settings)) if sid == "PushElsewhere"]

    assert found == [READER.role_arn]
    assert "PushElsewhere" not in _sids(PUSH, Settings(stage="prod"))


def test_without_a_role_there_our_own_reaches_the_repositories_of_the_target_account() -> None:
    settings = Settings(stage="prod", target_account="444455556666")
    found = [arn for sid, _, arn in statements(narrowed(PUSH, settings)) if sid == "PushLayers"]

    assert {arn.split(":")[4] for arn in found} == {"111122223333", "444455556666"}


def test_objects_are_read_below_the_prefix_of_the_settings() -> None:
    found = [arn for sid, _, arn in statements(narrowed(PUSH, Settings(prefix="in/"))) if sid == "ReadUploads"]

    assert found == ["arn:aws-cn:s3:::transship-prod-111122223333-*/in/*"]
