"""A function that stood still for longer than its lease wakes up and writes: others have decided meanwhile."""

from __future__ import annotations

import pytest

from chalicelib.errors import ConflictError
from chalicelib.planning.plan import Plan
from chalicelib.planning.write_plan import write_plan
from chalicelib.replacing import replace
from chalicelib.state.ledger import Ledger
from chalicelib.state.upload import State
from tests import archives
from tests.world import World


@pytest.mark.parametrize("read", [State.ACCEPTED, State.PUBLISHING, State.CONFIRMING])
def test_what_others_decided_is_not_written_over(read: State) -> None:
    world = World()
    upload = world.upload("uploads/team/app/app-1.0.tar", archives.docker_save(archives.image("hello")))
    ledger = Ledger(world.outside())
    while world.state_or_none(upload) is not read:
        world.step()
    asleep = ledger.load(upload)
    assert asleep
    world.run()
    images, replicas = ledger.images(upload), ledger.replicas(upload)

    with pytest.raises(ConflictError):
        write_plan(ledger, asleep, Plan(images=(), layers=()))
    with pytest.raises(ConflictError):
        ledger.overwrite(asleep, ("replica#",), ())

    assert (ledger.images(upload), ledger.replicas(upload)) == (images, replicas)
    assert images
    assert replicas


def test_a_decision_on_what_has_changed_since_is_refused() -> None:
    world = World()
    upload = world.upload("uploads/team/app/app-1.0.tar", archives.docker_save(archives.image("hello")))
    ledger = Ledger(world.outside())
    while (asleep := ledger.load(upload)) is None:
        world.step()
    world.run()

    with pytest.raises(ConflictError):
        ledger.decide(asleep, replace(asleep.upload, state=State.FAILED))

    assert world.state(upload) is State.AVAILABLE
