"""Fault schedules of docs/reliability.md that need a script of their own rather than a seed."""

from __future__ import annotations

import json
import random

import pytest

from chalicelib.names import CONFIRM, PUBLISH, PUSH, UPLOADS
from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.state.upload import State
from tests import archives
from tests.fakes.registry import Call
from tests.fakes.repository import EcrRules
from tests.world import SOURCE, World

KEY = "uploads/team/app/app-1.0.tar"
KIB = 1024
PARTS = 22
CONFIG = 1
FIRST_SHAPE = ("v", "id", "object", "principal", "sequencer", "received", "accepted", "published", "state", "attempt")
SOUND = archives.docker_save(archives.image("hello"))


def small_parts() -> World:
    world = World()
    world.ecr.sizes = EcrRules(part_size=4 * KIB, smallest_part=2 * KIB, largest_part=8 * KIB)
    return world


def test_a_layer_that_outlives_twenty_functions_loses_no_part() -> None:
    """Each function's time is over after one part; a chain of more than 16 hops goes on (RecursiveLoop: Allow)."""
    noise = random.Random(1).randbytes(PARTS * 4 * KIB - 3 * KIB)  # noqa: S311 - the same bytes each time
    world = small_parts()

    def a_part_takes_long(call: Call) -> None:
        if call.operation == "UploadLayerPart":
            world.clock.seconds += 290

    world.ecr.on_call = a_part_takes_long
    upload = world.upload(KEY, archives.docker_save(archives.Image((archives.tar({"noise": noise}),))))
    world.run(20 * 3600.0)

    assert world.state(upload) is State.AVAILABLE
    assert world.invocations.count(PUSH) > 20
    held = world.ecr.repository(SOURCE, RepositoryName("team/app"))
    minimum = sum(-(-len(blob) // (4 * KIB)) for blob in held.blobs.values())
    assert world.ecr.count()["UploadLayerPart"] == minimum


def test_an_upload_that_kills_every_function_is_given_up_and_its_neighbours_are_unharmed() -> None:
    world = World()

    def poisonous(call: Call) -> None:
        if call.operation == "InitiateLayerUpload" and str(call.repository) == "vendor/bomb":
            world.kill()

    world.ecr.on_call = poisonous
    bomb = world.upload("uploads/vendor/bomb/bomb-1.0.tar", SOUND)
    others = [world.upload(f"uploads/{tenant}/app/app-1.0.tar", SOUND) for tenant in ("team", "vendor")]
    world.run()

    assert (world.state(bomb), world.record(bomb).code) == (State.FAILED, "GAVE_UP")
    assert [world.state(upload) for upload in others] == [State.AVAILABLE, State.AVAILABLE]
    assert not any(world.queues.dead.values())


def test_a_layer_of_two_tenants_is_whole_for_one_where_the_other_fails() -> None:
    """Nothing is shared between them but ECR's own storage."""
    layout = archives.Layout()
    layout.list(layout.image(archives.image("base", "bad")), ref="1.0")
    broken = [name for name, content in layout.blobs.items() if content.startswith(b"\x1f\x8b")][-1]
    layout.blobs[broken] = layout.blobs[broken][:-1] + b"?"
    sound = archives.Layout()
    sound.list(sound.image(archives.image("base", "good")), ref="1.0")
    world = World()
    bad = world.upload("uploads/vendor/app/app-1.0.tar", layout.tar())
    good = world.upload(KEY, sound.tar())
    world.run()

    assert (world.state(bad), world.state(good)) == (State.REJECTED, State.AVAILABLE)
    assert not world.ecr.repository(SOURCE, RepositoryName("vendor/app")).images
    assert Tag("1.0") in world.ecr.repository(SOURCE, RepositoryName("team/app")).tags


@pytest.mark.parametrize("queue", [UPLOADS, PUSH, PUBLISH, CONFIRM])
@pytest.mark.parametrize("body", ["{", "[]", '"' + "x" * 300 * KIB + '"', '{"v": 9, "upload": "u"}'], ids=len)
def test_a_poisonous_message_is_dropped_with_its_cause(queue: str, body: str) -> None:
    """Longer than any of ours, of a shape that nobody knows, or no JSON at all."""
    world = World()
    world.queues.deliver(queue, body)
    world.run()

    assert not world.queues.messages[queue]
    assert not world.queues.dead[queue]
    assert ("ForeignMessages", 1, {"queue": queue}) in world.metrics.numbers
    assert any(kind == "warning" and facts.get("reason") for kind, _, facts in world.log.lines)


def test_a_thousand_messages_that_come_back_from_dead_letters_change_nothing() -> None:
    world = World()
    upload = world.upload(KEY, SOUND)
    world.run()
    known, told = dict(world.table.rows), list(world.bus.taken)
    version = world.record(upload).object
    for number in range(1_000):
        queue = (UPLOADS, PUSH, PUBLISH, CONFIRM)[number % 4]
        body = {"v": 1, "upload": upload, "tenant": "team"}
        world.queues.deliver(queue, world.notification_text(version) if queue == UPLOADS else json.dumps(body))
    world.run()

    left = {place: row for place, row in world.table.rows.items() if not place[1].startswith("lease#")}
    assert left == {place: row for place, row in known.items() if not place[1].startswith("lease#")}
    assert world.bus.taken == told
    assert not any(world.queues.messages.values())


@pytest.mark.parametrize("service", ["ecr.", "dynamodb.", "s3."])
def test_an_outage_of_half_an_hour_is_made_up_within_two_hours(service: str) -> None:
    """All that is lost is time: five uploads in flight end as they would have, or are closed with a code."""
    world = World()
    calm = World()
    calm.upload(KEY, SOUND)
    calm.run()
    uploads = [world.upload(f"uploads/team/app{number}/app-1.0.tar", SOUND) for number in range(5)]
    for _ in range(8):
        world.step()
    world.broken |= {call for call in calm.calls if call.startswith(service)}
    world.run(1_800)
    world.broken.clear()
    world.run(7_200)

    assert all(world.state(upload).terminal for upload in uploads)
    assert not any(world.queues.messages.values())
    assert not any(world.queues.dead.values())
    assert {world.record(upload).code for upload in uploads} <= {"", "GAVE_UP"}


@pytest.mark.parametrize("state", [State.ACCEPTED, State.PUBLISHING, State.CONFIRMING])
def test_an_upload_that_an_older_version_wrote_goes_on(state: State) -> None:
    """A deployment in the middle of a push: records of the first shape lack what came since."""
    world = World()
    upload = world.upload(KEY, SOUND)
    while world.state_or_none(upload) is not state:
        world.step()
    row = world.table.rows[f"upload#{upload}", "upload"]
    item = json.loads(row.text)
    row.text = json.dumps({name: item[name] for name in FIRST_SHAPE})
    world.run()

    assert world.state(upload) is State.AVAILABLE
    assert not any(world.queues.dead.values())
