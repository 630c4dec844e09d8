"""Sail seeds: `python -m tests.faults.swarm SEED` or `FIRST-LAST`; a single one shows where it broke."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from tests.faults.swarm.sea import Sea
from tests.faults.swarm.seeds import failure, seeds_of


def main(arguments: Sequence[str]) -> int:
    """Sail the seeds of *arguments* and return 1 if one failed."""
    seeds = seeds_of(" ".join(arguments))
    if len(seeds) == 1:
        Sea(seeds[0]).sail()
    started, failed = time.process_time(), 0
    for seed in seeds:
        if found := failure(seed):
            failed += 1
            sys.stdout.write(f"{found}\n")
            sys.stdout.flush()
    spent = time.process_time() - started
    sys.stdout.write(f"{len(seeds)} seeds, {failed} failed, {len(seeds) / spent:.1f} in a second of one core\n")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
