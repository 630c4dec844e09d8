"""An upload that nobody has seen before is accepted in one write; whatever does not fit into that goes the long way."""

from __future__ import annotations

import json
from typing import Final

import pytest

from chalicelib.names import PUSH, RECEIVE, UPLOADS
from chalicelib.outside import Outside
from chalicelib.receive import _long_way, _propose, _see
from chalicelib.state.upload import State, Upload
from tests import archives
from tests.world import World

KEY: Final = "uploads/team/app/app-1.0.tar"
SOUND: Final = archives.docker_save(archives.image("hello"))


def images(number: int) -> bytes:
    return archives.docker_save(*(archives.image(f"{i}", tags=(f"part{i}:1.0",)) for i in range(number)))


def of_receive(world: World) -> Outside:
    world.identity.function = RECEIVE
    return world._outside(RECEIVE, lambda _: None, float("inf"))


def told(world: World) -> Upload:
    """The upload of the notification that is waiting, as it is before anybody has looked at it."""
    (message,) = world.queues.messages[UPLOADS]
    content = json.loads(message.body)["Records"][0]["s3"]["object"]
    version = world.bucket._version(KEY, content["versionId"])
    return Upload.new(version, "AWS:AROAEXAMPLE:producer", content["sequencer"], world.clock.now(), prefix="uploads/")


@pytest.mark.parametrize(("content", "writes"), [(SOUND, 1), (images(30), 1), (images(60), 6)])
def test_a_plan_that_fits_is_one_write_before_push_is_asked(content: bytes, writes: int) -> None:
    world = World()
    upload = world.upload(KEY, content)
    world.step()

    assert world.calls[: world.calls.index("sqs.send")].count("dynamodb.write") == writes
    assert world.state(upload) is State.ACCEPTED
    assert world.queues.messages[PUSH]
    world.run()
    assert world.state(upload) is State.AVAILABLE


def test_of_two_functions_that_find_it_new_one_accepts_it() -> None:
    world = World()
    upload = world.upload(KEY, SOUND)
    outside, taken = of_receive(world), told(world)
    first, second = (_propose(outside, _see(outside, taken)) for _ in range(2))
    accepted = _long_way(outside, taken, first)
    again = _long_way(outside, taken, second)

    assert again.revision == accepted.revision
    assert again.upload.state is State.ACCEPTED
    world.run()
    assert world.state(upload) is State.AVAILABLE
    assert world.bus.types().count("Upload Accepted") == 1
