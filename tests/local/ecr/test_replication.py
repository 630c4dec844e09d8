"""Replication, by the semantics of ecr.md section 4 and the contract of section 8.6."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.access.documents import REPLICATION_ACTIONS, accept_replicas
from chalicelib.oci.reference import Registry
from tests.local.ecr.points_images import index_of
from tests.local.ecr.world import ACCOUNT, OTHER, World, manifest_of

WEST, EAST, FRANKFURT = (ACCOUNT, "eu-west-1"), (OTHER, "us-east-1"), (OTHER, "eu-central-1")


def key(registry: tuple[str, str]) -> str:
    return "/".join(registry)


def accept(world: World, registry: tuple[str, str], *actions: str, resource: str = "*") -> None:
    """Let the source account replicate into *registry*."""
    account, region = registry
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": [f"ecr:{action}" for action in actions],
        "Resource": f"arn:aws:ecr:{region}:{account}:repository/{resource}",
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.client(*registry).put_registry_policy(policyText=text)


def replication_events(world: World) -> list[dict[str, Any]]:
    return [event for event in world.events if event["detail-type"] == "ECR Replication Action"]


def describe(world: World, repository: str, digest: str) -> list[dict[str, Any]]:
    answer = world.ecr.describe_image_replication_status(repositoryName=repository, imageId={"imageDigest": digest})
    return list(answer["replicationStatuses"])


def test_image_of_no_rule_has_no_statuses(world: World) -> None:
    world.replicate_to(WEST, repositoryFilters=[{"filter": "prod", "filterType": "PREFIX_MATCH"}])
    repository = world.repository("team/app")

    digest = world.push(repository, "1")
    world.settle()

    assert world.statuses(repository, digest) == {}


def test_filter_is_a_raw_prefix(world: World) -> None:
    world.replicate_to(WEST, repositoryFilters=[{"filter": "prod", "filterType": "PREFIX_MATCH"}])
    repository = world.repository("production/app")

    digest = world.push(repository, "1")

    assert world.statuses(repository, digest) == {key(WEST): "IN_PROGRESS"}


def test_image_pushed_before_the_configuration_stays(world: World) -> None:
    repository = world.repository()
    digest = world.push(repository, "1")

    world.replicate_to(WEST)
    world.settle()

    assert world.statuses(repository, digest) == {}


def test_new_tag_on_an_old_image_replicates_it(world: World) -> None:
    repository = world.repository()
    digest = world.push(repository, "old")
    world.replicate_to(WEST)

    assert world.push(repository, "new") == digest
    world.settle()

    assert world.tags(repository, *WEST) == {"new": digest}


def test_statuses_appear_late_under_the_switch(make_world: Callable[..., World]) -> None:
    world = make_world(status_appears_after_seconds=5.0, replication_lag_seconds=60.0)
    world.replicate_to(WEST)
    repository = world.repository()
    digest = world.push(repository, "1")

    assert world.statuses(repository, digest) == {}
    world.clock.advance(5)
    assert world.statuses(repository, digest) == {key(WEST): "IN_PROGRESS"}


def test_each_destination_has_its_own_lag(make_world: Callable[..., World]) -> None:
    world = make_world(replication_lag_seconds=1.0, replication_lags={f"{ACCOUNT}/ap-southeast-2": 1800.0})
    world.replicate_to(WEST, (ACCOUNT, "ap-southeast-2"))
    repository = world.repository()
    digest = world.push(repository, "1")

    world.clock.advance(2)
    world.service.step()

    assert world.statuses(repository, digest) == {key(WEST): "COMPLETE", f"{ACCOUNT}/ap-southeast-2": "IN_PROGRESS"}


def test_other_account_without_a_policy_fails_with_a_code(world: World) -> None:
    world.replicate_to(EAST)
    repository = world.repository()

    digest = world.push(repository, "1")
    world.settle()

    (status,) = describe(world, repository, digest)
    assert status["status"] == "FAILED"
    assert status["failureCode"]
    assert replication_events(world) == []


@pytest.mark.parametrize(
    ("actions", "resource", "expected"),
    [
        (["ReplicateImage", "CreateRepository"], "*", "COMPLETE"),
        (["ReplicateImage", "CreateRepository"], "team/*", "COMPLETE"),
        (["ReplicateImage", "CreateRepository"], "vendor/*", "FAILED"),
        (["ReplicateImage"], "*", "FAILED"),
        (["CreateRepository"], "*", "FAILED"),
    ],
    ids=["all", "prefix", "other-prefix", "no-creation", "creation-only"],
)
def test_registry_policy_of_the_destination_decides(
    world: World, actions: list[str], resource: str, expected: str
) -> None:
    accept(world, EAST, *actions, resource=resource)
    world.replicate_to(EAST)
    repository = world.repository("team/app")

    digest = world.push(repository, "1")
    world.settle()

    assert world.statuses(repository, digest) == {key(EAST): expected}


@pytest.mark.parametrize("action", [None, *REPLICATION_ACTIONS])
def test_the_policy_that_we_hand_out_suffices_and_without_any_action_of_it_nothing_arrives(
    world: World, action: str | None
) -> None:
    policy = accept_replicas(Registry(*EAST), ACCOUNT, partition="aws", prefixes=["team/"])
    (statement,) = policy["Statement"]
    statement["Action"] = [one for one in statement["Action"] if one != action]
    world.client(*EAST).put_registry_policy(policyText=json.dumps(policy))
    world.replicate_to(EAST)
    repository = world.repository("team/app")

    digest = world.push(repository, "1")
    world.settle()

    assert world.statuses(repository, digest) == {key(EAST): "FAILED" if action else "COMPLETE"}


def test_existing_repository_needs_no_permission_to_create(world: World) -> None:
    accept(world, EAST, "ReplicateImage")
    world.client(*EAST).create_repository(repositoryName="team/app")
    world.replicate_to(EAST)
    repository = world.repository("team/app")

    digest = world.push(repository, "1")
    world.settle()

    assert world.tags(repository, *EAST) == {"1": digest}


def test_policy_is_needed_in_every_region(world: World) -> None:
    accept(world, EAST, "ReplicateImage", "CreateRepository")
    world.replicate_to(EAST, FRANKFURT)
    repository = world.repository()

    digest = world.push(repository, "1")
    world.settle()

    assert world.statuses(repository, digest) == {key(EAST): "COMPLETE", key(FRANKFURT): "FAILED"}


def test_repository_created_on_arrival_has_default_settings(world: World) -> None:
    world.replicate_to(WEST)
    repository = world.repository(imageTagMutability="IMMUTABLE", imageScanningConfiguration={"scanOnPush": True})

    world.push(repository, "1")
    world.settle()

    (created,) = world.client(*WEST).describe_repositories(repositoryNames=[repository])["repositories"]
    assert created["imageTagMutability"] == "MUTABLE"
    assert created["imageScanningConfiguration"] == {"scanOnPush": False}
    assert created["encryptionConfiguration"] == {"encryptionType": "AES256"}


def test_creation_template_with_the_longest_prefix_applies(world: World) -> None:
    west = world.client(*WEST)
    for prefix, mutability in (("ROOT", "MUTABLE"), ("team", "MUTABLE"), ("team/app", "IMMUTABLE")):
        west.create_repository_creation_template(
            prefix=prefix, appliedFor=["REPLICATION"], imageTagMutability=mutability
        )
    world.replicate_to(WEST)

    for name in ("team/app/web", "team/application"):
        world.push(world.repository(name), "1")
    world.settle()

    created = west.describe_repositories()["repositories"]
    assert {entry["repositoryName"]: entry["imageTagMutability"] for entry in created} == {
        "team/app/web": "IMMUTABLE",
        "team/application": "MUTABLE",
    }


def test_template_with_tags_but_without_a_role_fails_the_replication(world: World) -> None:
    world.client(*WEST).create_repository_creation_template(
        prefix="ROOT", appliedFor=["REPLICATION"], resourceTags=[{"Key": "team", "Value": "a"}]
    )
    world.replicate_to(WEST)
    repository = world.repository()

    digest = world.push(repository, "1")
    world.settle()

    assert world.statuses(repository, digest) == {key(WEST): "FAILED"}


def test_immutable_destination_keeps_its_tag_and_gets_the_image_untagged(world: World) -> None:
    west = world.client(*WEST)
    world.replicate_to(WEST)
    repository = world.repository()
    old = world.push(repository, "1", b"old")
    world.settle()
    west.put_image_tag_mutability(repositoryName=repository, imageTagMutability="IMMUTABLE")

    new = world.push(repository, "1", b"new")
    world.settle()

    assert world.statuses(repository, new) == {key(WEST): "COMPLETE"}
    assert world.tags(repository, *WEST) == {"1": old}
    ids = west.list_images(repositoryName=repository, filter={"tagStatus": "UNTAGGED"})["imageIds"]
    assert ids == [{"imageDigest": new}]


def test_late_replication_does_not_bring_back_a_tag_that_moved_on(world: World) -> None:
    world.fault("ReplicateImage:nth=1:seconds=100:slow")
    world.replicate_to(WEST)
    repository = world.repository()
    world.push(repository, "1", b"old")
    new = world.push(repository, "1", b"new")

    world.settle()

    assert world.tags(repository, *WEST) == {"1": new}


def push_index(world: World, repository: str) -> tuple[str, str]:
    """Push an index of one child, and return the digests of both."""
    manifest = world.manifest(repository)
    child = world.ecr.put_image(repositoryName=repository, imageManifest=manifest)["image"]["imageId"]["imageDigest"]
    index = world.ecr.put_image(repositoryName=repository, imageManifest=index_of(manifest), imageTag="multi")
    return index["image"]["imageId"]["imageDigest"], child


def test_index_brings_its_children(world: World) -> None:
    repository = world.repository()
    world.fault("ReplicateImage:nth=1:code=Lost:fail")
    world.replicate_to(WEST)

    index, child = push_index(world, repository)
    world.settle()

    assert world.statuses(repository, child) == {key(WEST): "FAILED"}
    assert world.statuses(repository, index) == {key(WEST): "COMPLETE"}
    found = world.client(*WEST).batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": child}])
    assert len(found["images"]) == 1


def test_index_arrives_without_its_children_under_the_switch(make_world: Callable[..., World]) -> None:
    world = make_world(index_brings_children=False)
    repository = world.repository()
    world.fault("ReplicateImage:nth=1:code=Lost:fail")
    world.replicate_to(WEST)

    index, child = push_index(world, repository)
    world.settle()

    assert world.statuses(repository, index) == {key(WEST): "COMPLETE"}
    found = world.client(*WEST).batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": child}])
    assert [failure["failureCode"] for failure in found["failures"]] == ["ImageNotFound"]


def test_referrer_is_replicated(world: World) -> None:
    repository = world.repository()
    world.replicate_to(WEST)
    subject = world.push(repository, "1")
    subject_descriptor = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": subject,
        "size": 1,
    }
    world.upload(repository, b"{}")
    world.upload(repository, b"signature")
    referrer = manifest_of(b"{}", [b"signature"], subject=subject_descriptor, artifactType="application/x.signature")

    world.ecr.put_image(repositoryName=repository, imageManifest=referrer)
    world.settle()

    found = world.client(*WEST).list_image_referrers(repositoryName=repository, subjectId={"imageDigest": subject})
    assert [entry["artifactType"] for entry in found["referrers"]] == ["application/x.signature"]


def test_what_arrives_is_not_replicated_further(world: World) -> None:
    world.replicate_to(WEST)
    rule = {"destinations": [{"region": "ap-southeast-2", "registryId": ACCOUNT}]}
    world.client(*WEST).put_replication_configuration(replicationConfiguration={"rules": [rule]})
    repository = world.repository()

    digest = world.push(repository, "1")
    world.settle()

    assert world.client(ACCOUNT, "ap-southeast-2").describe_repositories()["repositories"] == []
    answer = world.client(*WEST).describe_image_replication_status(
        repositoryName=repository, imageId={"imageDigest": digest}
    )
    assert answer["replicationStatuses"] == []


@pytest.mark.parametrize(("rule", "expected"), [({}, 1), ({"deleteReplication": {"enabled": True}}, 0)])
def test_deletion_is_repeated_where_the_rule_asks_for_it(world: World, rule: dict[str, Any], expected: int) -> None:
    world.replicate_to(WEST, **rule)
    repository = world.repository()
    digest = world.push(repository, "1")
    world.settle()

    world.ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    world.settle()

    assert len(world.client(*WEST).list_images(repositoryName=repository)["imageIds"]) == expected


def test_removal_of_one_tag_is_repeated_alone(world: World) -> None:
    world.replicate_to(WEST, deleteReplication={"enabled": True})
    repository = world.repository()
    digest = world.push(repository, "1")
    world.push(repository, "2")
    world.settle()

    world.ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "1"}])
    world.settle()

    assert world.tags(repository, *WEST) == {"2": digest}


def test_failure_is_told_with_its_code_until_the_next_push(world: World) -> None:
    world.fault("ReplicateImage:nth=1:code=QuotaExceeded:fail")
    world.replicate_to(WEST)
    repository = world.repository()
    digest = world.push(repository, "1")
    world.settle()
    failed = describe(world, repository, digest)

    world.push(repository, "2")
    world.settle()

    assert [(entry["status"], entry["failureCode"]) for entry in failed] == [("FAILED", "QuotaExceeded")]
    assert world.statuses(repository, digest) == {key(WEST): "COMPLETE"}


def test_two_tags_at_once_send_two_events(world: World) -> None:
    world.replicate_to(WEST)
    repository = world.repository()
    world.push(repository, "1")
    world.push(repository, "2")

    world.settle()

    assert sorted(event["detail"]["image-tag"] for event in replication_events(world)) == ["1", "2"]


def test_untagged_arrival_is_silent_unless_switched_on(make_world: Callable[..., World]) -> None:
    for switch, expected in ((False, 0), (True, 1)):
        world = make_world(announces_untagged_replicas=switch)
        world.replicate_to(WEST)
        world.push(world.repository())
        world.settle()
        assert len(replication_events(world)) == expected


def test_failure_sends_an_event_only_under_the_switch(make_world: Callable[..., World]) -> None:
    world = make_world(announces_failed_replications=True)
    world.fault("ReplicateImage:fail")
    world.replicate_to(WEST)

    world.push(world.repository(), "1")
    world.settle()

    assert [event["detail"]["result"] for event in replication_events(world)] == ["FAILED"]


@pytest.mark.parametrize(("kind", "expected"), [("lose", 0), ("duplicate", 2)])
def test_event_is_lost_or_duplicated_by_rule(world: World, kind: str, expected: int) -> None:
    world.fault(f"ReplicationEvent:region=eu-west-1:{kind}")
    world.replicate_to(WEST)
    repository = world.repository()

    digest = world.push(repository, "1")
    world.settle()

    assert len(replication_events(world)) == expected
    assert world.statuses(repository, digest) == {key(WEST): "COMPLETE"}


@pytest.mark.parametrize(("switch", "expected"), [(False, {key(WEST): "COMPLETE"}), (True, {})])
def test_removed_destination_is_forgotten_under_the_switch(
    make_world: Callable[..., World], switch: bool, expected: dict[str, str]
) -> None:
    world = make_world(forgets_removed_destinations=switch)
    world.replicate_to(WEST)
    repository = world.repository()
    digest = world.push(repository, "1")
    world.settle()

    world.ecr.put_replication_configuration(replicationConfiguration={"rules": []})

    assert world.statuses(repository, digest) == expected


def test_image_deleted_before_its_replication_does_not_arrive(world: World) -> None:
    world.replicate_to(WEST)
    repository = world.repository()
    digest = world.push(repository, "1")

    world.ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    world.settle()

    assert world.client(*WEST).describe_repositories()["repositories"] == []


def test_replication_restores_an_archived_copy(world: World) -> None:
    world.replicate_to(WEST)
    repository = world.repository()
    digest = world.push(repository, "1")
    world.settle()
    world.client(*WEST).update_image_storage_class(
        repositoryName=repository, imageId={"imageDigest": digest}, targetStorageClass="ARCHIVE"
    )

    world.push(repository, "2")
    world.settle()
    world.clock.advance(1)

    assert world.tags(repository, *WEST) == {"1": digest, "2": digest}


def test_replica_can_be_read_after_the_source_is_gone(world: World) -> None:
    world.replicate_to(WEST)
    repository = world.repository()
    digest = world.push(repository, "1", b"kept")
    world.settle()

    world.ecr.delete_repository(repositoryName=repository, force=True)

    manifest = world.client(*WEST).batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    layer = json.loads(manifest["images"][0]["imageManifest"])["layers"][0]["digest"]
    checked = world.client(*WEST).batch_check_layer_availability(repositoryName=repository, layerDigests=[layer])
    assert checked["layers"][0]["layerAvailability"] == "AVAILABLE"


def test_own_registry_is_no_destination(world: World) -> None:
    with pytest.raises(world.ecr.exceptions.InvalidParameterException, match="cannot be the same as the source"):
        world.replicate_to((ACCOUNT, "us-east-1"))


def test_more_unique_destinations_than_allowed_are_refused(world: World) -> None:
    with pytest.raises(world.ecr.exceptions.InvalidParameterException, match="must not exceed 25"):
        world.replicate_to(*((ACCOUNT, f"eu-west-{number}") for number in range(1, 27)))


def test_template_tags_need_a_permission_of_their_own(world: World) -> None:
    east = world.client(*EAST)
    east.create_repository_creation_template(
        prefix="ROOT",
        appliedFor=["REPLICATION"],
        resourceTags=[{"Key": "team", "Value": "a"}],
        customRoleArn=f"arn:aws:iam::{OTHER}:role/templates",
    )
    world.replicate_to(EAST)
    repository = world.repository()
    accept(world, EAST, "ReplicateImage", "CreateRepository")
    first = world.push(repository, "1", b"one")
    world.settle()
    accept(world, EAST, "ReplicateImage", "CreateRepository", "TagResource")
    second = world.push(repository, "2", b"two")
    world.settle()

    assert world.statuses(repository, first) == {key(EAST): "FAILED"}
    assert world.statuses(repository, second) == {key(EAST): "COMPLETE"}
    arn = f"arn:aws:ecr:us-east-1:{OTHER}:repository/{repository}"
    assert east.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "team", "Value": "a"}]


def test_restored_image_is_replicated(world: World) -> None:
    repository = world.repository()
    digest = world.push(repository, "1")
    storage = {"repositoryName": repository, "imageId": {"imageDigest": digest}}
    world.ecr.update_image_storage_class(**storage, targetStorageClass="ARCHIVE")
    world.replicate_to(WEST)

    world.ecr.update_image_storage_class(**storage, targetStorageClass="STANDARD")
    world.settle()

    assert world.tags(repository, *WEST) == {"1": digest}


def test_deletion_of_what_never_arrived_does_nothing(world: World) -> None:
    world.replicate_to(WEST, deleteReplication={"enabled": True})
    repository = world.repository()
    world.fault("ReplicateImage:nth=2:code=Lost:fail")
    kept = world.push(repository, "1", b"one")
    lost = world.push(repository, "2", b"two")
    world.settle()

    world.ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": lost}])
    world.settle()

    assert world.tags(repository, *WEST) == {"1": kept}


def test_tag_that_the_destination_added_keeps_the_image_there(world: World) -> None:
    world.replicate_to(WEST, deleteReplication={"enabled": True})
    repository = world.repository()
    digest = world.push(repository, "1")
    world.settle()
    west = world.client(*WEST)
    manifest = west.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "1"}])["images"][0]
    west.put_image(repositoryName=repository, imageManifest=manifest["imageManifest"], imageTag="pinned")

    world.ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    world.settle()

    assert world.tags(repository, *WEST) == {"pinned": digest}
