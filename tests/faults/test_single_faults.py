"""
Every call that leaves the process fails once, in each way, one at a time; each time the upload must end available.

The clock and the ports are injected (`tests.world`), so an upload takes milliseconds: this is exhaustive, not sampled.
"""

from __future__ import annotations

import pytest

from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.upload import State
from tests import archives
from tests.fakes.faults import Fault
from tests.world import FAR, NEAR, SOURCE, Planned, World

KEY = "uploads/team/app/app-1.0.tar"
ARCHIVE = archives.docker_save(archives.image("hello"))
NAME = RepositoryName("team/app")
EVENTS = {"Upload Accepted", "Image Pushed", "Image Replicated", "Image Available"}


def undisturbed() -> World:
    world = World()
    world.upload(KEY, ARCHIVE)
    world.run()
    return world


REFERENCE = undisturbed()
DIGEST = next(event.detail["image"]["digest"] for event in REFERENCE.bus.taken if "image" in event.detail)


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize(
    "number",
    range(1, len(REFERENCE.calls) + 1),
    ids=[f"{number:03d}-{name}" for number, name in enumerate(REFERENCE.calls, 1)],
)
def test_upload_becomes_available_once_whatever_call_fails(number: int, fault: Fault) -> None:
    world = World(planned=Planned(number, fault))
    upload = world.upload(KEY, ARCHIVE)

    world.run()

    assert world.state(upload) is State.AVAILABLE
    assert set(world.bus.types()) == EVENTS
    assert world.bus.types().count("Image Replicated") == 2
    assert all(len(texts) == 1 for texts in world.bus.texts().values()), "a resend must have the same bytes"
    assert not any(world.queues.messages.values()), "no message may be left"
    assert not any(world.queues.dead.values())
    for registry in (SOURCE, NEAR, FAR):
        assert str(world.ecr.repository(registry, NAME).tags[Tag("1.0")]) == DIGEST
