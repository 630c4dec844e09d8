"""
The same for archives that are compressed as a whole: every call of opening, planning and pushing them fails once.

One archive takes one pass; the other has uncompressed layers that are kept and goes to two repositories, so it takes
a second pass. A layer has several parts.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass

import pytest

from chalicelib.oci.reference import RepositoryName
from chalicelib.state.upload import State
from tests import archives
from tests.fakes.faults import Fault
from tests.fakes.repository import EcrRules
from tests.world import FAR, NEAR, SOURCE, Planned, World

pytestmark = pytest.mark.check  # exhaustive: a minute of a core

KIB = 1024
KEY = "uploads/team/app/app-1.0.tar.gz"


def _image(seed: int, *tags: str) -> archives.Image:
    noise = random.Random(seed).randbytes(90 * KIB)  # noqa: S311 - the same bytes each time
    return archives.Image((archives.tar({"noise": noise}), archives.layer(str(seed))), tags=tags)


def _layout() -> bytes:
    layout = archives.Layout()
    layout.list(layout.image(_image(1), ""), ref="x/first:1.0")
    layout.list(layout.image(archives.Image((*_image(1).layers, archives.layer("more"))), ""), ref="x/second:1.0")
    return layout.tar()


@dataclass(frozen=True)
class Case:
    """An archive and the passes that it takes."""

    content: bytes
    passes: int

    def world(self, planned: Planned | None = None) -> tuple[World, str]:
        """Return a world in which it has been uploaded."""
        world = World(planned=planned)
        world.ecr.sizes = EcrRules(part_size=64 * KIB, smallest_part=32 * KIB, largest_part=128 * KIB)
        return world, world.upload(KEY, self.content)


CASES = {
    "one-pass": Case(archives.gzipped(archives.docker_save(_image(1, "app:1.0"))), 1),
    "two-passes": Case(archives.gzipped(_layout()), 2),
}


@functools.cache
def undisturbed(name: str) -> World:
    world, _ = CASES[name].world()
    world.run()
    return world


def images(world: World) -> dict[RepositoryName, dict[str, str]]:
    """Return what is tagged, the same in all registries."""
    held = [
        {
            name: {str(tag): str(digest) for tag, digest in world.ecr.repository(registry, name).tags.items()}
            for name in world.ecr.repositories[registry]
        }
        for registry in (SOURCE, NEAR, FAR)
    ]
    assert all({name: tags for name, tags in one.items() if tags} == held[-1] for one in held)
    return held[-1]


@pytest.mark.parametrize("name", CASES)
def test_takes_the_passes_that_are_meant(name: str) -> None:
    assert undisturbed(name).calls.count("s3.open") == CASES[name].passes


def calls(name: str) -> list[tuple[int, str]]:
    """Return the calls of a case by number; of that with two passes those that the other does not have before."""
    numbered = list(enumerate(undisturbed(name).calls, 1))
    opened = [number for number, call in numbered if call == "s3.open"]
    return numbered if len(opened) == 1 else numbered[opened[0] :]


EVERY_CALL = [
    pytest.param(name, number, id=f"{name}-{number:03d}-{call}") for name in CASES for number, call in calls(name)
]


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize(("name", "number"), EVERY_CALL)
def test_sealed_archive_becomes_available_once_whatever_call_fails(name: str, number: int, fault: Fault) -> None:
    world, upload = CASES[name].world(Planned(number, fault))

    world.run()

    assert world.state(upload) is State.AVAILABLE, world.record(upload)
    assert images(world) == images(undisturbed(name))
    assert all(len(texts) == 1 for texts in world.bus.texts().values()), "a resend must have the same bytes"
    assert world.bus.types().count("Upload Accepted") == 1
    assert not any(world.queues.messages.values()), "no message may be left"
    assert not any(world.queues.dead.values())
    assert all(row.due is None for row in world.table.rows.values()), "nothing may be left to do"
