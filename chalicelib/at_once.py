"""
Calls of AWS at the same time, where none needs another's answer.

A simulation of a role or a call to a Region far away takes a tenth of a second, most of it waiting; a preflight asks
a dozen such questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

_MOST: Final = 4
"""Threads. Each may need a connection of its own: round trips, and 3 ms of CPU time (docs/performance.md)."""

T = TypeVar("T")
R = TypeVar("R")


class Each(Protocol):
    """How the same is done to several things: at once in a function, in turn where a test needs an order."""

    def __call__(self, work: Callable[[T], R], items: Sequence[T], /) -> list[R]:
        """Return what *work* makes of each of *items*, in their order; raises the first error in that order."""


def at_once(work: Callable[[T], R], items: Sequence[T], /) -> list[R]:
    """Do *work* to *items* in a few threads; implements `Each`."""
    if len(items) <= 1:
        return in_turn(work, items)
    with ThreadPoolExecutor(min(len(items), _MOST), thread_name_prefix="at-once") as pool:
        return list(pool.map(work, items))


def in_turn(work: Callable[[T], R], items: Sequence[T], /) -> list[R]:
    """Do *work* to one of *items* after the other; implements `Each`."""
    return [work(item) for item in items]
