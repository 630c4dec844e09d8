"""
Seeds of the swarm: everything happens at once and goes wrong, and the invariants of docs/reliability.md hold.

TRANSSHIP_SEEDS=20000-29999 sails other seeds; `python -m tests.faults.swarm 20000-29999` does so without pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator

import pytest

from tests.faults.swarm.sea import Sea
from tests.faults.swarm.seeds import failures, seeds_of

QUICK = range(150)
LONG = range(150, 1_150)
PIECE = 25
"""Seeds of one test: small enough that both workers have their share."""


def pieces(seeds: Iterable[int]) -> Iterator[range]:
    listed = list(seeds)
    for start in range(0, len(listed), PIECE):
        piece = listed[start : start + PIECE]
        yield range(piece[0], piece[-1] + 1)


def named(seeds: range) -> str:
    return f"{seeds[0]}-{seeds[-1]}"


@pytest.mark.parametrize("seeds", list(pieces(seeds_of(os.environ.get("TRANSSHIP_SEEDS", "")) or QUICK)), ids=named)
def test_everything_ends_well_whatever_happens(seeds: range) -> None:
    assert not list(failures(seeds))


@pytest.mark.check
@pytest.mark.parametrize("seeds", list(pieces(LONG)), ids=named)
def test_everything_ends_well_whatever_happens_in_more_seeds(seeds: range) -> None:
    assert not list(failures(seeds))


@pytest.mark.parametrize(
    "seed",
    [268, 545, 2201, 2594, 4050, 11933],
    ids=[
        "a put after the lock on its tag ran out",
        "a refusal after a put that nobody heard of",
        "an upload that was closed while a step was at it is closed again",
        "waiting for another's tag is counted against an upload",
        "messages for looks multiply where they meet a lease",
        "one lost reply after the deadline is held against a destination",
    ],
)
def test_seeds_that_once_failed(seed: int) -> None:
    assert not list(failures([seed]))


def history(seed: int) -> tuple[list[str], list[str], float]:
    """Return the calls of a seed, the events that were taken, and when it ended."""
    sea = Sea(seed)
    sea.sail()
    return sea.calls, [event.detail["id"] for event in sea.bus.taken], sea.clock.now()


def test_a_seed_is_the_same_every_time() -> None:
    assert history(8) == history(8)


def test_a_seed_is_the_same_in_every_process() -> None:
    """Sets are ordered by hashes that differ from process to process; nothing may depend on that."""
    program = "from tests.faults.test_swarm import history; print(history(8))"
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": number, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for number in ("1", "2")
    }
    assert len(said) == 1
