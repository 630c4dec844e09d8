"""What happens between two looks, or between the last look and the announcement, is not overlooked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry
from chalicelib.replacing import replace
from chalicelib.state.records import Arrival
from chalicelib.state.upload import State
from tests import archives
from tests.fakes.repository import FakeRepository
from tests.unit.pipeline.troubles import APP, KEY, ONE, OTHER, SOUND, until_published
from tests.world import FAR, NEAR, SOURCE, World

LATE = 3_000.0


def until_one_is_verified(content: bytes = SOUND) -> tuple[World, str]:
    """Let an image arrive at NEAR, where it is verified, and be on its way to FAR."""
    world = World()
    world.ecr.lags[FAR] = LATE
    upload = world.upload(KEY, content)
    world.run(seconds=600)
    assert [replica.status for replica in world.replicas(upload)] == [Arrival.VERIFIED, Arrival.WAITING]
    return world, upload


def replicated(world: World, registry: Registry) -> list[str]:
    """Return the ids of the events that told of an arrival at *registry*."""
    return [
        event.detail["id"]
        for event in world.bus.taken
        if event.detail_type == "Image Replicated" and event.detail["destination"]["region"] == registry.region
    ]


def empty(repository: FakeRepository) -> None:
    repository.images.clear()
    repository.tags.clear()


def move_tag(repository: FakeRepository) -> None:
    repository.tags[ONE] = OTHER


def lose_layers(repository: FakeRepository) -> None:
    repository.blobs.clear()


LOST: dict[str, tuple[Callable[[FakeRepository], None], str]] = {
    "image deleted": (empty, "DeletedAgain"),
    "tag moved": (move_tag, "TagNamesAnotherImage"),
    "layers deleted": (lose_layers, "LayerAbsent"),
}


@pytest.mark.parametrize(("happens", "failure"), LOST.values(), ids=LOST)
def test_what_was_lost_after_it_was_verified_is_not_announced(
    happens: Callable[[FakeRepository], None], failure: str
) -> None:
    world, upload = until_one_is_verified()
    happens(world.ecr.repository(NEAR, APP))
    world.run()

    assert (world.state(upload), world.record(upload).code) == (State.FAILED, "NOT_REPLICATED")
    assert [(replica.status, replica.failure) for replica in world.replicas(upload)] == [
        (Arrival.FAILED, failure),
        (Arrival.VERIFIED, ""),
    ]
    assert "Image Available" not in world.bus.types()
    assert len(replicated(world, NEAR)) == len(replicated(world, FAR)) == 1


def test_what_was_lost_and_came_back_is_announced_once() -> None:
    world, upload = until_one_is_verified()
    there = world.ecr.repository(NEAR, APP)
    images, tags = dict(there.images), dict(there.tags)
    empty(there)
    world.run(seconds=LATE)
    assert world.state(upload) is State.CONFIRMING
    there.images, there.tags = images, tags
    world.run()

    assert world.state(upload) is State.AVAILABLE
    assert Counter(world.bus.types())["Image Available"] == 1
    assert len(replicated(world, NEAR)) == len(replicated(world, FAR)) == 1


def test_a_destination_that_shuts_after_it_was_verified_is_only_reported() -> None:
    world, upload = until_one_is_verified()
    world.ecr.shut.add(NEAR)
    world.run()

    assert world.state(upload) is State.FAILED
    assert [replica.status for replica in world.replicas(upload)] == [Arrival.REPORTED, Arrival.VERIFIED]


def test_a_destination_that_does_not_answer_at_the_last_moment_is_asked_again() -> None:
    world, upload = until_one_is_verified()
    world.ecr.unreached[NEAR] = "no connection"
    world.run(seconds=LATE)
    assert world.state(upload) is State.CONFIRMING
    world.ecr.unreached.clear()
    world.run()

    assert world.state(upload) is State.AVAILABLE


@pytest.mark.parametrize(("silent", "state"), [(2, State.AVAILABLE), (3, State.FAILED)])
def test_a_destination_may_be_silent_at_a_few_looks_after_the_deadline(silent: int, state: State) -> None:
    world, upload = until_one_is_verified()
    deadline = world.record(upload).published + world.settings.confirm_deadline
    world.ecr.unreached[FAR] = "no connection"
    while max(replica.silent for replica in world.replicas(upload)) < silent and not world.state(upload).terminal:
        world.run(seconds=1)
    world.ecr.unreached.clear()
    world.run()

    assert world.state(upload) is state
    assert world.clock.now() < deadline + 4 * world.settings.confirm_most


def test_while_a_scan_is_waited_for_replicas_may_be_lost() -> None:
    world = World(settings=replace(World().settings, scan_severity="HIGH"))
    upload = world.upload(KEY, SOUND)
    world.run(seconds=600)
    assert [replica.status for replica in world.replicas(upload)] == [Arrival.VERIFIED] * 2
    empty(world.ecr.repository(FAR, APP))
    world.scan_everything({})
    world.run()

    assert world.state(upload) is State.FAILED
    assert "Image Available" not in world.bus.types()


def test_a_tag_that_was_moved_in_the_source_meanwhile_supersedes() -> None:
    world, upload = until_one_is_verified()
    world.ecr.repository(SOURCE, APP).tags[ONE] = OTHER
    world.run()

    assert world.state(upload) is State.SUPERSEDED
    assert "Image Available" not in world.bus.types()


def test_what_is_only_reported_is_told_when_it_is_verified_and_once() -> None:
    world = World()
    world.ecr.shut.add(FAR)
    upload = world.upload(KEY, SOUND)
    world.run(seconds=600)
    assert [replica.status for replica in world.replicas(upload)] == [Arrival.VERIFIED, Arrival.REPORTED]
    assert not replicated(world, FAR), "the settings do not take ECR's word for it"

    world.ecr.shut.clear()
    world.run()

    assert world.state(upload) is State.AVAILABLE
    (told,) = [event for event in world.bus.taken if event.detail["id"] in replicated(world, FAR)]
    assert told.detail["destination"]["status"] == "verified"


def test_many_early_events_do_not_make_the_looks_rarer() -> None:
    world = World()
    world.ecr.lag = 60.0
    upload = until_published(world)
    hint = {
        "source-account": SOURCE.account,
        "source-region": SOURCE.region,
        "repository-name": str(APP),
        "image-digest": str(world.ecr.repository(SOURCE, APP).tags[ONE]),
    }
    for _ in range(50):
        world.hint(hint)
    published = world.clock.now()
    world.run()

    assert world.state(upload) is State.AVAILABLE
    assert world.record(upload).ended - published < 2 * 60.0


@pytest.mark.parametrize("jump", [-3_600.0, 3_600.0, 86_400.0], ids=["back", "an hour on", "a day on"])
def test_a_clock_that_jumps_ends_nothing_wrongly(jump: float) -> None:
    world = World()
    world.ecr.lag = 60.0
    upload = until_published(world)
    world.run(seconds=20)
    world.clock.seconds += jump
    world.ecr.lag = 0.0
    world.run(seconds=8 * 3_600.0)

    assert world.state(upload) is State.AVAILABLE
    assert not any(world.queues.dead.values())


# --- families --------------------------------------------------------------------------------------------------------


def nested() -> tuple[bytes, Digest]:
    """Return an index of an index of images, and the digest of a grandchild."""
    made = archives.Layout()
    grandchild = made.image(archives.image("deep"))
    inner = made.index(grandchild)
    made.list(made.index(inner, made.image(archives.image("flat"))), ref="1.0")
    return made.tar(), Digest.parse(grandchild["digest"])


def signed() -> tuple[bytes, Digest]:
    """Return an image with an SBOM, and the SBOM's digest."""
    made = archives.Layout()
    subject = made.list(made.image(archives.image("hello")), ref="1.0")
    about = made.referrer(subject)
    made.list(about)
    return made.tar(), Digest.parse(about["digest"])


@pytest.mark.parametrize("build", [nested, signed])
def test_what_belongs_to_an_image_is_missed(build: Callable[[], tuple[bytes, Digest]]) -> None:
    content, part = build()
    world = World()
    upload = until_published(world, content)
    world.clock.seconds += world.ecr.lag
    del world.ecr.repository(FAR, APP).images[part]
    world.run()

    assert world.state(upload) is State.FAILED
    bad = [replica for replica in world.replicas(upload) if replica.registry == FAR]
    assert {(replica.status, replica.failure) for replica in bad} == {(Arrival.FAILED, "ChildAbsent")}
