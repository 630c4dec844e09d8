"""The table, watched: each write is shown with what stood there before; the index of what is due may lag."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.ports.table import Check, Delete, Key, Put
from tests.fakes.table import FakeTable
from tests.faults.swarm.weather import Weather


def _nobody(_key: Key, _before: Any, _after: Any) -> None:
    """Hear nothing."""


@dataclass(slots=True)
class WatchedTable(FakeTable):
    """
    A table under a *weather*.

    Attributes:
        told: Hears of each item that was written: its key, what it was (None: nothing), what it is.
    """

    weather: Weather = field(kw_only=True)
    told: Callable[[Key, Any, Any], None] = _nobody

    def write(self, changes: Sequence[Put | Check | Delete]) -> None:
        places = [(change.key.pk, change.key.sk) for change in changes]
        before = [row.text if (row := self.rows.get(place)) else None for place in places]
        FakeTable.write(self, changes)
        for change, text in zip(changes, before, strict=True):
            if isinstance(change, Put):
                self.told(change.key, json.loads(text) if text else None, change.item)

    def due(self, until: float, limit: int) -> Sequence[Key]:
        return [key for key in FakeTable.due(self, until, limit) if not self.weather.loses()]
