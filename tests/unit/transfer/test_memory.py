"""Peak memory of a process that pushes layers far larger than it: the ceiling of docs/performance.md."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CEILING = 192


def peak(*options: str) -> tuple[int, int]:
    """Return MiB of memory at most, and bytes moved, of a push in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "transship.bench.giant", *options],
        check=True,
        capture_output=True,
        text=True,
    )
    result = json.loads(done.stdout)
    return result["peak_rss_mib"], result["bytes"]


@pytest.mark.parametrize("method", ["keep", "gzip"])
def test_memory_of_default_settings_stays_under_the_ceiling(method: str) -> None:
    most, moved = peak("--gib", "0.4", "--layers", "6", "--method", method)

    assert moved > 2 * CEILING << 20
    assert most <= CEILING


def test_warm_process_does_not_grow() -> None:
    """Every push has new threads; what they leave behind in the allocator must not add up."""
    most, _ = peak("--gib", "0.2", "--layers", "5", "--times", "5", "--method", "keep")

    assert most <= CEILING


@pytest.mark.check
@pytest.mark.timeout(600)
@pytest.mark.parametrize("layers", ["1", "5"], ids=["one layer", "five layers"])
@pytest.mark.parametrize("method", ["keep", "gzip", "zstd"])
def test_memory_does_not_grow_with_the_layer(method: str, layers: str) -> None:
    most, _ = peak("--gib", "4", "--layers", layers, "--method", method)

    assert most <= CEILING
