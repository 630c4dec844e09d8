"""Fixtures: see `world`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.ecr.world import JsonFront, RecordingAuthorizer, Servers, World
from transship.local.clock import ManualClock
from transship.local.ecr import EcrOptions, EcrService, FaultRules
from transship.local.server import WsgiServer


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    front = JsonFront()
    with WsgiServer(front) as api:
        servers = Servers(front, api)
        yield servers
        for client in servers.clients.values():
            client.close()
        for registry in servers.registries.values():
            registry.stop()


@pytest.fixture
def make_world(servers: Servers, tmp_path: Path) -> Iterator[Callable[..., World]]:
    def make(**options: Any) -> World:
        clock, authorizer, events = ManualClock(), RecordingAuthorizer(), []
        service = EcrService(
            tmp_path / "ecr",
            clock=clock,
            authorizer=authorizer,
            emit=lambda _account, _region, event: events.append(event),
            options=EcrOptions(**options),
            faults=FaultRules(),
        )
        servers.front.service = service
        return World(servers, service, clock, authorizer, events)

    yield make
    servers.front.service = None


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
