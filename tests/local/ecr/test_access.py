"""What each call asks of the authorizer, and the texts of policies."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.local.ecr.points_common import MINIMAL, POLICY, REGISTRY_POLICY, call
from tests.local.ecr.world import ACCOUNT, OTHER, World, caller_of, code_of
from transship.local.ecr.operations import OPERATIONS

ANYWHERE = {
    "DescribeRegistry",
    "PutReplicationConfiguration",
    "PutRegistryPolicy",
    "GetRegistryPolicy",
    "DeleteRegistryPolicy",
    "GetAccountSetting",
    "PutAccountSetting",
    "RegisterPullTimeUpdateExclusion",
    "DeregisterPullTimeUpdateExclusion",
    "ListPullTimeUpdateExclusions",
    "GetAuthorizationToken",
    "StartReplicationBackfill",
    "StopReplicationBackfill",
    "ListReplicationBackfills",
    "DescribeReplicationBackfillResults",
    "CreateRepositoryCreationTemplate",
    "UpdateRepositoryCreationTemplate",
    "DeleteRepositoryCreationTemplate",
    "DescribeRepositoryCreationTemplates",
}


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_action_is_asked_on_the_repository_or_on_anything(operation: str, world: World) -> None:
    try:
        call(world, operation)
    except ClientError as error:
        assert code_of(error) != "AccessDeniedException"  # noqa: PT017 - that it fails otherwise is no matter here

    request = world.authorizer.asked[0]
    arn = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/no/such"
    assert request.action == ("ecr:BatchGetImage" if operation == "ListImageReferrers" else f"ecr:{operation}")
    assert request.resource == ("*" if operation in ANYWHERE else arn)
    assert request.context["aws:RequestedRegion"] == "us-east-1"


def test_listing_all_repositories_is_asked_on_all(world: World) -> None:
    world.ecr.describe_repositories()

    assert world.authorizer.asked[0].resource == f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/*"


def test_every_named_repository_is_asked_about(world: World) -> None:
    names = [world.repository("team/one"), world.repository("team/two")]
    world.authorizer.asked.clear()

    world.ecr.describe_repositories(repositoryNames=names)

    assert [request.resource.rpartition("repository/")[2] for request in world.authorizer.asked] == names


def test_tags_of_the_repository_and_of_the_request_are_context(world: World) -> None:
    repository = world.repository(tags=[{"Key": "team", "Value": "a"}])
    arn = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{repository}"

    world.ecr.tag_resource(resourceArn=arn, tags=[{"Key": "stage", "Value": "prod"}])
    world.ecr.untag_resource(resourceArn=arn, tagKeys=["stage"])

    created, tagged_at_creation, tagged, untagged = world.authorizer.asked
    assert created.context["aws:RequestTag/team"] == "a"
    assert tagged_at_creation.action == "ecr:TagResource"
    assert tagged.context["ecr:ResourceTag/team"] == tagged.context["aws:ResourceTag/team"] == "a"
    assert tagged.context["aws:RequestTag/stage"] == "prod"
    assert untagged.context["aws:TagKeys"] == ("stage",)
    assert "aws:RequestTag/stage" not in untagged.context


def test_repository_and_registry_policies_take_part(world: World) -> None:
    repository = world.repository()
    world.ecr.set_repository_policy(repositoryName=repository, policyText=POLICY)
    world.ecr.put_registry_policy(policyText=REGISTRY_POLICY)

    world.client(OTHER).list_images(repositoryName=repository, registryId=ACCOUNT)

    request = world.authorizer.asked[-1]
    assert request.resource_account == ACCOUNT
    assert list(request.resource_policies) == [json.loads(POLICY)]
    assert list(request.governing_policies) == [json.loads(REGISTRY_POLICY)]


@pytest.mark.parametrize(
    "text",
    ["", "{", "{}", POLICY.replace("Allow", "Maybe"), POLICY.replace('"Principal":"*",', "")],
    ids=["empty", "cut", "no-statement", "effect", "no-principal"],
)
def test_text_that_is_no_policy_is_refused(world: World, text: str) -> None:
    with pytest.raises(world.ecr.exceptions.InvalidParameterException):
        world.ecr.set_repository_policy(repositoryName=world.repository(), policyText=text)


@pytest.mark.parametrize("operation", ["DescribeRegistry", "PutRegistryPolicy", "CreateRepositoryCreationTemplate"])
def test_registry_id_of_an_operation_that_has_none_is_ignored(world: World, operation: str) -> None:
    body = json.dumps(MINIMAL[operation] | {"registryId": OTHER}).encode()

    status, _, answer = world.service.json_api(caller_of(ACCOUNT, "us-east-1"), operation, body)

    assert status == 200, answer
    assert world.authorizer.asked[0].resource_account == ACCOUNT
