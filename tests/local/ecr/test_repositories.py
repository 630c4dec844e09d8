"""Repositories and the registry: settings kept and returned, and pages of them."""

from __future__ import annotations

import base64

import pytest

from tests.local.ecr.points_common import LIFECYCLE_POLICY, POLICY
from tests.local.ecr.world import ACCOUNT, OTHER, World


def test_repository_is_described_as_it_was_created(world: World) -> None:
    settings = {
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "latest*"}],
        "imageScanningConfiguration": {"scanOnPush": True},
        "encryptionConfiguration": {
            "encryptionType": "KMS",
            "kmsKey": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd",
        },
    }

    created = world.ecr.create_repository(repositoryName="team/app", **settings)["repository"]

    (described,) = world.ecr.describe_repositories()["repositories"]
    assert created == described
    assert described | settings == described
    assert described["repositoryArn"] == f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/team/app"
    assert described["repositoryUri"] == f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/team/app"


def test_uri_is_where_the_registry_is_served(world: World) -> None:
    world.service.set_endpoint(ACCOUNT, "us-east-1", "127.0.0.1:5000")

    created = world.ecr.create_repository(repositoryName="team/app")["repository"]

    assert created["repositoryUri"] == "127.0.0.1:5000/team/app"


@pytest.mark.parametrize(
    ("mutability", "filters"),
    [("MUTABLE", [{"filterType": "WILDCARD", "filter": "x"}]), ("IMMUTABLE_WITH_EXCLUSION", None)],
)
def test_exclusion_filters_belong_to_exclusion(world: World, mutability: str, filters: list[dict[str, str]]) -> None:
    more = {"imageTagMutabilityExclusionFilters": filters} if filters else {}

    with pytest.raises(world.ecr.exceptions.InvalidParameterException):
        world.repository(imageTagMutability=mutability, **more)


def test_repositories_are_paged_by_name(world: World) -> None:
    names = [world.repository(name) for name in ("c/c", "a/a", "b/b")]

    first = world.ecr.describe_repositories(maxResults=2)
    second = world.ecr.describe_repositories(maxResults=2, nextToken=first["nextToken"])

    listed = [entry["repositoryName"] for page in (first, second) for entry in page["repositories"]]
    assert listed == sorted(names)
    assert "nextToken" not in second


def test_repository_with_images_is_deleted_by_force(world: World) -> None:
    repository = world.repository()
    world.push(repository, "1")

    world.ecr.delete_repository(repositoryName=repository, force=True)

    assert world.ecr.describe_repositories()["repositories"] == []


def test_registries_of_two_accounts_and_two_regions_are_four(world: World) -> None:
    for account in (ACCOUNT, OTHER):
        for region in ("us-east-1", "eu-west-1"):
            world.client(account, region).create_repository(repositoryName="team/app")

    assert len(world.ecr.describe_repositories()["repositories"]) == 1


def test_policies_are_kept_until_they_are_deleted(world: World) -> None:
    repository = world.repository()
    world.ecr.set_repository_policy(repositoryName=repository, policyText=POLICY)
    world.ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=LIFECYCLE_POLICY)

    assert world.ecr.get_repository_policy(repositoryName=repository)["policyText"] == POLICY
    assert world.ecr.get_lifecycle_policy(repositoryName=repository)["lifecyclePolicyText"] == LIFECYCLE_POLICY
    assert world.ecr.delete_lifecycle_policy(repositoryName=repository)["lifecyclePolicyText"] == LIFECYCLE_POLICY


@pytest.mark.parametrize("text", ["{" + 100 * " " + "}", 100 * "x", '{"rules":[' + 100 * " " + "]}"])
def test_lifecycle_policy_without_rules_is_refused(world: World, text: str) -> None:
    with pytest.raises(world.ecr.exceptions.InvalidParameterException):
        world.ecr.put_lifecycle_policy(repositoryName=world.repository(), lifecyclePolicyText=text)


def test_tags_are_added_and_removed(world: World) -> None:
    arn = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{world.repository(tags=[{'Key': 'a', 'Value': '1'}])}"

    world.ecr.tag_resource(resourceArn=arn, tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "3"}])
    world.ecr.untag_resource(resourceArn=arn, tagKeys=["b", "none"])

    assert world.ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "a", "Value": "3"}]


def test_replication_configuration_is_replaced_as_a_whole(world: World) -> None:
    world.replicate_to((ACCOUNT, "eu-west-1"))
    world.replicate_to((ACCOUNT, "ap-southeast-2"), deleteReplication={"enabled": True})

    answer = world.ecr.describe_registry()

    rule = {
        "destinations": [{"region": "ap-southeast-2", "registryId": ACCOUNT}],
        "deleteReplication": {"enabled": True},
    }
    assert answer["replicationConfiguration"] == {"rules": [rule]}


def test_configuration_is_present_where_none_was_put(world: World) -> None:
    assert world.ecr.describe_registry()["replicationConfiguration"] == {"rules": []}


def test_templates_are_updated_member_by_member(world: World) -> None:
    world.ecr.create_repository_creation_template(prefix="prod", appliedFor=["REPLICATION"], description="first")
    world.ecr.update_repository_creation_template(prefix="prod", imageTagMutability="IMMUTABLE")

    (template,) = world.ecr.describe_repository_creation_templates(prefixes=["prod"])["repositoryCreationTemplates"]
    assert template["description"] == "first"
    assert template["imageTagMutability"] == "IMMUTABLE"


def test_scanning_and_mutability_can_be_changed(world: World) -> None:
    repository = world.repository()

    world.ecr.put_image_scanning_configuration(
        repositoryName=repository, imageScanningConfiguration={"scanOnPush": True}
    )
    world.ecr.put_image_tag_mutability(
        repositoryName=repository,
        imageTagMutability="MUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "v*"}],
    )

    (described,) = world.ecr.describe_repositories()["repositories"]
    assert described["imageScanningConfiguration"] == {"scanOnPush": True}
    assert described["imageTagMutabilityExclusionFilters"] == [{"filterType": "WILDCARD", "filter": "v*"}]


def test_key_belongs_to_kms(world: World) -> None:
    with pytest.raises(world.ecr.exceptions.InvalidParameterException):
        world.repository(encryptionConfiguration={"encryptionType": "AES256", "kmsKey": "alias/key"})


def test_template_with_a_policy_that_is_none_is_refused(world: World) -> None:
    with pytest.raises(world.ecr.exceptions.InvalidParameterException):
        world.ecr.create_repository_creation_template(
            prefix="prod", appliedFor=["REPLICATION"], repositoryPolicy="no policy"
        )


def test_deleted_template_is_gone(world: World) -> None:
    world.ecr.create_repository_creation_template(prefix="prod", appliedFor=["REPLICATION"])

    world.ecr.delete_repository_creation_template(prefix="prod")

    assert world.ecr.describe_repository_creation_templates()["repositoryCreationTemplates"] == []


def test_excluded_principals_are_listed(world: World) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/verifier"
    world.ecr.register_pull_time_update_exclusion(principalArn=arn)
    before = world.ecr.list_pull_time_update_exclusions()["pullTimeUpdateExclusions"]

    world.ecr.deregister_pull_time_update_exclusion(principalArn=arn)

    assert (before, world.ecr.list_pull_time_update_exclusions()["pullTimeUpdateExclusions"]) == ([arn], [])


def test_account_setting_is_kept(world: World) -> None:
    before = world.ecr.get_account_setting(name="BLOB_MOUNTING")["value"]
    world.ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")

    assert (before, world.ecr.get_account_setting(name="BLOB_MOUNTING")["value"]) == ("DISABLED", "ENABLED")


def test_token_is_a_password_of_the_user_aws_for_12_hours(world: World) -> None:
    (data,) = world.ecr.get_authorization_token()["authorizationData"]

    assert base64.b64decode(data["authorizationToken"]).startswith(b"AWS:")
    assert data["expiresAt"].timestamp() == pytest.approx(world.clock.now() + 12 * 3600)


def test_tokens_for_several_registries_have_their_own_endpoints(world: World) -> None:
    data = world.ecr.get_authorization_token(registryIds=[ACCOUNT, OTHER])["authorizationData"]

    assert [entry["proxyEndpoint"].partition(".")[0] for entry in data] == [f"https://{ACCOUNT}", f"https://{OTHER}"]
