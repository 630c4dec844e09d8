"""Somebody deletes what was pushed, or where to, while the upload is on its way: it fails and says so."""

from __future__ import annotations

from typing import Final

import pytest

from chalicelib.oci.reference import RepositoryName
from chalicelib.state.upload import State
from tests import archives
from tests.world import FAR, SOURCE, World

KEY: Final = "uploads/team/app/app-1.0.tar"
APP: Final = RepositoryName("team/app")
SOUND: Final = archives.docker_save(archives.image("hello"))


def until(world: World, state: State) -> str:
    upload = world.upload(KEY, SOUND)
    while world.state_or_none(upload) is not state:
        world.step()
    return upload


def test_an_image_that_was_deleted_after_it_was_put() -> None:
    world = World()
    world.ecr.lags[FAR] = 600.0
    upload = until(world, State.CONFIRMING)
    there = world.ecr.repository(SOURCE, APP)
    there.images.clear()
    there.tags.clear()
    world.run()

    assert (world.state(upload), world.record(upload).code) == (State.FAILED, "IMAGE_GONE")
    assert "Image Available" not in world.bus.types()


@pytest.mark.parametrize("state", [State.ACCEPTED, State.PUBLISHING, State.CONFIRMING])
def test_a_repository_that_was_deleted_on_the_way(state: State) -> None:
    world = World()
    upload = until(world, state)
    del world.ecr.repositories[SOURCE][APP]
    world.run()

    assert (world.state(upload), world.record(upload).code) == (State.FAILED, "REPOSITORY_GONE")
    assert not any(world.queues.messages.values())
