"""Replicas in the local AWS: each situation ends as stated, and a subscriber in the other account hears so."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest

from chalicelib.names import CONFIRM, queue_name
from chalicelib.oci.reference import Registry
from chalicelib.state.upload import State
from tests import archives
from tests.acceptance.scene import HOUR, SOUND, Scene, destination
from tests.acceptance.situations import (
    FAR,
    HELD,
    HELD_EVERYWHERE,
    OWN,
    faults,
    options,
    rules,
    without_policy,
    without_read_back,
    without_reader,
)
from transship.local_stage import STAGE, LocalStage
from transship.observation import Observation

pytestmark = [pytest.mark.check, pytest.mark.timeout(300)]

OTHER = archives.docker_save(archives.image("other"))


def index() -> bytes:
    layout = archives.Layout()
    layout.list(archives.multi_platform(layout, "amd64", "arm64"), ref="1.0")
    return layout.tar()


def counts(events: Mapping[str, list[dict[str, Any]]]) -> dict[str, int]:
    return {kind: len(told) for kind, told in events.items() if told}


ALL_FINE = {"Upload Accepted": 1, "Image Pushed": 1, "Image Replicated": 4, "Image Available": 1}
ONE_MISSING = {"Upload Accepted": 1, "Image Pushed": 1, "Image Replicated": 3, "Upload Failed": 1}


def held(scene: Scene, key: str) -> str:
    """Let an image be put and arrive nowhere else before `ecr.hurry`; return the upload."""
    with faults(scene.stage, HELD_EVERYWHERE):
        upload = scene.put(key, SOUND)
        scene.until(lambda: (seen := scene.look(upload)) and seen.replicas)
    return upload


def test_all_fine(scene: Scene) -> None:
    seen = scene.push("uploads/team/fine/x.tar", index())

    assert counts(scene.heard(seen)) == ALL_FINE


def test_slow_by_forty_minutes(scene: Scene) -> None:
    with faults(scene.stage, HELD):
        upload = scene.put("uploads/team/slow/x.tar", SOUND)
        scene.confirming(upload, waiting=FAR)
        scene.age(upload, HOUR * 2 / 3)
        late = scene.hear(upload, "Image Late")
        scene.stage.aws.ecr.hurry()
        seen = scene.await_end(upload)

    assert destination(late, FAR)["status"] == "waiting"
    assert destination(late, OWN)["status"] == "verified"
    events = scene.heard(seen)
    assert counts(events) == {**ALL_FINE, "Image Late": 1}
    found = destination(events["Image Available"][0], FAR)
    assert (found["status"], found["seconds"] > HOUR * 2 / 3) == ("verified", True)


def test_empty_status_for_ever(scene: Scene) -> None:
    with options(scene.stage, status_appears_after_seconds=86_400.0, replication_lag_seconds=86_400.0):
        upload = scene.put("uploads/team/silent/x.tar", SOUND)
        scene.until(lambda: (seen := scene.look(upload)) and seen.upload.polls)
        scene.age(upload, 2 * HOUR)
        seen, told = scene.fails(upload, FAR)

    assert (told["status"], told["failure"]) == ("failed", "StatusAbsent")
    assert counts(scene.heard(seen)) == {"Upload Accepted": 1, "Image Pushed": 1, "Upload Failed": 1}


def test_no_matching_rule(scene: Scene) -> None:
    with rules(scene.stage, []):
        seen = scene.push("uploads/team/alone/x.tar", SOUND)

    heard = scene.heard(seen)
    assert counts(heard) == {"Upload Accepted": 1, "Image Pushed": 1, "Image Available": 1}
    (available,) = heard["Image Available"]
    assert available["destinations"] == []
    assert any("source only" in warning for warning in available["warnings"])


def test_near_miss_of_a_filter(scene: Scene) -> None:
    seen = scene.push("uploads/team-x/app/x.tar", SOUND)

    heard = scene.heard(seen)
    assert counts(heard) == {**ALL_FINE, "Image Replicated": 2}
    (available,) = heard["Image Available"]
    assert len(available["destinations"]) == 2
    assert any("team/" in warning for warning in available["warnings"])


def test_failed_at_one_of_four(scene: Scene) -> None:
    with faults(scene.stage, f"ReplicateImage:region={FAR.region}:code=SomethingOfEcr:fail"):
        seen, told = scene.fails(scene.put("uploads/team/failing/x.tar", SOUND), FAR)

    assert (told["status"], told["failure"]) == ("failed", "SomethingOfEcr")
    assert counts(scene.heard(seen)) == ONE_MISSING


def test_destination_policy_missing(scene: Scene) -> None:
    with without_policy(scene.stage, FAR):
        seen, told = scene.fails(scene.put("uploads/team/unwelcome/x.tar", SOUND), FAR)

    assert counts(scene.heard(seen)) == ONE_MISSING
    assert told["causes"] == ["RegistryPolicyMissing"]


def test_immutable_destination_tag(scene: Scene) -> None:
    key = "uploads/team/fixed/x.tar"
    assert scene.push(key, SOUND).upload.state is State.AVAILABLE
    there = scene.stage.client("ecr", OWN.account, OWN.region)
    there.put_image_tag_mutability(repositoryName="team/fixed", imageTagMutability="IMMUTABLE")
    assert scene.push(key, SOUND).upload.state is State.AVAILABLE, "with the same digest"

    upload = scene.put(key, OTHER)
    scene.confirming(upload, waiting=OWN)
    scene.until(lambda: failure(scene.look(upload), OWN) == "TagNamesAnotherImage")
    scene.age(upload, 2 * HOUR)
    seen, told = scene.fails(upload, OWN)

    assert counts(scene.heard(seen)) == ONE_MISSING
    assert (told["digest_verified"], told["tags_verified"]) == (True, False)
    assert told["causes"] == ["TagImmutable"]


def failure(seen: Observation | None, registry: Registry) -> str:
    """Return what a destination lacks by now."""
    return next((one.failure for one in seen.replicas if one.registry == registry), "") if seen else ""


def test_child_missing_at_one(scene: Scene) -> None:
    rule = f"ReplicateImage:region={FAR.region}:nth=1:code=ChildBroken:fail"
    with options(scene.stage, index_brings_children=False), faults(scene.stage, rule):
        seen, told = scene.fails(scene.put("uploads/team/child/x.tar", index()), FAR)

    assert counts(scene.heard(seen)) == ONE_MISSING
    assert (told["status"], told["failure"]) == ("failed", "ChildBroken")


def test_configuration_changed_between_push_and_confirm(scene: Scene) -> None:
    with faults(scene.stage, HELD):
        upload = scene.put("uploads/team/changed/x.tar", SOUND)
        scene.confirming(upload, waiting=FAR)
        with rules(scene.stage, [{"destinations": [{"registryId": OWN.account, "region": OWN.region}]}]):
            scene.stage.aws.ecr.hurry()
            seen = scene.await_end(upload)

    heard = scene.heard(seen)
    assert counts(heard) == ALL_FINE
    (available,) = heard["Image Available"]
    assert len(available["destinations"]) == 4
    assert any(f"no longer replicated to {FAR}" in warning for warning in available["warnings"])


def test_destination_repository_deleted_after_it_was_verified_and_before_the_rest_was(scene: Scene) -> None:
    with faults(scene.stage, HELD):
        upload = scene.put("uploads/team/lost/x.tar", SOUND)
        scene.confirming(upload, waiting=FAR)
        there = scene.stage.client("ecr", OWN.account, OWN.region)
        there.delete_repository(repositoryName="team/lost", force=True)
        scene.age(upload, HOUR)
        scene.stage.aws.ecr.hurry()
        scene.until(lambda: failure(scene.look(upload), OWN) == "RepositoryAbsent")
        scene.age(upload, 2 * HOUR)
        seen, told = scene.fails(upload, OWN)

    assert (told["failure"], told["causes"]) == ("RepositoryAbsent", ["RepositoryDeleted"])
    assert counts(scene.heard(seen)) == {**ONE_MISSING, "Image Replicated": 4, "Image Late": 1}, "one came and went"


@pytest.mark.parametrize("missing", [without_reader, without_read_back], ids=["the role", "its rights"])
def test_read_back_role_missing(scene: Scene, missing: Callable[[LocalStage], AbstractContextManager[None]]) -> None:
    upload = held(scene, f"uploads/team/{missing.__name__.replace('_', '-')}/x.tar")
    with missing(scene.stage):
        scene.stage.aws.ecr.hurry()
        scene.until(lambda: failure(scene.look(upload), FAR) == "ReadBackDenied")
        scene.age(upload, 2 * HOUR)
        seen, told = scene.fails(upload, FAR)

    assert counts(scene.heard(seen)) == {**ONE_MISSING, "Image Replicated": 2}, "one role for both registries"
    assert (told["status"], told["failure"]) == ("reported", "ReadBackDenied")
    assert set(told["causes"]) == {"ReadBackDenied"}


@pytest.mark.parametrize("kind", ["lose", "duplicate"])
def test_events_of_ecr_lost_and_doubled(scene: Scene, kind: str) -> None:
    with faults(scene.stage, f"ReplicationEvent:{kind}"):
        seen = scene.push(f"uploads/team/events-{kind}/x.tar", SOUND)

    assert counts(scene.heard(seen)) == ALL_FINE


def test_events_of_ecr_early_strange_and_after_the_end(scene: Scene) -> None:
    queue = scene.stage.client("sqs").get_queue_url(QueueName=queue_name(STAGE, CONFIRM))["QueueUrl"]

    def tell(digest: str) -> None:
        detail = {
            "result": "SUCCESS",
            "repository-name": "team/early",
            "image-digest": digest,
            "source-account": scene.stage.deployment.account,
            "source-region": scene.stage.deployment.region,
            "action-type": "REPLICATE",
            "image-tag": "1.0",
        }
        body = {"source": "aws.ecr", "detail-type": "ECR Replication Action", "detail": detail}
        scene.stage.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(body))

    with faults(scene.stage, HELD):
        upload = scene.put("uploads/team/early/x.tar", SOUND)
        digest = str(scene.confirming(upload, waiting=FAR).roots[0].digest)
        for told in (digest, digest, f"sha256:{'0' * 64}", "no digest"):
            tell(told)
        scene.await_quiet()
        scene.stage.aws.ecr.hurry()
        seen = scene.await_end(upload)
    tell(digest)

    scene.await_quiet()
    assert counts(scene.heard(seen)) == ALL_FINE
