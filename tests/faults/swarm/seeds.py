"""Sailing many seeds, and saying how to sail one of them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.faults.swarm.sea import Sea


def seeds_of(text: str) -> list[int]:
    """Read `7` or `7-9` or several of these; "" is none."""
    found: list[int] = []
    for part in text.split():
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def failure(seed: int) -> str | None:
    """Sail a seed; return what is wrong and the command that shows it again, None for nothing."""
    try:
        Sea(seed).sail()
    except Exception as error:  # noqa: BLE001 - whatever it is, this seed has failed
        return f"python -m tests.faults.swarm {seed}  # {type(error).__name__}: {error}"
    return None


def failures(seeds: Iterable[int]) -> Iterator[str]:
    """Sail *seeds* and yield what is wrong."""
    return (found for seed in seeds if (found := failure(seed)))
