"""Bringing what did not arrive: which way repairs which trouble, judged by the read-back alone."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from chalicelib.access.documents import accept_replicas
from chalicelib.ports.registry import ReplicationRule
from chalicelib.replacing import replace
from chalicelib.replicas.healing import Way
from chalicelib.state.records import Arrival
from chalicelib.state.upload import State
from tests.unit.pipeline.troubles import (
    APP,
    INDEX,
    KEY,
    ONE,
    OTHER,
    SOUND,
    barren,
    emptied,
    endless,
    failing,
    far,
    old_tag_again,
    other_tag,
    read_back_denied,
    silent,
    untagged,
    until_published,
    without_a_policy,
)
from tests.world import FAR, HOME, NEAR, SOURCE, World
from transship.errors import CommandError
from transship.heal import examine, heal, remove_heal_tags

Change = Callable[[World], None]


def nothing(_: World) -> None:
    """What was wrong stays wrong."""


def works_again(world: World) -> None:
    world.ecr.failing.clear()


def accepted(world: World) -> None:
    world.ecr.policies[str(FAR)] = json.dumps(accept_replicas(FAR, HOME, partition="aws"))


def opened(world: World) -> None:
    world.ecr.shut.clear()


def swift(world: World) -> None:
    world.ecr.silent.clear()
    world.ecr.lags.clear()


def fertile(world: World) -> None:
    world.ecr.barren.clear()


def untag_there(world: World) -> None:
    world.ecr.repository(FAR, APP).tags.clear()


def deleted(world: World) -> None:
    far(world)
    del world.ecr.repositories[FAR][APP]


def failed(world: World, before: Change = nothing, published: Change = nothing, content: bytes = SOUND) -> str:
    before(world)
    upload = until_published(world, content)
    published(world)
    world.run()
    assert world.state(upload) is State.FAILED
    return upload


def healed(world: World, upload: str, way: Way, *, create: bool = False) -> State:
    outside = world.outside()
    heal(outside, examine(outside, upload), way, destination=world.ecr.client, create=create, sleep=lambda _: None)
    world.run()
    return world.state(upload)


REPAIRED: dict[str, tuple[Change, Change, Change, Way, bytes]] = {
    # name: before the upload, after the put, what was mended, the way
    "status never: push": (silent, nothing, nothing, Way.PUSH, SOUND),
    "status never: backfill": (silent, nothing, swift, Way.BACKFILL, SOUND),
    "in progress for ever: push": (endless, nothing, nothing, Way.PUSH, SOUND),
    "FAILED at one: push": (failing, nothing, nothing, Way.PUSH, SOUND),
    "FAILED at one: backfill": (failing, nothing, works_again, Way.BACKFILL, SOUND),
    "policy missing: push": (without_a_policy, nothing, nothing, Way.PUSH, SOUND),
    "policy missing: backfill": (without_a_policy, nothing, accepted, Way.BACKFILL, SOUND),
    "index FAILED: push": (failing, nothing, nothing, Way.PUSH, INDEX),
    "child missing: push": (barren, nothing, nothing, Way.PUSH, INDEX),
    "child missing: retag": (barren, nothing, fertile, Way.RETAG, INDEX),
    "child missing: backfill": (barren, nothing, fertile, Way.BACKFILL, INDEX),
    "COMPLETE, untagged: push": (nothing, untagged, nothing, Way.PUSH, SOUND),
    "COMPLETE, old digest: push": (nothing, old_tag_again, nothing, Way.PUSH, SOUND),
    "immutable tag removed there: push": (other_tag("IMMUTABLE"), nothing, untag_there, Way.PUSH, SOUND),
    "deleted again: push": (nothing, emptied, nothing, Way.PUSH, SOUND),
    "repository deleted: push": (nothing, deleted, nothing, Way.PUSH, SOUND),
    "repository deleted: backfill": (nothing, deleted, nothing, Way.BACKFILL, SOUND),
    "read-back role missing: look": (read_back_denied, nothing, opened, Way.LOOK, SOUND),
}  # fmt: skip


@pytest.mark.parametrize(("before", "published", "mended", "way", "content"), REPAIRED.values(), ids=REPAIRED)
def test_repairs(before: Change, published: Change, mended: Change, way: Way, content: bytes) -> None:
    world = World()
    upload = failed(world, before, published, content)
    mended(world)

    assert healed(world, upload, way, create=True) is State.AVAILABLE
    assert [replica.status for replica in world.replicas(upload)] == [Arrival.VERIFIED] * 2
    root = world.ecr.repository(SOURCE, APP).tags[ONE]
    assert world.ecr.repository(FAR, APP).tags[ONE] == root
    assert world.bus.types()[-1] == "Image Available"
    assert all(len(texts) == 1 for texts in world.bus.texts().values())
    near = [
        e
        for e in world.bus.taken
        if e.detail_type == "Image Replicated" and e.detail["destination"]["region"] == NEAR.region
    ]
    assert len(near) == 1, "a destination that was good is not announced again"  # fmt: skip


def test_pushing_straight_moves_only_what_is_missing() -> None:
    world = World()
    upload = failed(world, published=untagged)
    before = world.ecr.count()

    assert healed(world, upload, Way.PUSH) is State.AVAILABLE
    after = world.ecr.count()
    assert after["InitiateLayerUpload"] == before["InitiateLayerUpload"]
    assert after["PutImage"] == before["PutImage"] + 1


def test_retagging_brings_the_image_without_its_tag_and_is_not_taken_for_success() -> None:
    world = World()
    upload = failed(world, failing)
    works_again(world)

    assert healed(world, upload, Way.RETAG) is State.FAILED
    (bad,) = [replica for replica in world.replicas(upload) if replica.status is Arrival.FAILED]
    assert (bad.digest_verified, bad.failure) == (True, "TagAbsent")


def test_tags_of_healing_are_removed_in_the_source_and_the_image_stays() -> None:
    world = World()
    upload = failed(world, barren, content=INDEX)
    fertile(world)
    assert healed(world, upload, Way.RETAG) is State.AVAILABLE

    assert set(world.ecr.repository(SOURCE, APP).tags) == {ONE}
    assert any(str(tag).startswith("transship-heal-") for tag in world.ecr.repository(FAR, APP).tags)


def test_tags_of_healing_stay_where_removing_them_would_be_replicated() -> None:
    world = World()
    upload = failed(world, barren, content=INDEX)
    fertile(world)
    world.ecr.rules[SOURCE] = tuple(replace(rule, deletes=True) for rule in world.ecr.rules[SOURCE])
    assert healed(world, upload, Way.RETAG) is State.AVAILABLE

    assert len(world.ecr.repository(SOURCE, APP).tags) == 2
    assert len(remove_heal_tags(world.outside(), world.record(upload))) == 1


def test_an_immutable_tag_there_is_not_overcome() -> None:
    world = World()
    upload = failed(world, other_tag("IMMUTABLE"))
    outside = world.outside()

    with pytest.raises(CommandError, match="TAG_IMMUTABLE"):
        heal(outside, examine(outside, upload), Way.PUSH, destination=world.ecr.client)
    assert world.ecr.repository(FAR, APP).tags[ONE] == OTHER
    assert world.state(upload) is State.FAILED


def test_a_repository_is_created_there_only_if_asked_to() -> None:
    world = World()
    upload = failed(world, without_a_policy)
    outside = world.outside()

    with pytest.raises(CommandError, match="REPOSITORY_ABSENT"):
        heal(outside, examine(outside, upload), Way.PUSH, destination=world.ecr.client)


def test_an_available_upload_can_be_doubted() -> None:
    world = World()
    upload = world.upload(KEY, SOUND)
    world.run()
    del world.ecr.repositories[FAR][APP]

    assert healed(world, upload, Way.LOOK) is State.FAILED
    assert healed(world, upload, Way.PUSH, create=True) is State.AVAILABLE


def test_a_rejected_upload_has_nothing_to_heal() -> None:
    world = World()
    upload = world.upload(KEY, b"")
    world.run()

    with pytest.raises(CommandError, match="rejected"):
        examine(world.outside(), upload)


def test_heals_by_itself_where_the_settings_say_so() -> None:
    world = World(settings=replace(World().settings, heal="retag"))
    world.ecr.barren.add(FAR)
    upload = until_published(world, INDEX)
    world.run(seconds=7_000)
    assert world.state(upload) is State.CONFIRMING
    fertile(world)
    world.run()

    assert world.state(upload) is State.AVAILABLE
    assert set(world.ecr.repository(SOURCE, APP).tags) == {ONE}


def test_heals_by_itself_once_and_never_for_a_tag() -> None:
    world = World(settings=replace(World().settings, heal="retag"))
    barren(world)
    upload = until_published(world, INDEX)
    world.run(seconds=6 * 3600)
    assert world.state(upload) is State.FAILED
    puts = world.ecr.count()["PutImage"]
    assert puts == 4, "two children, the index, and the index under a tag of its own"

    world = World(settings=replace(World().settings, heal="retag"))
    failed(world, other_tag("MUTABLE"), old_tag_again)
    assert world.ecr.count()["PutImage"] == 1


def test_nothing_is_healed_by_itself_by_default() -> None:
    world = World()
    failed(world, barren, content=INDEX)

    assert world.ecr.count()["PutImage"] == 3


def test_a_destination_that_the_rules_no_longer_name_can_be_pushed_to() -> None:
    world = World()
    upload = failed(world, failing)
    world.ecr.rules[SOURCE] = (ReplicationRule((NEAR,)),)

    assert healed(world, upload, Way.PUSH, create=True) is State.AVAILABLE


def test_what_was_lost_while_something_else_was_healed_is_not_announced() -> None:
    world = World()
    upload = failed(world, failing)
    del world.ecr.repositories[NEAR][APP]

    assert healed(world, upload, Way.PUSH, create=True) is State.FAILED
    assert "Image Available" not in world.bus.types()
    assert healed(world, upload, Way.PUSH, create=True) is State.AVAILABLE
