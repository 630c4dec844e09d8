"""What happens later: on the worker's thread, by either clock, whatever one action does to itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.ecr.world import ACCOUNT, RecordingAuthorizer, World, caller_of
from transship.local.clock import Clock, ManualClock, RealClock
from transship.local.ecr import EcrService
from transship.local.ecr.agenda import Agenda


@pytest.fixture(params=[RealClock, ManualClock], ids=["real", "manual"])
def agenda(request: pytest.FixtureRequest) -> Iterator[Agenda]:
    clock: Clock = request.param()
    agenda = Agenda(clock)
    agenda.start()
    yield agenda
    agenda.stop()


def test_worker_runs_actions_in_the_order_of_their_time(agenda: Agenda) -> None:
    seen: list[int] = []
    now = agenda._clock.now()
    for number, delay in ((3, 0.06), (1, 0.02), (2, 0.04)):
        agenda.at(now + delay, lambda number=number: seen.append(number))

    agenda.settle()

    assert seen == [1, 2, 3]


def test_actions_of_one_time_keep_their_order(agenda: Agenda) -> None:
    seen: list[int] = []
    now = agenda._clock.now()
    for number in range(5):
        agenda.at(now, lambda number=number: seen.append(number))

    agenda.settle()

    assert seen == [0, 1, 2, 3, 4]


def test_what_was_to_happen_later_can_be_hurried_and_keeps_its_order(agenda: Agenda) -> None:
    seen: list[int] = []
    now = agenda._clock.now()
    for number in (3, 1, 2):
        agenda.at(now + 3600 * number, lambda number=number: seen.append(number))
    agenda.hurry()
    agenda.settle()

    assert seen == [1, 2, 3]


def test_action_that_fails_is_logged_and_the_next_one_runs(agenda: Agenda, caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()
    now = agenda._clock.now()
    agenda.at(now, lambda: {}["absent"])
    agenda.at(now, done.set)

    agenda.settle()

    assert done.is_set()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_failure_reaches_the_test_that_steps() -> None:
    agenda = Agenda(ManualClock())
    agenda.at(0, lambda: {}["absent"])

    with pytest.raises(KeyError):
        agenda.step()


def test_stop_ends_the_worker_and_leaves_the_rest_undone(agenda: Agenda) -> None:
    worker, seen = agenda._worker, []
    assert worker is not None
    agenda.at(agenda._clock.now() + 3600, lambda: seen.append(1))

    agenda.stop()

    assert (worker.is_alive(), seen) == (False, [])


def test_action_may_add_another(agenda: Agenda) -> None:
    done = threading.Event()
    agenda.at(agenda._clock.now(), lambda: agenda.at(agenda._clock.now() + 0.01, done.set))

    agenda.settle()

    assert done.is_set()


def test_replication_runs_by_itself_under_the_real_clock(tmp_path: Path, servers: Any) -> None:
    arrived = threading.Event()

    def emit(_account: str, region: str, _event: dict[str, Any]) -> None:
        if region == "eu-west-1":
            arrived.set()

    clock = RealClock()
    service = EcrService(tmp_path / "ecr", clock=clock, authorizer=RecordingAuthorizer(), emit=emit)
    servers.front.service = service
    service.start()
    world = World(servers, service, ManualClock(), RecordingAuthorizer(), [])
    try:
        world.replicate_to((ACCOUNT, "eu-west-1"))
        world.push(world.repository(), "1")
        assert arrived.wait(20)
    finally:
        service.stop()
        servers.front.service = None

    status, _, _ = service.json_api(caller_of(ACCOUNT, "eu-west-1"), "DescribeRepositories", b"{}")
    assert status == 200
