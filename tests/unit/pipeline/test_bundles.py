"""An image in several bundles: their messages come in any order and more than once, and the image is put once."""

from __future__ import annotations

import itertools
import json

import pytest

from chalicelib.names import PUSH
from chalicelib.settings import Settings
from chalicelib.state.upload import State
from tests import archives
from tests.world import World

KEY = "uploads/team/app/app-1.0.tar"
ARCHIVE = archives.docker_save(archives.image("one", "two", "three"))
BUNDLES = range(3)


@pytest.mark.parametrize("order", list(itertools.permutations(BUNDLES)), ids=str)
@pytest.mark.parametrize("times", [1, 2], ids=["once each", "twice each"])
def test_bundles_in_any_order_are_joined_once(order: tuple[int, ...], times: int) -> None:
    world = World(settings=Settings(stage="test", create_repositories=True, bundle_bytes=1))
    upload = world.upload(KEY, ARCHIVE)
    while not world.queues.messages[PUSH]:
        world.step()
    bodies = {json.loads(message.body)["bundle"]: message.body for message in world.queues.messages[PUSH]}
    assert sorted(bodies) == list(BUNDLES)

    world.queues.messages[PUSH].clear()
    for bundle in order * times:
        world.queues.deliver(PUSH, bodies[bundle])
    world.run()

    assert world.state(upload) is State.AVAILABLE
    assert world.ecr.count()["PutImage"] == 1
    assert world.ecr.count()["CompleteLayerUpload"] == len(BUNDLES) + 1, "each layer, and the config"
    assert [event.detail_type for event in world.bus.taken].count("Image Pushed") == 1
    assert not any(world.queues.messages.values())
    assert not any(world.queues.dead.values())
