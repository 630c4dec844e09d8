"""
Every call that leaves the process fails once, in each way, one at a time; each time the upload must end available.

The clock and the ports are injected (`tests.world`), so an upload takes milliseconds: this is exhaustive, not sampled.
"""

from __future__ import annotations

import pytest

from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.state.upload import State
from tests import archives
from tests.fakes.faults import Fault
from tests.world import FAR, NEAR, SOURCE, Planned, World

KEY = "uploads/team/app/app-1.0.tar"
ARCHIVE = archives.docker_save(archives.image("hello"))
NAME = RepositoryName("team/app")
EVENTS = {"Upload Accepted", "Image Pushed", "Image Replicated", "Image Available"}


def undisturbed(uploads: int = 1) -> World:
    world = World()
    for _ in range(uploads):
        world.upload(KEY, ARCHIVE)
        world.run()
    return world


FIRST = undisturbed()
AGAIN = undisturbed(2).calls[len(FIRST.calls) :]
DIGEST = next(event.detail["image"]["digest"] for event in FIRST.bus.taken if "image" in event.detail)


def assert_available_once(world: World, upload: str) -> None:
    """The upload ended well: in all registries, every event sent with the same bytes, nothing left anywhere."""
    own = [event for event in world.bus.taken if event.detail["upload"]["id"] == upload]
    types = list({event.detail["id"]: event.detail_type for event in own}.values())
    assert world.state(upload) is State.AVAILABLE
    assert set(types) == EVENTS
    assert types.count("Image Replicated") == 2
    assert all(len(texts) == 1 for texts in world.bus.texts().values()), "a resend must have the same bytes"
    assert not any(world.queues.messages.values()), "no message may be left"
    assert not any(world.queues.dead.values())
    assert all(row.due is None for row in world.table.rows.values()), "nothing may be left to do"
    for registry in (SOURCE, NEAR, FAR):
        assert str(world.ecr.repository(registry, NAME).tags[Tag("1.0")]) == DIGEST


def numbered(calls: list[str]) -> list[str]:
    return [f"{number:03d}-{name}" for number, name in enumerate(calls, 1)]


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize("number", range(1, len(FIRST.calls) + 1), ids=numbered(FIRST.calls))
def test_upload_becomes_available_once_whatever_call_fails(number: int, fault: Fault) -> None:
    world = World(planned=Planned(number, fault))
    upload = world.upload(KEY, ARCHIVE)

    world.run()

    assert_available_once(world, upload)


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize("number", range(1, len(AGAIN) + 1), ids=numbered(AGAIN))
def test_the_same_archive_again_becomes_available_whatever_call_fails(number: int, fault: Fault) -> None:
    world = undisturbed()
    world.planned = Planned(len(world.calls) + number, fault)
    upload = world.upload(KEY, ARCHIVE)

    world.run()

    assert_available_once(world, upload)
