"""One local stage for all: AWS on this machine, Transship deployed into it as anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.producer import Producer
from tests.acceptance.scene import Scene
from transship.local_stage import local_stage


@pytest.fixture(scope="session", name="producer")
def running_producer() -> Iterator[Producer]:
    with local_stage() as stage:
        yield Producer(stage)


@pytest.fixture(scope="session", name="scene")
def scene_around(producer: Producer) -> Scene:
    return Scene(producer.stage)
