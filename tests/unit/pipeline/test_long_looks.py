"""A look that is longer than its function, and looks that are asked for twice or not at all."""

from __future__ import annotations

import json
from collections import Counter
from typing import Final

import pytest

from chalicelib.errors import TemporaryError, ThrottledError
from chalicelib.messages import send_confirm
from chalicelib.oci.reference import RepositoryName
from chalicelib.ports.registry import Scan
from chalicelib.ports.table import Key, Put
from chalicelib.replacing import replace
from chalicelib.state.ledger import Ledger
from chalicelib.state.records import Arrival
from chalicelib.state.upload import State
from tests.fakes.faults import Fault
from tests.fakes.registry import Call
from tests.unit.pipeline.slow_world import SlowWorld, many, repository
from tests.unit.pipeline.troubles import until_published
from tests.world import FAR, NEAR, SOURCE, Planned, World

IMAGES: Final = 150


def until_confirming(world: SlowWorld) -> str:
    upload = until_published(world, many(IMAGES))
    world.slow = True
    return upload


def test_hundreds_of_images_are_looked_at_in_as_many_functions_as_it_takes() -> None:
    world = SlowWorld()
    upload = until_confirming(world)
    world.run()

    assert world.state(upload) is State.AVAILABLE
    assert world.invoked["confirm"] > 2, "else the world is too fast to show anything"
    assert not any(world.queues.dead.values())
    told = Counter(world.bus.types())
    assert (told["Image Replicated"], told["Image Available"]) == (2 * IMAGES, IMAGES)
    assert all(len(texts) == 1 for texts in world.bus.texts().values())


def test_each_image_has_its_turn_before_one_has_a_second() -> None:
    """Nothing arrives, so that every round goes over all of them."""
    world = SlowWorld()
    world.ecr.lag = 1e9
    until_confirming(world)
    asked: list[RepositoryName] = []

    def note(call: Call) -> None:
        if call.operation == "DescribeImageReplicationStatus":
            asked.append(call.repository)

    world.ecr.on_call = note
    while len(asked) < 3 * IMAGES:
        world.step()
    counts = Counter(asked)
    assert len(counts) == IMAGES
    assert max(counts.values()) - min(counts.values()) <= 1


def test_what_arrives_at_the_last_moment_is_seen_however_many_functions_the_last_look_takes() -> None:
    world = SlowWorld()
    world.ecr.lags[FAR] = world.settings.confirm_deadline - 30.0
    upload = until_confirming(world)
    world.run()

    assert world.state(upload) is State.AVAILABLE


def test_what_never_arrives_is_named_for_each_image_after_a_last_look_at_all() -> None:
    world = SlowWorld()
    world.ecr.lags[FAR] = 1e9
    upload = until_confirming(world)
    world.run()

    assert (world.state(upload), world.record(upload).code) == (State.FAILED, "NOT_REPLICATED")
    found = Counter((one.registry, one.status, one.failure) for one in world.replicas(upload))
    assert found == {(NEAR, Arrival.VERIFIED, ""): IMAGES, (FAR, Arrival.FAILED, "Unfinished"): IMAGES}


def test_nobody_is_given_up_unheard_though_the_last_look_takes_several_functions() -> None:
    """ECR wants no questions at first; what it was not asked about is looked at again, not given up."""
    world = SlowWorld()
    world.ecr.lags[FAR] = 1e9
    upload = until_confirming(world)
    world.run(seconds=world.settings.confirm_deadline - 600.0)
    refusing = world.clock.now() + 1_200.0

    def refuse(call: Call) -> None:
        if call.operation == "DescribeImageReplicationStatus" and world.clock.now() < refusing:
            raise ThrottledError("Rate exceeded")

    world.ecr.on_call = refuse
    world.run(seconds=1_100.0)
    assert world.state(upload) is State.CONFIRMING
    world.run()

    assert {one.failure for one in world.replicas(upload) if one.registry == FAR} == {"Unfinished"}


@pytest.mark.parametrize("lost", [None, 7, IMAGES - 1], ids=["nothing lost", "an early one", "the last one"])
def test_what_came_long_before_the_rest_is_doubted_in_as_many_functions_as_it_takes(lost: int | None) -> None:
    world = SlowWorld(settings=replace(World().settings, confirm_deadline=3_600.0))
    world.ecr.lags[FAR] = 3_000.0
    upload = until_confirming(world)
    world.run(seconds=2_000.0)
    if lost is not None:
        world.ecr.repository(NEAR, repository(lost)).images.clear()
    world.run()

    if lost is None:
        assert world.state(upload) is State.AVAILABLE
        return
    bad = [(one.repository, one.registry) for one in world.replicas(upload) if one.status is not Arrival.VERIFIED]
    assert (world.state(upload), bad) == (State.FAILED, [(repository(lost), NEAR)])
    assert "Image Available" not in world.bus.types()


@pytest.mark.parametrize("worst", [{}, {"CRITICAL": 1}], ids=["clean", "findings"])
def test_scans_are_asked_for_in_as_many_functions_as_it_takes(worst: dict[str, int]) -> None:
    world = SlowWorld(settings=replace(World().settings, scan_severity="HIGH"))
    upload = until_confirming(world)
    world.scan_everything({})
    (digest,) = world.ecr.repository(SOURCE, repository(IMAGES - 1)).images
    world.ecr.scans[digest] = Scan("COMPLETE", worst)
    world.run()

    assert world.record(upload).code == ("SCAN_FINDINGS" if worst else "")
    assert world.state(upload) is (State.FAILED if worst else State.AVAILABLE)


def test_a_hint_in_the_middle_of_a_round_goes_to_its_image_and_leaves_the_place_alone() -> None:
    world, last = SlowWorld(), repository(IMAGES - 1)
    world.ecr.lag = 1e9
    upload = until_confirming(world)
    while not world.record(upload).bookmark:
        world.step()
    before = world.record(upload)
    digest = next(iter(world.ecr.repository(SOURCE, last).images))
    world.queues.messages["confirm"].clear()
    world.hint(
        {
            "source-account": SOURCE.account,
            "source-region": SOURCE.region,
            "repository-name": str(last),
            "image-digest": str(digest),
        }
    )
    asked: set[RepositoryName | None] = set()
    world.ecr.on_call = lambda call: asked.add(call.repository)
    while world.queues.messages["confirm"]:
        world.step()

    assert asked == {last}
    assert world.record(upload) == before


# --- one chain of messages -------------------------------------------------------------------------------------------


def waiting(lag: float = 1_800.0) -> tuple[World, str]:
    """Return a world in which an image is waited for that takes *lag* seconds."""
    world = World()
    world.ecr.lag = lag
    return world, until_published(world)


def chains(world: World) -> int:
    """Return how many messages ask for a look."""
    return len(world.queues.messages["confirm"])


def test_of_a_message_that_came_several_times_one_chain_is_left() -> None:
    world, upload = waiting()
    (message,) = world.queues.messages["confirm"]
    for _ in range(3):
        world.queues.deliver("confirm", message.body)
    world.run(seconds=60)
    assert chains(world) == 1

    world.run()
    assert world.state(upload) is State.AVAILABLE


def test_of_messages_of_an_older_version_one_chain_is_left() -> None:
    """They name no look."""
    world, upload = waiting()
    for message in list(world.queues.messages["confirm"]):
        body = json.loads(message.body)
        del body["look"]
        for _ in range(3):
            world.queues.deliver("confirm", json.dumps(body))
    world.run(seconds=60)
    assert chains(world) == 1

    world.run()
    assert world.state(upload) is State.AVAILABLE


def test_where_the_sweep_asks_for_a_look_that_was_not_lost_one_chain_is_left() -> None:
    world, upload = waiting()
    send_confirm(world.outside(), world.record(upload), 0)
    world.run(seconds=60)

    assert chains(world) == 1


@pytest.mark.parametrize("error", [ThrottledError("Rate exceeded"), TemporaryError("no connection")])
def test_looks_that_see_nothing_leave_one_chain_too(error: TemporaryError) -> None:
    world, upload = waiting()
    (message,) = world.queues.messages["confirm"]
    for _ in range(3):
        world.queues.deliver("confirm", message.body)

    def refuse(_: Call) -> None:
        raise error

    world.ecr.on_call = refuse
    world.run(seconds=120)
    assert chains(world) == 1

    world.ecr.on_call = None
    world.run()
    assert world.state(upload) is State.AVAILABLE


@pytest.mark.parametrize("fault", [Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.NOT_ARRIVED, Fault.REPLY_LOST])
def test_a_chain_goes_on_soon_whatever_happens_when_the_next_look_is_asked_for(fault: Fault) -> None:
    """What was seen is written down by then, and the message that asked for this look is an old one."""
    world, upload = waiting(lag=60.0)
    while world.calls[-1:] != ["sqs.send"] or world.record(upload).looks < 2:
        before = len(world.calls)
        world.step()
    world.planned = Planned(len(world.calls) + _calls_until_sent(world.calls[before:]), fault)
    began = world.clock.now()
    world.run(seconds=200)

    assert world.state(upload) is State.AVAILABLE
    assert world.record(upload).ended - began < 150.0, "without the sweep, which looks after 900 s"
    assert chains(world) == 0


def _calls_until_sent(look: list[str]) -> int:
    return look.index("sqs.send") + 1


def test_a_message_put_anew_is_not_taken_for_an_old_one() -> None:
    """Its holder wrote down what it saw and died before it asked for the next look, its lease not yet over."""
    world, upload = waiting(lag=0.0)
    world.ecr.lag = 0.0
    alive = world.clock.now() + 300.0
    world.table.write([Put(Key(f"upload#{upload}", "lease#confirm"), {"v": 1, "until": alive}, 0)])
    Ledger(world.outside()).update(upload, lambda found: replace(found, looks=found.looks + 1))
    world.run(seconds=3.0)
    world.run(seconds=397.0)

    assert world.state(upload) is State.AVAILABLE
    assert world.record(upload).ended - alive < 60.0


@pytest.mark.parametrize("number", [None, 0], ids=["for whatever look", "for the first look"])
def test_a_message_put_anew_ends_as_any_other_once_the_chain_has_gone_on(number: int | None) -> None:
    """Queues deliver some twice: were those put anew never to end, they would keep each other from the lease."""
    world, upload = waiting(lag=0.0)
    send_confirm(world.outside(), world.record(upload), 0, numbered=number is not None)
    alive = world.clock.now() + 900.0
    world.table.write([Put(Key(f"upload#{upload}", "lease#confirm"), {"v": 1, "until": alive}, 0)])
    world.run(seconds=400.0)
    assert [text for _, text, _ in world.log.lines].count("put a message anew whose work another one does") >= 2
    Ledger(world.outside()).update(upload, lambda found: replace(found, looks=found.looks + 2))

    world.run(seconds=400.0)
    assert chains(world) == 0
    world.run()
    assert world.state(upload) is State.AVAILABLE, "at the latest by the sweep"


@pytest.mark.parametrize(("taken", "left"), [(1, 1), (2, 0)], ids=["the last look", "an earlier look"])
def test_an_old_message_that_meets_a_lease_ends_once_the_chain_has_gone_on(taken: int, left: int) -> None:
    """What asks for the look that was taken last may be all that is left of a function that died after it."""
    world, upload = waiting(lag=0.0)
    alive = world.clock.now() + 300.0
    world.table.write([Put(Key(f"upload#{upload}", "lease#confirm"), {"v": 1, "until": alive}, 0)])
    Ledger(world.outside()).update(upload, lambda found: replace(found, looks=found.looks + taken))

    world.run(seconds=200.0)
    assert chains(world) == left

    world.run()
    assert world.state(upload) is State.AVAILABLE, "at the latest by the sweep"
