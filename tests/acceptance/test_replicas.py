"""Replicas in the local AWS: each situation ends as stated, and a subscriber in the other account hears so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.access.documents import heal_policy, trust_policy
from chalicelib.names import CONFIRM, function_name
from chalicelib.oci.reference import Registry
from chalicelib.state.upload import State
from tests import archives
from tests.acceptance.producer import Producer, needs
from transship.commands.heal import command as heal_command
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT
from transship.local.ecr.faults import parse_fault
from transship.local_stage import STAGE, LocalStage
from transship.local_world import EXTERNAL_ID, READ_BACK_ROLE
from transship.observation import Observation

pytestmark = [pytest.mark.check, pytest.mark.timeout(600)]

OWN = Registry(SOURCE_ACCOUNT, "eu-west-1")
FAR = Registry(OTHER_ACCOUNT, "eu-central-1")
SOUND = archives.docker_save(archives.image("hello"))
OTHER = archives.docker_save(archives.image("other"))
PATIENCE = {
    "TRANSSHIP_CONFIRM_FIRST": "1",
    "TRANSSHIP_CONFIRM_MOST": "2",
    "TRANSSHIP_CONFIRM_LATE": "3",
    "TRANSSHIP_CONFIRM_DEADLINE": "8",
}
"""Minutes become seconds."""


def index() -> bytes:
    layout = archives.Layout()
    layout.list(archives.multi_platform(layout, "amd64", "arm64"), ref="1.0")
    return layout.tar()


@pytest.fixture(name="world", scope="module")
def hurried(producer: Producer) -> Iterator[Producer]:
    """The stage, its confirmation as patient as a test."""
    client, name = producer.stage.client("lambda"), function_name(STAGE, CONFIRM)
    usual = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    client.update_function_configuration(FunctionName=name, Environment={"Variables": {**usual, **PATIENCE}})
    yield producer
    client.update_function_configuration(FunctionName=name, Environment={"Variables": usual})


@contextmanager
def faults(stage: LocalStage, *rules: str) -> Iterator[None]:
    found = stage.aws.ecr.faults
    for rule in rules:
        found.add(parse_fault(rule))
    try:
        yield
    finally:
        found.clear()


@contextmanager
def options(stage: LocalStage, **changes: Any) -> Iterator[None]:
    usual = stage.aws.ecr.options
    stage.aws.ecr.options = replace(usual, **changes)
    try:
        yield
    finally:
        stage.aws.ecr.options = usual


@contextmanager
def without_policy(stage: LocalStage, registry: Registry) -> Iterator[None]:
    client = stage.client("ecr", registry.account, registry.region)
    usual = client.get_registry_policy()["policyText"]
    client.delete_registry_policy()
    try:
        yield
    finally:
        client.put_registry_policy(policyText=usual)


@contextmanager
def without_read_back(stage: LocalStage) -> Iterator[None]:
    iam = stage.client("iam", OTHER_ACCOUNT)
    (name,) = iam.list_role_policies(RoleName=READ_BACK_ROLE)["PolicyNames"]
    usual = iam.get_role_policy(RoleName=READ_BACK_ROLE, PolicyName=name)["PolicyDocument"]
    iam.delete_role_policy(RoleName=READ_BACK_ROLE, PolicyName=name)
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=READ_BACK_ROLE, PolicyName=name, PolicyDocument=json.dumps(usual))


@contextmanager
def rules(stage: LocalStage, changed: list[dict[str, Any]]) -> Iterator[None]:
    client = stage.client("ecr")
    usual = client.describe_registry()["replicationConfiguration"]
    client.put_replication_configuration(replicationConfiguration={"rules": changed})
    try:
        yield
    finally:
        client.put_replication_configuration(replicationConfiguration=usual)


def heard(world: Producer, seen: Observation) -> dict[str, list[dict[str, Any]]]:
    """The events of an upload's last attempt that the subscriber received, by their type, each once."""
    attempt = seen.upload.attempt
    awaited = {event.detail["id"] for event in seen.events if event.detail["upload"]["attempt"] == attempt}
    found: dict[str, dict[str, Any]] = {}

    def receive() -> bool:
        for event in world.stage.subscriber.receive(wait_seconds=1):
            if event["detail"]["upload"]["id"] == seen.upload.id:
                found[event["detail"]["id"]] = event
        return awaited <= found.keys()

    world.until(receive, seconds=30)
    by_type: dict[str, list[dict[str, Any]]] = {}
    for event in found.values():
        by_type.setdefault(event["detail-type"], []).append(event["detail"])
    return by_type


def destination(detail: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    described = detail["images"][0] if "images" in detail else detail
    (found,) = (
        one
        for one in described["destinations"]
        if (one["account"], one["region"]) == (registry.account, registry.region)
    )
    return dict(found)


def fails(world: Producer, name: str, registry: Registry, content: bytes = SOUND) -> tuple[Observation, dict[str, Any]]:
    """Push an image that does not reach one of four, and return what was said of that one."""
    seen = world.push(f"uploads/team/{name}/x.tar", content)
    assert (seen.upload.state, seen.upload.code) == (State.FAILED, "NOT_REPLICATED")
    events = heard(world, seen)
    (failed,) = events["Upload Failed"]
    return seen, {**destination(failed, registry), "facts": failed["facts"]["destinations"]}


def causes(told: Mapping[str, Any]) -> list[str]:
    return [cause["cause"] for place in told["facts"] for cause in place["causes"]]


def test_all_fine(world: Producer) -> None:
    seen = world.push("uploads/team/fine/x.tar", index())

    events = heard(world, seen)
    assert {kind: len(told) for kind, told in events.items()} == {
        "Upload Accepted": 1,
        "Image Pushed": 1,
        "Image Replicated": 4,
        "Image Available": 1,
    }


def test_slow(world: Producer) -> None:
    with faults(world.stage, "ReplicateImage:region=eu-central-1:seconds=5:slow"):
        seen = world.push("uploads/team/slow/x.tar", SOUND)

    events = heard(world, seen)
    assert destination(events["Image Late"][0], FAR)["status"] == "waiting"
    assert destination(events["Image Available"][0], FAR)["status"] == "verified"


def test_empty_status_for_ever(world: Producer) -> None:
    with options(world.stage, status_appears_after_seconds=3_600.0, replication_lag_seconds=3_600.0):
        seen, told = fails(world, "silent", FAR)

    assert (told["status"], told["failure"]) == ("failed", "StatusAbsent")
    assert "Image Available" not in [event.detail_type for event in seen.events]


def test_no_matching_rule(world: Producer) -> None:
    with rules(world.stage, []):
        seen = world.push("uploads/team/alone/x.tar", SOUND)

    (available,) = heard(world, seen)["Image Available"]
    assert available["destinations"] == []
    assert any("source only" in warning for warning in available["warnings"])


def test_near_miss_of_a_filter(world: Producer) -> None:
    seen = world.push("uploads/team-x/app/x.tar", SOUND)

    (available,) = heard(world, seen)["Image Available"]
    assert len(available["destinations"]) == 2
    assert any("team/" in warning for warning in available["warnings"])


def test_failed_at_one_of_four(world: Producer) -> None:
    with faults(world.stage, "ReplicateImage:region=eu-central-1:code=SomethingOfEcr:fail"):
        seen, told = fails(world, "failing", FAR)

    assert (told["status"], told["failure"]) == ("failed", "SomethingOfEcr")
    assert sum(event.detail_type == "Image Replicated" for event in seen.events) == 3


def test_destination_policy_missing(world: Producer) -> None:
    with without_policy(world.stage, FAR):
        _, told = fails(world, "unwelcome", FAR)

    assert causes(told) == ["RegistryPolicyMissing"]


def test_immutable_destination_tag(world: Producer) -> None:
    key = "uploads/team/fixed/x.tar"
    assert world.push(key, SOUND).upload.state is State.AVAILABLE
    there = world.stage.client("ecr", OWN.account, OWN.region)
    there.put_image_tag_mutability(repositoryName="team/fixed", imageTagMutability="IMMUTABLE")
    assert world.push(key, SOUND).upload.state is State.AVAILABLE, "with the same digest"

    _, told = fails(world, "fixed", OWN, OTHER)

    assert (told["digest_verified"], told["tags_verified"]) == (True, False)
    assert causes(told) == ["TagImmutable"]


def test_child_missing_at_one(world: Producer) -> None:
    rule = "ReplicateImage:region=eu-central-1:nth=1:code=ChildBroken:fail"
    with options(world.stage, index_brings_children=False), faults(world.stage, rule):
        _, told = fails(world, "child", FAR, index())

    assert (told["status"], told["failure"]) == ("failed", "ChildBroken")


def test_configuration_changed_between_push_and_confirm(world: Producer) -> None:
    with faults(world.stage, "ReplicateImage:region=eu-central-1:seconds=4:slow"):
        upload = world.put("uploads/team/changed/x.tar", SOUND)
        world.until(lambda: (seen := world.look(upload)) and seen.upload.state is State.CONFIRMING)
        with rules(world.stage, [{"destinations": [{"registryId": OWN.account, "region": OWN.region}]}]):
            seen = world.await_end(upload)

    (available,) = heard(world, seen)["Image Available"]
    assert len(available["destinations"]) == 4
    assert any(f"no longer replicated to {FAR}" in warning for warning in available["warnings"])


def test_read_back_role_missing(world: Producer) -> None:
    with without_read_back(world.stage):
        _, told = fails(world, "unread", FAR)

    assert (told["status"], told["failure"]) == ("reported", "ReadBackDenied")
    assert set(causes(told)) == {"ReadBackDenied"}


@pytest.mark.parametrize("kind", ["lose", "duplicate"])
def test_events_of_ecr_lost_and_doubled(world: Producer, kind: str) -> None:
    with faults(world.stage, f"ReplicationEvent:{kind}"):
        seen = world.push(f"uploads/team/events-{kind}/x.tar", SOUND)

    assert [len(told) for kind, told in heard(world, seen).items() if kind == "Image Available"] == [1]


def healed(seen: Observation, *arguments: str) -> int:
    """Run `transship heal` as an operator does, and return its exit status."""
    try:
        heal_command.main(
            [seen.upload.id, "--stage", STAGE, "--yes", "--timeout", "60", *arguments], standalone_mode=False
        )
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_heals_by_pushing_straight_into_another_account(world: Producer, heal_role: str) -> None:
    with faults(world.stage, "ReplicateImage:region=eu-central-1:code=Broken:fail"):
        seen, _ = fails(world, "straight", FAR, index())

    assert healed(seen, "--way", "push", "--create", "--role-arn", heal_role, "--external-id", EXTERNAL_ID) == 0
    after = world.look(seen.upload.id)
    assert after
    assert (after.upload.state, after.upload.attempt) == (State.AVAILABLE, 2)
    assert destination(heard(world, after)["Image Available"][0], FAR)["status"] == "verified"


def test_heals_by_backfill(world: Producer) -> None:
    with without_policy(world.stage, FAR):
        seen, _ = fails(world, "backfilled", FAR)

    assert healed(seen, "--way", "backfill") == 0


def test_heals_a_repository_that_was_deleted_after_all_was_verified(world: Producer) -> None:
    seen = world.push("uploads/team/deleted/x.tar", SOUND)
    assert seen.upload.state is State.AVAILABLE
    world.stage.client("ecr", OWN.account, OWN.region).delete_repository(repositoryName="team/deleted", force=True)

    assert healed(seen, "--way", "look") == 1
    assert healed(seen, "--way", "push", "--create") == 0


def test_looking_again_after_the_read_back_was_granted_is_enough(world: Producer) -> None:
    with without_read_back(world.stage):
        seen, _ = fails(world, "granted", FAR)

    assert healed(seen, "--way", "look") == 0


@pytest.fixture(name="heal_role")
def role_that_heals(world: Producer) -> str:
    """The role in the other account that `transship policy` describes."""
    iam = world.stage.client("iam", OTHER_ACCOUNT)
    caller = world.stage.client("sts").get_caller_identity()["Arn"]
    trust = trust_policy([caller], EXTERNAL_ID)
    role = iam.create_role(RoleName="transship-local-heal", AssumeRolePolicyDocument=json.dumps(trust))
    rights = heal_policy([f"arn:aws:ecr:*:{OTHER_ACCOUNT}:repository/*"], create=True)
    iam.put_role_policy(RoleName="transship-local-heal", PolicyName="heal", PolicyDocument=json.dumps(rights))
    arn: str = role["Role"]["Arn"]
    return arn


@needs("skopeo")
def test_every_destination_serves_the_tag_as_soon_as_it_is_announced_a_hundred_times(world: Producer) -> None:
    """Pulled by the subscriber, the moment that the event has arrived."""
    uploads = {
        world.put(f"uploads/team/pull{number}/x.tar", archives.docker_save(archives.image(f"pull {number}"))): number
        for number in range(100)
    }
    replicas = [one for one in world.stage.registries() if (one.account, one.region) != (SOURCE_ACCOUNT, "us-east-1")]
    pulled: set[str] = set()

    def pull() -> bool:
        for event in world.stage.subscriber.receive(wait_seconds=1):
            upload = event["detail"]["upload"]["id"]
            if event["detail-type"] == "Image Available" and upload in uploads:
                image = event["detail"]["image"]
                digests = {world.skopeo_digest(one, image["repository"], image["tags"][0]) for one in replicas}
                assert digests == {image["digest"]}
                pulled.add(upload)
        return pulled == uploads.keys()

    world.until(pull, seconds=500)
    assert len(replicas) == 4
