"""Cutting work into requests of the size that AWS takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def chunked(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield *items* in order, *size* at a time, the last time fewer; nothing for no items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
