"""Hundreds of images take `publish` longer than its function lasts: to be put, and to be healed."""

from __future__ import annotations

from collections import Counter
from typing import Final

import pytest

from chalicelib.archive.limits import ArchiveLimits
from chalicelib.errors import ThrottledError
from chalicelib.oci.reference import Tag
from chalicelib.replacing import replace
from chalicelib.state.upload import State
from tests.fakes.registry import Call
from tests.unit.pipeline.slow_world import SlowWorld, many, repository
from tests.unit.pipeline.troubles import KEY, endless
from tests.world import SOURCE, World

IMAGES: Final = ArchiveLimits().index_nodes
"""As many as an archive may hold."""
ONE: Final = Tag("1")


def until(world: SlowWorld, upload: str, state: State) -> None:
    while world.state_or_none(upload) is not state:
        world.step()


def publishing(world: SlowWorld) -> str:
    """Return an upload of as many images as may be, about to be put; from now on calls take their time."""
    upload = world.upload(KEY, many(IMAGES))
    until(world, upload, State.PUBLISHING)
    world.slow = True
    return upload


def test_as_many_images_as_may_be_are_put_in_as_many_functions_as_it_takes() -> None:
    world = SlowWorld()
    upload = publishing(world)
    until(world, upload, State.CONFIRMING)

    assert world.invoked["publish"] > 2, "else the world is too fast to show anything"
    assert world.killed == []
    assert world.ecr.count()["PutImage"] == IMAGES, "none is put twice"
    assert all(world.ecr.repository(SOURCE, repository(number)).tags for number in range(IMAGES))
    world.run(seconds=0)
    told = Counter(world.bus.types())
    assert told["Image Pushed"] == IMAGES
    assert all(len(texts) == 1 for texts in world.bus.texts().values())


def test_what_was_put_before_a_call_was_refused_is_not_put_again() -> None:
    world = SlowWorld()
    upload = publishing(world)

    def refuse(call: Call) -> None:
        if call.operation == "PutImage" and world.ecr.count()["PutImage"] == 100:
            raise ThrottledError("Rate exceeded")

    world.ecr.on_call = refuse
    until(world, upload, State.CONFIRMING)

    assert world.ecr.count()["PutImage"] == IMAGES + 1, "and the one that was refused"


@pytest.fixture(name="healing")
def healed_by_itself() -> tuple[SlowWorld, str]:
    """Return a world where no image came to one destination, and `publish` is asked to set the first tag of healing."""
    world = SlowWorld(settings=replace(World().settings, heal="retag", confirm_deadline=600.0), pause=0.2)
    endless(world)
    upload = world.upload(KEY, many(IMAGES))
    until(world, upload, State.CONFIRMING)
    while not world.record(upload).heal:
        world.step()
    world.invoked.clear()
    world.slow = True
    return world, upload


def healing_tags(world: SlowWorld) -> list[Tag]:
    places = [world.ecr.repository(SOURCE, repository(number)) for number in range(IMAGES)]
    return [tag for place in places for tag in place.tags if tag != ONE]


def test_as_many_images_as_may_be_are_healed_in_as_many_functions_as_it_takes(healing: tuple[SlowWorld, str]) -> None:
    world, upload = healing
    while len(healing_tags(world)) < IMAGES:
        world.step()
    setting = world.invoked["publish"]
    assert setting > 1, "else the world is too fast to show anything"

    until(world, upload, State.FAILED)
    assert world.invoked["publish"] <= setting + 1, "one chain of messages sets them, whatever looks are cut off"
    world.run()
    assert healing_tags(world) == [], "what was set was removed again"
    assert world.invoked["publish"] > setting + 1
    assert world.killed == []
    assert not any(world.queues.dead.values())
