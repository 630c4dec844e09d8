"""SimulatePrincipalPolicy and SimulateCustomPolicy, through a real boto3 client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.iam.conftest import World

APP = f"arn:aws:ecr:eu-west-1:{SOURCE_ACCOUNT}:repository/app"
OTHER = f"arn:aws:ecr:eu-west-1:{SOURCE_ACCOUNT}:repository/other"
TEMPLATE = "arn:${Partition}:ecr:${Region}:${Account}:repository/${RepositoryName}"


def error_of(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


@pytest.fixture(name="simulate")
def _simulate(world: World) -> Callable[..., Any]:
    return world.client("iam").simulate_principal_policy  # type: ignore[no-any-return]


@pytest.fixture(name="custom")
def _custom(world: World) -> Callable[..., Any]:
    return world.client("iam").simulate_custom_policy  # type: ignore[no-any-return]


def role(world: World, *statements: dict[str, Any], **options: Any) -> str:
    return world.role("pusher", world.trust({"AWS": SOURCE_ACCOUNT}), *statements, **options)


def test_decisions_stand_with_each_resource(world: World, simulate: Callable[..., Any]) -> None:
    arn = role(world, world.allow("ecr:PutImage", APP), world.deny("ecr:PutImage", f"{OTHER}*"))

    answer = simulate(PolicySourceArn=arn, ActionNames=["ecr:PutImage"], ResourceArns=[APP, OTHER])

    (result,) = answer["EvaluationResults"]
    assert answer["IsTruncated"] is False
    assert (result["EvalActionName"], result["EvalResourceName"]) == ("ecr:PutImage", TEMPLATE)
    assert result["EvalDecision"] == "explicitDeny"
    decisions = {one["EvalResourceName"]: one["EvalResourceDecision"] for one in result["ResourceSpecificResults"]}
    assert decisions == {APP: "allowed", OTHER: "explicitDeny"}


def test_every_resource_is_the_default(world: World, simulate: Callable[..., Any]) -> None:
    arn = role(world, world.allow("ecr:GetAuthorizationToken"), world.allow("ecr:PutImage", APP))

    answer = simulate(PolicySourceArn=arn, ActionNames=["ecr:GetAuthorizationToken", "ecr:PutImage"])

    token, put = answer["EvaluationResults"]
    assert (token["EvalResourceName"], token["EvalDecision"]) == ("*", "allowed")
    assert put["EvalDecision"] == "implicitDeny"
    assert "ResourceSpecificResults" not in token
    assert "EvalDecisionDetails" not in token


def test_matched_statement_is_shown_with_its_place(world: World, simulate: Callable[..., Any]) -> None:
    arn = role(world)
    document = (
        '{\n  "Version": "2012-10-17",\n  "Statement": [\n'
        '    {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"},\n'
        '    {"Effect": "Allow",\n     "Action": "ecr:*", "Resource": "*"}\n  ]\n}'
    )
    world.client("iam").put_role_policy(RoleName="pusher", PolicyName="push", PolicyDocument=document)

    answer = simulate(PolicySourceArn=arn, ActionNames=["ecr:PutImage"], ResourceArns=[APP])

    (statement,) = answer["EvaluationResults"][0]["ResourceSpecificResults"][0]["MatchedStatements"]
    assert statement == {
        "SourcePolicyId": "role_pusher_push",
        "SourcePolicyType": "role",
        "StartPosition": {"Line": 5, "Column": 5},
        "EndPosition": {"Line": 6, "Column": 41},
    }


def test_only_the_denying_statement_is_shown(world: World, simulate: Callable[..., Any]) -> None:
    arn = role(world, world.allow("ecr:*"), world.deny("ecr:PutImage"))

    answer = simulate(PolicySourceArn=arn, ActionNames=["ecr:PutImage"], ResourceArns=[APP])

    assert len(answer["EvaluationResults"][0]["MatchedStatements"]) == 1


def test_missing_context_is_reported_until_it_is_given(world: World, simulate: Callable[..., Any]) -> None:
    condition = {"StringEquals": {"ecr:ResourceTag/team": "blue"}}
    arn = role(world, world.allow("ecr:PutImage", Condition=condition))
    question = {"PolicySourceArn": arn, "ActionNames": ["ecr:PutImage"], "ResourceArns": [APP]}
    entry = {"ContextKeyName": "ecr:ResourceTag/team", "ContextKeyValues": ["blue"], "ContextKeyType": "string"}

    (without,) = simulate(**question)["EvaluationResults"]
    (with_it,) = simulate(**question, ContextEntries=[entry])["EvaluationResults"]

    assert (without["EvalDecision"], without["MissingContextValues"]) == ("implicitDeny", ["ecr:ResourceTag/team"])
    assert without["ResourceSpecificResults"][0]["MissingContextValues"] == ["ecr:ResourceTag/team"]
    assert (with_it["EvalDecision"], with_it["MissingContextValues"]) == ("allowed", [])


@pytest.mark.parametrize(
    ("key", "filled"),
    [
        ("aws:PrincipalAccount", True),
        ("aws:PrincipalType", True),
        ("aws:userid", True),
        ("aws:username", True),
        ("aws:PrincipalTag/team", False),
        ("aws:RequestedRegion", False),
        ("aws:SourceIp", False),
    ],
)
def test_context_that_the_simulator_fills_by_itself(
    world: World, simulate: Callable[..., Any], key: str, filled: bool
) -> None:
    world.user("alice", world.allow("ecr:PutImage", Condition={"Null": {key: "false"}}))
    arn = f"arn:aws:iam::{SOURCE_ACCOUNT}:user/alice"

    (result,) = simulate(PolicySourceArn=arn, ActionNames=["ecr:PutImage"])["EvaluationResults"]

    assert result["EvalDecision"] == ("allowed" if filled else "implicitDeny")


@pytest.mark.parametrize("account", [SOURCE_ACCOUNT, OTHER_ACCOUNT], ids=["in the organization", "in none"])
def test_the_simulator_fills_in_the_organization_of_those_who_are_in_one(
    world: World, simulate: Callable[..., Any], account: str
) -> None:
    condition = {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
    world.user("alice", world.allow("ecr:PutImage", Condition=condition))
    arn = f"arn:aws:iam::{SOURCE_ACCOUNT}:user/alice"

    with world.organized({account: "o-a1b2c3d4e5"}):
        (result,) = simulate(PolicySourceArn=arn, ActionNames=["ecr:PutImage"])["EvaluationResults"]

    member = account == SOURCE_ACCOUNT
    assert result["EvalDecision"] == ("allowed" if member else "implicitDeny")
    assert result["MissingContextValues"] == ([] if member else ["aws:PrincipalOrgID"])


def test_session_policies_and_resource_policies_are_not_seen(world: World, simulate: Callable[..., Any]) -> None:
    world.create_repository("app")
    arn = role(world)
    statement = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "ecr:PutImage"}
    world.client("ecr").set_repository_policy(repositoryName="app", policyText=world.document(statement))

    (result,) = simulate(PolicySourceArn=arn, ActionNames=["ecr:PutImage"], ResourceArns=[APP])["EvaluationResults"]

    assert result["EvalDecision"] == "implicitDeny"


def test_boundary_of_the_role_is_reported(world: World, simulate: Callable[..., Any]) -> None:
    iam = world.client("iam")
    document = world.document(world.allow("ecr:*", APP))
    boundary = iam.create_policy(PolicyName="b", PolicyDocument=document)["Policy"]["Arn"]
    arn = role(world, world.allow("ecr:*"), PermissionsBoundary=boundary)

    (result,) = simulate(PolicySourceArn=arn, ActionNames=["ecr:PutImage"], ResourceArns=[APP, OTHER])[
        "EvaluationResults"
    ]

    details = [
        one["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"]
        for one in result["ResourceSpecificResults"]
    ]
    assert details == [True, False]
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}


def test_policies_of_groups_and_of_aws_count(world: World, simulate: Callable[..., Any]) -> None:
    iam = world.client("iam")
    world.user("alice")
    iam.create_group(GroupName="team")
    iam.attach_group_policy(GroupName="team", PolicyArn="arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly")
    iam.add_user_to_group(GroupName="team", UserName="alice")
    arn = f"arn:aws:iam::{SOURCE_ACCOUNT}:user/alice"

    (result,) = simulate(PolicySourceArn=arn, ActionNames=["ecr:BatchGetImage"], ResourceArns=[APP])[
        "EvaluationResults"
    ]

    assert result["EvalDecision"] == "allowed"
    assert result["MatchedStatements"][0]["SourcePolicyType"] == "aws-managed"


def test_more_policies_can_be_tried(world: World, simulate: Callable[..., Any]) -> None:
    arn = role(world, world.allow("ecr:PutImage"))
    more = world.document(world.deny("ecr:PutImage"))

    (result,) = simulate(PolicySourceArn=arn, ActionNames=["ecr:PutImage"], PolicyInputList=[more])["EvaluationResults"]

    assert result["EvalDecision"] == "explicitDeny"
    assert result["MatchedStatements"][0]["SourcePolicyId"] == "PolicyInputList.1"


def test_results_come_in_pages(world: World) -> None:
    arn = role(world, world.allow("ecr:*"))
    actions = ["ecr:PutImage", "ecr:BatchGetImage", "ecr:ListImages", "ecr:DescribeImages", "ecr:UploadLayerPart"]
    pages = world.client("iam").get_paginator("simulate_principal_policy")

    found = list(
        pages.paginate(PolicySourceArn=arn, ActionNames=actions, ResourceArns=[APP], PaginationConfig={"PageSize": 2})
    )

    assert [len(page["EvaluationResults"]) for page in found] == [2, 2, 1]
    assert [page["IsTruncated"] for page in found] == [True, True, False]
    assert [one["EvalActionName"] for page in found for one in page["EvaluationResults"]] == actions


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        (f"arn:aws:iam::{SOURCE_ACCOUNT}:role/missing", "NoSuchEntity"),
        (f"arn:aws:iam::{SOURCE_ACCOUNT}:role/pusher", "NoSuchEntity"),
        (f"arn:aws:sts::{SOURCE_ACCOUNT}:assumed-role/pusher/session", "InvalidInput"),
        (f"arn:aws:iam::{SOURCE_ACCOUNT}:root", "InvalidInput"),
        ("pusher", "InvalidInput"),
    ],
    ids=["missing", "path forgotten", "session", "root", "no ARN"],
)
def test_policy_source_must_be_an_entity(world: World, simulate: Callable[..., Any], arn: str, code: str) -> None:
    role(world, Path="/teams/")

    assert error_of(simulate, PolicySourceArn=arn, ActionNames=["ecr:PutImage"]) == code


@pytest.mark.parametrize(
    "wrong",
    [
        {"ActionNames": ["PutImage"]},
        {"ActionNames": ["ecr:*"]},
        {"ResourceArns": ["app"]},
        {"MaxItems": 0},
        {"MaxItems": 1001},
        {"Marker": "nonsense"},
        {"PolicyInputList": ["{"]},
        {"ResourcePolicy": "{}"},
        {"PermissionsBoundaryPolicyInputList": ["{}", "{}"]},
        {"ContextEntries": [{"ContextKeyName": "a:b", "ContextKeyValues": ["1", "2"], "ContextKeyType": "string"}]},
        {"PolicyExclusionList": [{"PolicyType": "SCP"}]},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_wrong_input_is_refused(world: World, simulate: Callable[..., Any], wrong: dict[str, Any]) -> None:
    arn = role(world)

    assert error_of(simulate, **{"PolicySourceArn": arn, "ActionNames": ["ecr:PutImage"]} | wrong) == "InvalidInput"


def test_simulation_needs_its_own_permission(world: World) -> None:
    arn = role(world)
    alice = world.user("alice", world.allow("iam:SimulatePrincipalPolicy", f"{arn}-other"))
    question = {"PolicySourceArn": arn, "ActionNames": ["ecr:PutImage"]}

    assert error_of(world.client("iam", alice).simulate_principal_policy, **question) == "AccessDenied"


def test_role_of_another_account_cannot_be_simulated(world: World) -> None:
    foreign = world.role("pusher", world.trust({"AWS": OTHER_ACCOUNT}), account=OTHER_ACCOUNT)
    question = {"PolicySourceArn": foreign, "ActionNames": ["ecr:PutImage"]}

    assert error_of(world.client("iam").simulate_principal_policy, **question) == "AccessDenied"


def test_custom_policies_are_judged_without_an_entity(world: World, custom: Callable[..., Any]) -> None:
    documents = [world.document(world.allow("ecr:*")), world.document(world.deny("ecr:PutImage", OTHER))]

    (result,) = custom(PolicyInputList=documents, ActionNames=["ecr:PutImage"], ResourceArns=[APP, OTHER])[
        "EvaluationResults"
    ]

    decisions = [one["EvalResourceDecision"] for one in result["ResourceSpecificResults"]]
    assert decisions == ["allowed", "explicitDeny"]
    assert result["MatchedStatements"][0]["SourcePolicyType"] == "none"


def test_custom_boundary_and_service_control_policies_are_reported(world: World, custom: Callable[..., Any]) -> None:
    everything = world.document(world.allow("*"))
    levels = [
        {"ServiceControlPolicyInputList": [everything]},
        {"ServiceControlPolicyInputList": [everything, world.document(world.deny("ecr:PutImage"))]},
    ]

    (result,) = custom(
        PolicyInputList=[everything],
        PermissionsBoundaryPolicyInputList=[everything],
        OrderedOrganizationPolicyInputList=levels,
        ActionNames=["ecr:PutImage"],
    )["EvaluationResults"]

    assert result["EvalDecision"] == "explicitDeny"
    assert result["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": False}
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": True}
    assert result["MatchedStatements"] == []


def test_custom_resource_policy_across_accounts_shows_each_side(world: World, custom: Callable[..., Any]) -> None:
    world.user("alice")
    caller = f"arn:aws:iam::{SOURCE_ACCOUNT}:user/alice"
    statement = {"Effect": "Allow", "Principal": {"AWS": caller}, "Action": "s3:GetObject", "Resource": "*"}

    (result,) = custom(
        PolicyInputList=[world.document(world.allow("sqs:*"))],
        ResourcePolicy=world.document(statement),
        ResourceOwner=OTHER_ACCOUNT,
        CallerArn=caller,
        ActionNames=["s3:GetObject"],
        ResourceArns=["arn:aws:s3:::drop/a"],
    )["EvaluationResults"]

    (one,) = result["ResourceSpecificResults"]
    assert one["EvalResourceDecision"] == "implicitDeny"
    assert one["EvalDecisionDetails"] == {"IAM Policy": "implicitDeny", "Resource Policy": "allowed"}
    assert result["EvalResourceName"] == "arn:${Partition}:s3:::${BucketName}/${KeyName}"


def test_custom_resource_policy_needs_a_caller(world: World, custom: Callable[..., Any]) -> None:
    document = world.document(world.allow("s3:GetObject"))

    assert error_of(custom, PolicyInputList=[document], ResourcePolicy="{}", ActionNames=["s3:GetObject"]) == (
        "InvalidInput"
    )
