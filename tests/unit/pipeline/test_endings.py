"""An upload ends once."""

from __future__ import annotations

import pytest

from chalicelib.errors import Code, FailedError, SupersededError
from chalicelib.outcome.ending import end
from chalicelib.replacing import replace
from chalicelib.state.ledger import Ledger
from chalicelib.state.upload import State
from tests.unit.pipeline.troubles import until_published
from tests.world import World


@pytest.mark.parametrize(
    "error", [FailedError(Code.EXPIRED, "late"), SupersededError("a later upload")], ids=["failed", "superseded"]
)
def test_what_has_ended_stays_as_it_ended(error: FailedError | SupersededError) -> None:
    world = World()
    upload = until_published(world)
    outside = world.outside()
    ledger = Ledger(outside)
    ledger.update(upload, lambda found: replace(found, state=State.FAILED, code=Code.GAVE_UP.name))
    entry = ledger.load(upload)
    assert entry

    after = end(outside, entry, error)

    assert after == entry == ledger.load(upload)
