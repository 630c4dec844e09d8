"""What becomes of an upload by what happens to its replicas; each is told in one word, with what mends it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.errors import Code, FailedError, ThrottledError, TransshipError
from chalicelib.oci.reference import Registry
from chalicelib.ports.registry import ReplicationRule
from chalicelib.replacing import replace
from chalicelib.settings import Settings
from chalicelib.state.upload import State
from tests import archives
from tests.fakes.registry import Call
from tests.unit.pipeline.troubles import (
    APP,
    CONDITION,
    INDEX,
    KEY,
    SOUND,
    archive_image,
    archive_layers,
    barren,
    delete_repository,
    emptied,
    endless,
    failing,
    forge,
    forget_layers,
    key_lost,
    old_tag_again,
    other_tag,
    policy,
    read_back_denied,
    reconfigured,
    silent,
    template,
    unreachable,
    untagged,
    until_published,
    without_a_policy,
)
from tests.world import FAR, NEAR, SOURCE, World


def destination(world: World, registry: Registry) -> dict[str, Any]:
    """What the last event says of one destination."""
    event = world.bus.taken[-1].detail
    described = event["images"][0] if "images" in event else event
    (found,) = (one for one in described["destinations"] if one["region"] == registry.region)
    return dict(found)


def causes(world: World, registry: Registry) -> dict[str, Any]:
    (found,) = (one for one in world.bus.taken[-1].detail["facts"]["destinations"] if one["region"] == registry.region)
    return {cause["cause"]: cause for cause in found["causes"]}


# --- it arrives ------------------------------------------------------------------------------------------------------


def slow(world: World) -> None:
    world.ecr.lag = 2_400.0


def immutable_with_the_same(world: World) -> None:
    upload = world.upload(KEY, SOUND)
    world.run()
    assert world.state(upload) is State.AVAILABLE
    world.ecr.repository(FAR, APP).mutability = "IMMUTABLE"


ARRIVES: Mapping[str, Callable[[World], None]] = {
    "all fine": lambda _: None,
    "40 minutes": slow,
    "immutable destination tag with the same digest": immutable_with_the_same,
}


@pytest.mark.parametrize("happens", ARRIVES.values(), ids=ARRIVES)
def test_is_available_in_the_end(happens: Callable[[World], None]) -> None:
    world = World()
    happens(world)
    upload = world.upload(KEY, SOUND)
    world.run()

    assert world.state(upload) is State.AVAILABLE
    (event,) = [
        event
        for event in world.bus.taken
        if event.detail_type == "Image Available" and event.detail["upload"]["id"] == upload
    ]
    assert [one["status"] for one in event.detail["destinations"]] == ["verified", "verified"]


def test_what_was_looked_at_is_kept_with_the_verdict() -> None:
    world = World()
    upload = world.upload(KEY, INDEX)
    world.run()

    assert [replica.checks for replica in world.replicas(upload)] == [
        {"status": "COMPLETE", "manifests": 3, "blobs": 4, "tags": 1}
    ] * 2


def test_an_index_of_more_images_than_one_request_takes_is_read_back_whole() -> None:
    made = archives.Layout()
    made.list(archives.multi_platform(made, *(f"arch{number}" for number in range(130))), ref="1.0")
    world = World()
    upload = world.upload(KEY, made.tar())
    world.run()

    assert world.state(upload) is State.AVAILABLE
    assert [(one.checks["manifests"], one.checks["blobs"]) for one in world.replicas(upload)] == [(131, 260)] * 2


# --- it does not -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """What *happens* at FAR, before the upload or once it is published, and how that is named."""

    failure: str
    cause: str
    before: Callable[[World], None] = lambda _: None
    published: Callable[[World], None] = lambda _: None
    content: bytes = SOUND
    status: str = "failed"
    settings: dict[str, Any] = field(default_factory=dict)


TROUBLES = {
    "status never": Trouble("StatusAbsent", "Unknown", before=silent),
    "in progress for ever": Trouble("Unfinished", "Unknown", before=endless),
    "FAILED at one": Trouble("SomethingOfEcr", "Unknown", before=failing),
    "policy missing": Trouble("AccessDenied", "RegistryPolicyMissing", before=without_a_policy),
    "policy of another prefix": Trouble(
        "AccessDenied",
        "RegistryPolicyDenies",
        before=policy(lambda s: s.update(Resource="arn:aws:ecr:*:*:repository/x")),
    ),
    "policy with a condition": Trouble(
        "AccessDenied", "RegistryPolicyDenies", before=policy(lambda s: s.update(Condition=CONDITION))
    ),
    "may not create": Trouble(
        "AccessDenied", "RepositoryNotCreatable", before=policy(lambda s: s.update(Action="ecr:ReplicateImage"))
    ),
    "template without a role": Trouble("RepositoryCreationFailed", "CreationTemplateRole", before=template),
    "configuration changed": Trouble("Gone", "NotConfigured", published=reconfigured),
    "immutable tag, another digest": Trouble("TagNamesAnotherImage", "TagImmutable", before=other_tag("IMMUTABLE")),
    "COMPLETE, old digest": Trouble("TagNamesAnotherImage", "TagNamesAnotherImage", published=old_tag_again),
    "COMPLETE, untagged": Trouble("TagAbsent", "TagAbsent", published=untagged),
    "child missing": Trouble("ChildAbsent", "Incomplete", before=barren, content=INDEX),
    "deleted again": Trouble("DeletedAgain", "LifecycleRule", published=emptied),
    "layers missing": Trouble("LayerAbsent", "Incomplete", published=forget_layers),
    "image archived": Trouble("Archived", "Archived", published=archive_image),
    "layers archived": Trouble("Archived", "Archived", published=archive_layers),
    "repository deleted": Trouble("RepositoryAbsent", "RepositoryDeleted", published=delete_repository),
    "bytes differ": Trouble("ManifestDiffers", "Unknown", published=forge),
    "key lost": Trouble("KeyUnusable", "KeyUnusable", published=key_lost),
    "read-back role missing": Trouble("ReadBackDenied", "ReadBackDenied", before=read_back_denied, status="reported"),
    "Region not opted in": Trouble("Unreachable", "RegionNotOptedIn", before=unreachable),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_a_destination_in_trouble_fails_the_upload_and_is_named(trouble: Trouble) -> None:
    world = World()
    trouble.before(world)
    upload = until_published(world, trouble.content)
    trouble.published(world)
    world.run()

    assert (world.state(upload), world.record(upload).code) == (State.FAILED, "NOT_REPLICATED")
    told = destination(world, FAR)
    assert (told["status"], told["failure"]) == (trouble.status, trouble.failure)
    found = causes(world, FAR)
    assert next(iter(found)) == trouble.cause, found
    assert found[trouble.cause]["detail"]
    assert found[trouble.cause]["mend"].keys() & {"command", "statement", "document"}
    assert destination(world, NEAR)["status"] == "verified", "the good one has been announced by itself"
    assert world.bus.types().count("Image Replicated") == 1
    assert not any(world.queues.messages.values())
    assert not any(world.queues.dead.values())


def test_a_mended_policy_is_the_one_that_is_proposed() -> None:
    world = World()
    without_a_policy(world)
    world.upload(KEY, SOUND)
    world.run()
    proposed = causes(world, FAR)["RegistryPolicyMissing"]["mend"]["document"]

    world = World()
    world.ecr.policies[str(FAR)] = json.dumps(proposed)
    upload = world.upload(KEY, SOUND)
    world.run()

    assert world.state(upload) is State.AVAILABLE


def test_a_changed_configuration_is_told_and_not_judged_by() -> None:
    world = World()
    upload = until_published(world)
    third = Registry(SOURCE.account, "ap-southeast-2")
    world.ecr.rules[SOURCE] = (ReplicationRule((NEAR, third)),)
    world.run()

    assert world.state(upload) is State.AVAILABLE
    event = world.bus.taken[-1].detail
    assert [one["region"] for one in event["destinations"]] == [NEAR.region, FAR.region]
    assert any(str(FAR) in warning for warning in event["warnings"])
    assert any(str(third) in warning for warning in event["warnings"])


@pytest.mark.parametrize("lag", [0.0, 1e9], ids=["available", "failed"])
@pytest.mark.parametrize("error", [ThrottledError("Rate exceeded"), FailedError(Code.ACCESS_DENIED, "denied")])
def test_where_the_configuration_cannot_be_compared_the_result_says_so(error: TransshipError, lag: float) -> None:
    world = World()
    world.ecr.lags[FAR] = lag
    upload = until_published(world)

    def refuse(call: Call) -> None:
        if call.operation == "DescribeRegistry":
            raise error

    world.ecr.on_call = refuse
    world.run()

    assert world.state(upload) is (State.FAILED if lag else State.AVAILABLE)
    (told,) = [one for one in world.record(upload).warnings if "configuration could not be read" in one]
    assert told in world.bus.taken[-1].detail["warnings"]


def test_a_near_miss_is_told_where_the_image_is_announced() -> None:
    world = World()
    world.ecr.rules[SOURCE] = (ReplicationRule((NEAR,), ("team/app-",)),)
    upload = world.upload(KEY, SOUND)
    world.run()

    assert world.state(upload) is State.AVAILABLE
    assert any("team/app-" in warning for warning in world.bus.taken[-1].detail["warnings"])


@pytest.mark.parametrize(("away", "statuses"), [(FAR, ["verified", "waiting"]), (NEAR, ["waiting", "verified"])])
def test_a_destination_that_does_not_answer_keeps_nobody_waiting(away: Registry, statuses: list[str]) -> None:
    world = World()
    world.ecr.unreached[away] = "no connection"
    upload = world.upload(KEY, SOUND)
    world.run(seconds=600)
    assert [replica.status.value for replica in world.replicas(upload)] == statuses

    world.ecr.unreached.clear()
    world.run()

    assert world.state(upload) is State.AVAILABLE


def test_an_outage_of_the_source_is_waited_out() -> None:
    world = World()
    upload = until_published(world)
    world.broken.add("ecr.replication_status")
    world.run(seconds=3_600)
    assert world.state(upload) is State.CONFIRMING

    world.broken.clear()
    world.run()

    assert world.state(upload) is State.AVAILABLE


@pytest.mark.parametrize("suffices", [True, False])
def test_only_reported_where_nothing_may_be_read_back(suffices: bool) -> None:
    world = World(settings=replace(World().settings, reported_suffices=suffices))
    world.ecr.shut.add(FAR)
    upload = world.upload(KEY, INDEX)
    world.run()

    assert world.state(upload) is (State.AVAILABLE if suffices else State.FAILED)
    assert destination(world, FAR)["status"] == "reported"
    assert not destination(world, FAR)["digest_verified"]


def test_a_child_without_a_status_is_not_reported() -> None:
    """COMPLETE of an index says nothing about its children (trap 15)."""
    world = World(settings=replace(World().settings, reported_suffices=True))
    world.ecr.shut.add(FAR)
    world.ecr.mute_children = True
    upload = world.upload(KEY, INDEX)
    world.run()

    assert world.state(upload) is State.FAILED
    assert destination(world, FAR)["failure"] == "ReadBackDenied"


def scanning(**more: Any) -> Settings:
    return replace(World().settings, scan_severity="HIGH", **more)


@pytest.mark.parametrize(
    ("counts", "state"),
    [({"MEDIUM": 9}, State.AVAILABLE), ({"HIGH": 1}, State.FAILED), ({"CRITICAL": 1}, State.FAILED)],
    ids=["below", "at", "above"],
)
def test_findings_of_a_scan_decide_where_the_settings_say_so(counts: dict[str, int], state: State) -> None:
    world = World(settings=scanning())
    upload = until_published(world, INDEX)
    world.run(seconds=600)
    assert world.state(upload) is State.CONFIRMING, "children are not scanned yet"

    world.scan_everything(counts)
    world.run()

    assert world.state(upload) is state
    assert world.record(upload).code == ("" if state is State.AVAILABLE else "SCAN_FINDINGS")


def test_a_scan_that_never_ends_is_not_waited_for_for_ever() -> None:
    world = World(settings=scanning())
    upload = world.upload(KEY, SOUND)
    world.run()

    assert (world.state(upload), world.record(upload).code) == (State.FAILED, "SCAN_UNFINISHED")
