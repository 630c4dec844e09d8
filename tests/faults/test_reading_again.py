"""A function is killed in the middle of a layer: how much of it the next one reads again."""

from __future__ import annotations

import itertools
import random

import pytest

from chalicelib.state.upload import State
from tests import archives
from tests.fakes.registry import Call
from tests.world import World

KEY = "uploads/team/app/app-1.0.tar"
MIB = 1 << 20
PART = 10 * MIB
SEGMENT = 16 * MIB
PARTS = 9
CONFIG = 1


@pytest.fixture(name="archive", scope="module")
def archive_of_nine_parts() -> bytes:
    """One layer of 85 MiB that hardly compresses, so that a part holds about as many bytes as were read for it."""
    noise = random.Random(5).randbytes(85 * MIB)  # noqa: S311 - the same bytes each time
    return archives.docker_save(archives.Image((noise,)))


@pytest.mark.parametrize("sent", [3, 5, 8], ids="after part {}".format)
def test_at_most_a_segment_of_what_was_sent_is_read_again(archive: bytes, sent: int) -> None:
    """No time passes in this world, so only how far a layer has come makes a function note its place."""
    world = World()
    parts = itertools.count()

    def killed(call: Call) -> None:
        if call.operation == "UploadLayerPart" and next(parts) == sent:
            world.kill()

    world.ecr.on_call = killed
    upload = world.upload(KEY, archive)
    world.run()

    assert world.state(upload) is State.AVAILABLE
    first, again = [get.span for get in world.bucket.reads if get.span.length > MIB]
    assert sent * PART - (again.start - first.start) <= SEGMENT
    # The one that was killed, and one more if the place that was noted lies a part before what ECR holds.
    assert world.ecr.count()["UploadLayerPart"] <= PARTS + CONFIG + 2
