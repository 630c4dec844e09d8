"""Replication backfills: states, progress, results (ecr.md 1.7)."""

from __future__ import annotations

from collections.abc import Callable

from tests.local.ecr.points_images import index_of
from tests.local.ecr.points_registry import start_backfill
from tests.local.ecr.world import ACCOUNT, World

WEST = (ACCOUNT, "eu-west-1")


def results_of(world: World, backfill: str, **more: object) -> dict:  # type: ignore[type-arg]
    return world.ecr.describe_replication_backfill_results(replicationBackfillId=backfill, **more)


def test_images_from_before_the_configuration_arrive(world: World) -> None:
    repository = world.repository()
    digest = world.push(repository, "1")
    world.push(repository, "2")
    world.replicate_to(WEST)

    backfill = start_backfill(world)
    world.settle()

    answer = results_of(world, backfill)
    assert answer["status"] == "COMPLETE"
    assert answer["progress"]["totalReplicationCount"] == answer["progress"]["completedReplicationCount"] == 2
    assert world.tags(repository, *WEST) == {"1": digest, "2": digest}
    assert world.statuses(repository, digest) == {f"{ACCOUNT}/eu-west-1": "COMPLETE"}


def test_results_are_told_only_after_the_end(make_world: Callable[..., World]) -> None:
    world = make_world(backfill_preparation_seconds=10.0, replication_lag_seconds=60.0)
    world.push(world.repository(), "1")
    world.replicate_to(WEST)

    backfill = start_backfill(world)
    seen = [results_of(world, backfill)]
    for seconds in (10, 60):
        world.clock.advance(seconds)
        world.service.step()
        seen.append(results_of(world, backfill))

    assert [answer["status"] for answer in seen] == ["PREPARING", "IN_PROGRESS", "COMPLETE"]
    assert [len(answer["results"]) for answer in seen] == [0, 0, 1]


def test_failed_image_stands_in_the_results_with_its_code(world: World) -> None:
    repository = world.repository()
    world.push(repository, "1", b"one")
    world.push(repository, "2", b"two")
    world.replicate_to(WEST)
    world.fault("ReplicateImage:nth=2:code=Lost:fail")

    backfill = start_backfill(world)
    world.settle()

    answer = results_of(world, backfill, resultStatusFilter="FAILED")
    assert answer["status"] == "COMPLETE"
    assert [result["failureCode"] for result in answer["results"]] == ["Lost"]
    assert answer["progress"]["failureCodes"] == ["Lost"]


def test_half_of_a_hundred_failing_fails_the_backfill(world: World) -> None:
    repository = world.repository()
    manifest = world.manifest(repository)
    for number in range(120):
        world.ecr.put_image(repositoryName=repository, imageManifest=manifest, imageTag=f"t{number}")
    world.replicate_to(WEST)
    world.fault("ReplicateImage:code=Lost:fail")

    backfill = start_backfill(world)
    world.settle()

    answer = results_of(world, backfill)
    assert (answer["status"], answer["progress"]["failedReplicationCount"]) == ("FAILED", 100)


def test_stopped_backfill_ends_stopped(make_world: Callable[..., World]) -> None:
    world = make_world(backfill_preparation_seconds=60.0)
    repository = world.repository()
    world.push(repository, "1")
    world.replicate_to(WEST)
    backfill = start_backfill(world)

    stopping = world.ecr.stop_replication_backfill(replicationBackfillId=backfill)["status"]
    world.settle()

    assert (stopping, results_of(world, backfill)["status"]) == ("STOPPING", "STOPPED")
    assert world.client(*WEST).describe_repositories()["repositories"] == []


def test_end_sends_an_event_under_the_switched_name(make_world: Callable[..., World]) -> None:
    world = make_world(backfill_detail_type="ECR Something")
    world.replicate_to(WEST)

    start_backfill(world)
    world.settle()

    assert [event["detail"]["status"] for event in world.events if event["detail-type"] == "ECR Something"] == [
        "COMPLETE"
    ]


def test_ended_backfill_is_kept_for_90_days(world: World) -> None:
    world.replicate_to(WEST)
    start_backfill(world)
    world.settle()

    assert len(world.ecr.list_replication_backfills()["backfills"]) == 1
    world.clock.advance(90 * 86_400 + 1)
    assert world.ecr.list_replication_backfills()["backfills"] == []


def test_image_deleted_meanwhile_is_failed(make_world: Callable[..., World]) -> None:
    world = make_world(replication_lag_seconds=60.0)
    repository = world.repository()
    digest = world.push(repository, "1")
    world.replicate_to(WEST)
    backfill = start_backfill(world)
    world.clock.advance(1)
    world.service.step()

    world.ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    world.settle()

    (result,) = results_of(world, backfill)["results"]
    assert (result["status"], result["imageId"]) == ("FAILED", {"imageDigest": digest, "imageTag": "1"})


def test_result_of_an_index_names_the_failures_of_its_children(world: World) -> None:
    repository = world.repository()
    manifest = world.manifest(repository)
    world.ecr.put_image(repositoryName=repository, imageManifest=manifest)
    world.ecr.put_image(repositoryName=repository, imageManifest=index_of(manifest), imageTag="multi")
    world.replicate_to(WEST)
    world.fault("ReplicateImage:nth=1:code=Lost:fail")

    backfill = start_backfill(world)
    world.settle()

    results = results_of(world, backfill)["results"]
    assert [result["subImageFailureCodes"] for result in results if "subImageFailureCodes" in result] == [["Lost"]]


def test_backfill_stopped_while_it_replicates_keeps_what_arrived(make_world: Callable[..., World]) -> None:
    world = make_world(replication_lag_seconds=60.0)
    world.push(world.repository(), "1")
    world.replicate_to(WEST)
    backfill = start_backfill(world)
    world.clock.advance(1)
    world.service.step()

    world.ecr.stop_replication_backfill(replicationBackfillId=backfill)
    world.settle()

    answer = results_of(world, backfill)
    assert (answer["status"], answer["progress"]["totalReplicationCount"], answer["results"]) == ("STOPPED", 1, [])
