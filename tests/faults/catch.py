"""Planting each bug in turn and sailing seeds until one shows it: `python -m tests.faults.catch [SEEDS]`."""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Sequence
from typing import Final

from tests.faults.bugs import BUGS, Bug, planted
from tests.faults.swarm.cargo import expected
from tests.faults.swarm.plan import drawn
from tests.faults.swarm.seeds import failure

SEEDS: Final = 25


def caught(bug: Bug, seeds: Sequence[int]) -> int | None:
    """Return how many of *seeds* it takes to see *bug*, None if all of them are blind to it."""
    for count, seed in enumerate(seeds, 1):
        know(seed)
        with planted(bug):
            if failure(seed):
                return count
    return None


def know(seed: int) -> None:
    """Find out what a seed's archives become, while the code is still sound."""
    plan = drawn(random.Random(seed))  # noqa: S311 - as the sea draws it
    for one in plan.uploads:
        expected(one.cargo, one.key, plan.settings)


def main(arguments: Sequence[str]) -> int:
    """Print the table and return 1 if a bug escaped."""
    seeds = range(int(arguments[0]) if arguments else SEEDS)
    counts: list[int] = []
    for bug in BUGS:
        count = caught(bug, seeds)
        counts += [count] if count else []
        sys.stdout.write(f"| {bug.name} | {count or 'escaped'} |\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(counts)} of {len(BUGS)} detected, median {statistics.median(counts)} seeds\n")
    return int(len(counts) < len(BUGS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
