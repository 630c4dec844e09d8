"""Messages and events that are lost, doubled, late or refused change nothing; what nobody moves is closed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import pytest

from chalicelib.errors import Code, ConflictError, FailedError
from chalicelib.notify import flush
from chalicelib.oci.reference import RepositoryName
from chalicelib.ports.bus import Event
from chalicelib.ports.table import Key, Put
from chalicelib.replacing import replace
from chalicelib.state.ledger import Ledger, event_item
from chalicelib.state.upload import State
from tests import archives
from tests.fakes.queues import Message
from tests.fakes.small import FakeBus
from tests.unit.pipeline.troubles import APP, KEY, ONE, SOUND, failing, until_published, without_a_policy
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


def test_what_was_decided_on_an_upload_that_has_changed_since_is_not_written() -> None:
    world = World()
    upload = until_published(world)
    ledger = Ledger(world.outside())
    seen = ledger.load(upload)
    assert seen is not None
    ledger.decide(seen, replace(seen.upload, looks=1))

    with pytest.raises(ConflictError):
        ledger.decide(seen, replace(seen.upload, state=State.SUPERSEDED))
    assert (world.state(upload), world.record(upload).looks) == (State.CONFIRMING, 1)


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


@pytest.mark.parametrize(("queue", "step"), [("push", "push#0"), ("publish", "publish"), ("confirm", "confirm")])
def test_a_holder_that_fails_after_its_message_ran_out_is_followed_within_a_minute(queue: str, step: str) -> None:
    """On a machine that is too busy to renew its claim to the message in time, and then fails."""
    world = World()
    upload = world.upload(KEY, SOUND)
    while not world.queues.messages[queue]:
        world.step()
    alive = world.clock.now() + 300.0
    world.table.write([Put(Key(f"upload#{upload}", f"lease#{step}"), {"v": 1, "until": alive}, 0)])
    world.run(seconds=400.0)

    assert world.state(upload) is State.AVAILABLE
    assert world.record(upload).ended - alive < 60.0


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


def test_a_bus_that_our_role_may_not_use_delays_what_is_told_and_nothing_that_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    with monkeypatch.context() as denied:
        denied.setattr(FakeBus, "put", _deny)
        upload = world.upload(KEY, SOUND)
        world.run(seconds=3_600)
        assert world.state(upload) is State.AVAILABLE
        assert not any(world.queues.dead.values())
    world.run()

    assert_told_once(world, upload)


def _deny(_bus: FakeBus, _events: Sequence[Event]) -> Sequence[int]:
    raise FailedError(Code.ACCESS_DENIED, "events:PutEvents was denied")


def test_one_request_to_the_bus_holds_no_more_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """PutEvents takes 1 MB (ecr.md 5.3), and ten events of an archive of many images are more than that."""
    world = World()
    upload = world.upload(KEY, SOUND)
    world.run()
    big = [
        Put(Key(f"upload#{upload}", f"outbox#9-{number}"), event_item(Event("Image Late", _detail(number))), 0)
        for number in range(10)
    ]
    world.table.write(big)
    sizes: list[int] = []
    put = FakeBus.put

    def weigh(bus: FakeBus, events: Sequence[Event]) -> Sequence[int]:
        sizes.append(_size(events))
        return put(bus, events)

    monkeypatch.setattr(FakeBus, "put", weigh)
    flush(world.outside(), upload)

    assert len(sizes) > 1
    assert max(sizes) < 1_000_000
    assert sum(event.detail_type == "Image Late" for event in world.bus.taken) == 10


def _detail(number: int) -> dict[str, str]:
    return {"id": f"x-{number}", "time": "2026-09-21T14:13:52Z", "text": "x" * 180_000}


def _size(events: Sequence[Event]) -> int:
    return sum(len(json.dumps(event.detail)) for event in events)


@pytest.mark.parametrize("images", [3, 120])
def test_however_many_images_do_not_arrive_it_is_told(images: int) -> None:
    """An item of the table holds 400 KB, and ECR may be asked only so much at the end of a function's time."""
    world = World()
    without_a_policy(world)
    saved = [archives.image(f"image {number}", tags=(f"x/i{number}:1",)) for number in range(images)]
    upload = world.upload(KEY, archives.docker_save(*saved))
    world.run()

    assert (world.state(upload), world.record(upload).code) == (State.FAILED, "NOT_REPLICATED")
    told = world.bus.taken[-1].detail
    assert len(told["images"]) + told.get("images_omitted", 0) == images
    causes = told["facts"]["destinations"]
    assert len(causes) + sum(cause["alike"] for cause in causes[:1]) == images
    assert all(cause["causes"][0]["cause"] == "RegistryPolicyMissing" for cause in causes)
    assert len(world.replicas(upload)) == 2 * images


def test_of_very_many_images_those_that_lack_something_are_told() -> None:
    world = World()
    saved = [archives.image(f"image {number}", tags=(f"x/i{number}:1",)) for number in range(400)]
    upload = world.upload(KEY, archives.docker_save(*saved))
    while world.state_or_none(upload) is not State.CONFIRMING:
        world.step()
    world.clock.seconds += world.ecr.lag
    world.ecr.repository(FAR, RepositoryName("team/app/i398")).tags.clear()
    del world.ecr.repositories[FAR][RepositoryName("team/app/i399")]
    world.run()

    told = world.bus.taken[-1].detail
    assert [image["repository"] for image in told["images"][:2]] == ["team/app/i398", "team/app/i399"]
    assert told["images_omitted"] > 0
    assert {place["failure"] for place in told["facts"]["destinations"]} == {"TagAbsent", "RepositoryAbsent"}
