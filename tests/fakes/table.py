"""The table of state in memory; implements `Table`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.errors import ConflictError
from chalicelib.ports.table import Check, Delete, Key, Put, Stored


@dataclass(slots=True)
class _Row:
    text: str
    revision: int
    due: float | None
    expires: float | None


@dataclass(slots=True)
class FakeTable:
    """Items go through JSON as they do in DynamoDB, so that what cannot be stored cannot be tested either."""

    rows: dict[tuple[str, str], _Row] = field(default_factory=dict)
    _names: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def get(self, key: Key) -> Stored | None:
        row = self.rows.get((key.pk, key.sk))
        return Stored(key, json.loads(row.text), row.revision) if row else None

    def get_many(self, keys: Sequence[Key]) -> Mapping[Key, Stored | None]:
        assert len(keys) <= 100
        return {key: self.get(key) for key in keys}

    def query(self, pk: str, prefix: str = "") -> Sequence[Stored]:
        names = sorted(sk for sk in self._names[pk] if sk.startswith(prefix))
        return [stored for name in names if (stored := self.get(Key(pk, name)))]

    def write(self, changes: Sequence[Put | Check | Delete]) -> None:
        assert 1 <= len(changes) <= 100
        assert len({change.key for change in changes}) == len(changes), "DynamoDB refuses two changes of one item"
        for change in changes:
            row = self.rows.get((change.key.pk, change.key.sk))
            if (row.revision if row else 0) != change.revision:
                raise ConflictError(f"{change.key} has changed")
        for change in changes:
            place = (change.key.pk, change.key.sk)
            if isinstance(change, Put):
                self._names[change.key.pk].add(change.key.sk)
                self.rows[place] = _Row(json.dumps(change.item), change.revision + 1, change.due, change.expires)
                assert len(self.rows[place].text) < 400 * 1024
            elif isinstance(change, Delete):
                self.rows.pop(place, None)

    def due(self, until: float, limit: int) -> Sequence[Key]:
        waiting = [(row.due, place) for place, row in self.rows.items() if row.due is not None and row.due <= until]
        return [Key(*place) for _, place in sorted(waiting)[:limit]]
