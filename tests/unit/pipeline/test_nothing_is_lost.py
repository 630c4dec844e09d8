"""Messages and events that are lost, doubled, late or refused change nothing; what nobody moves is closed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from chalicelib.state.upload import State
from tests.fakes.queues import Message
from tests.unit.pipeline.troubles import APP, KEY, ONE, SOUND, failing, until_published
from tests.world import FAR, SOURCE, World
from transship.retrying import begin_attempt

TOLD = Counter({"Upload Accepted": 1, "Image Pushed": 1, "Image Replicated": 2, "Image Available": 1})


def hint(world: World) -> dict[str, str]:
    return {
        "source-account": SOURCE.account,
        "source-region": SOURCE.region,
        "repository-name": str(APP),
        "image-digest": str(world.ecr.repository(SOURCE, APP).tags[ONE]),
    }


def assert_told_once(world: World, upload: str) -> None:
    assert world.state(upload) is State.AVAILABLE
    assert Counter(world.bus.types()) == TOLD
    assert all(len(texts) == 1 for texts in world.bus.texts().values()), "a resend must have the same bytes"
    assert not any(world.queues.messages.values())
    assert not any(world.queues.dead.values())
    assert all(row.due is None for row in world.table.rows.values())


def test_replication_events_doubled_and_early_change_nothing() -> None:
    world = World()
    upload = until_published(world)
    for _ in range(3):
        world.hint(hint(world))
    world.run(seconds=3)
    for _ in range(3):
        world.hint(hint(world))
    world.run()

    assert_told_once(world, upload)


def test_replication_events_after_the_end_and_of_strangers_change_nothing() -> None:
    world = World()
    upload = until_published(world)
    world.hint({**hint(world), "image-digest": "sha256:" + "0" * 64})
    world.run()
    world.hint(hint(world))
    world.run()

    assert_told_once(world, upload)


def test_a_bus_out_of_order_for_an_hour_delays_what_is_told_and_nothing_that_is_done() -> None:
    world = World()
    world.broken.add("events.put")
    upload = world.upload(KEY, SOUND)
    world.run(seconds=3_600)
    assert world.state(upload) is State.AVAILABLE
    assert world.bus.types() == []

    world.broken.clear()
    world.run()

    assert_told_once(world, upload)


def test_one_entry_of_three_that_is_refused_is_sent_again_alone() -> None:
    world = World()
    world.bus.refuse = [(), (1,)]
    upload = world.upload(KEY, SOUND)
    world.run()

    assert_told_once(world, upload)


def test_a_lost_notification_is_found_again() -> None:
    world = World()
    upload = world.upload(KEY, SOUND, notify=False)
    world.clock.seconds += 1_000
    world.run_sweep()
    world.run()

    assert_told_once(world, upload)


@pytest.mark.parametrize("queue", ["push", "publish", "confirm"])
def test_a_message_that_vanishes_is_sent_again(queue: str) -> None:
    world = World()
    upload = world.upload(KEY, SOUND)
    while not world.queues.messages[queue]:
        world.step()
    world.queues.messages[queue].clear()
    world.run()

    assert_told_once(world, upload)


class _Hole(list[Message]):
    """A queue that loses whatever is put into it."""

    def append(self, message: Message, /) -> None:
        """Lose it."""


def test_an_upload_that_nobody_can_move_is_closed() -> None:
    world = World(settings=replace(World().settings, upload_deadline=3_600.0))
    upload = world.upload(KEY, SOUND)
    world.queues.messages["publish"] = _Hole()
    world.run(seconds=2 * 3_600)

    assert (world.state(upload), world.record(upload).code) == (State.FAILED, "EXPIRED")
    assert world.bus.types()[-1] == "Upload Failed"


def test_a_new_attempt_takes_the_same_object_version_and_is_told_apart() -> None:
    world = World()
    failing(world)
    upload = world.upload(KEY, SOUND)
    world.run()
    assert world.state(upload) is State.FAILED

    world.ecr.failing.clear()
    world.ecr.replication.backfill(SOURCE, FAR)
    fresh = begin_attempt(world.table, upload, world.clock.now())
    version = fresh.object
    world.queues.deliver("uploads", world.notification_text(version))
    world.run()

    assert (world.state(upload), world.record(upload).attempt) == (State.AVAILABLE, 2)
    ids = [event.detail["id"] for event in world.bus.taken]
    assert len(ids) == len(set(ids))
    assert world.ecr.count()["InitiateLayerUpload"] == 2, "nothing was moved again"
