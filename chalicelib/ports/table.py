"""State: items in collections, each with a revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct


class Key(Struct, frozen=True):
    """The key of an item: its collection and its name in it."""

    pk: str
    sk: str


Item = Mapping[str, Any]
"""An item without its key and revision: JSON values, at most 400 KB."""


class Stored(Struct, frozen=True):
    """An item as it was read; *revision* starts at 1 and grows by 1 with each write."""

    key: Key
    item: Item
    revision: int


class Put(Struct, frozen=True):
    """
    Write *item* if the stored revision is *revision* (0: there is none).

    *due* (epoch seconds) makes the sweep look at the item from then on; None takes it off the sweep's list.
    *expires* (epoch seconds) lets the table drop it later.
    """

    key: Key
    item: Item
    revision: int
    due: float | None = None
    expires: float | None = None


class Check(Struct, frozen=True):
    """Demand that the stored revision is *revision*, and write nothing."""

    key: Key
    revision: int


class Delete(Struct, frozen=True):
    """Remove the item if its revision is *revision*."""

    key: Key
    revision: int


class Table(Protocol):
    """Items in collections, each with a revision; reads are consistent."""

    def get(self, key: Key) -> Stored | None:
        """Return one item."""

    def get_many(self, keys: Sequence[Key]) -> Mapping[Key, Stored | None]:
        """Return up to 100 items by their keys, None for those that are not there."""

    def query(self, pk: str, prefix: str = "") -> Sequence[Stored]:
        """Return the items of a collection whose name starts with *prefix*, in the order of their names."""

    def write(self, changes: Sequence[Put | Check | Delete]) -> None:
        """
        Do all of 1 to 100 *changes* or none.

        Raises:
            ConflictError: A revision is not the expected one.
        """

    def due(self, until: float, limit: int) -> Sequence[Key]:
        """Return up to *limit* keys of items that are due, the longest overdue first; may lag behind writes."""
