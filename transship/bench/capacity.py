"""
What calls of DynamoDB take of its request units, by the sizes of items, as `ReturnConsumedCapacity` would say.

Rules (developer guide, "DynamoDB read and write operations", "Item sizes and formats", "Using Global Secondary
Indexes", "Managing complex workflows with transactions"):

| call | units |
|---|---|
| GetItem, BatchGetItem | each item: 1 for each 4 KB begun; an absent one as well; half of that unless consistent |
| Query | 1 for each 4 KB begun of all items together; half unless consistent, as on an index |
| PutItem, DeleteItem | 1 for each KB begun of the larger of the old and the new item; also where the condition fails |
| TransactWriteItems | the same twice, for each item; one that is only checked as well |
| each of the last two | 1 for an entry that comes into the index or leaves it, 2 for one that moves |

moto answers with constants. The items are known from the writes that passed before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Item = Mapping[str, Mapping[str, Any]]

_READ: Final = 4096
_WRITE: Final = 1024
_INDEXED: Final = ("due_shard", "due")


@dataclass(slots=True)
class Capacity:
    """
    The units of all calls so far, of one table with one sparse index of keys.

    Attributes:
        reads: Read request units.
        writes: Write request units.
    """

    reads: float = 0.0
    writes: float = 0.0
    _items: dict[tuple[str, str], Item] = field(default_factory=dict)

    def note(self, operation: str, request: Mapping[str, Any], answer: Mapping[str, Any], *, succeeded: bool) -> None:
        """Add what one call took."""
        match operation:
            case "GetItem":
                self._read([answer.get("Item", {})], consistent=request.get("ConsistentRead", False))
            case "BatchGetItem":
                self._read_many(request, answer)
            case "Query":
                # All items of a page are added up before they are rounded.
                self.reads += _units(sum(map(size, answer.get("Items", ()))), _READ) * _share(request)
            case "PutItem":
                self._write(request.get("Item"), _place(request["Item"]), 1, succeeded=succeeded)
            case "DeleteItem":
                self._write(None, _place(request["Key"]), 1, succeeded=succeeded)
            case "TransactWriteItems":
                for change in request["TransactItems"]:
                    self._change(change, succeeded=succeeded)

    def _read(self, items: list[Item], *, consistent: bool) -> None:
        self.reads += sum(_units(size(item), _READ) for item in items) * (1.0 if consistent else 0.5)

    def _read_many(self, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        for table, asked in request["RequestItems"].items():
            found = list(answer.get("Responses", {}).get(table, ()))
            absent: list[Item] = [{}] * (len(asked["Keys"]) - len(found))
            self._read([*found, *absent], consistent=asked.get("ConsistentRead", False))

    def _change(self, change: Mapping[str, Any], *, succeeded: bool) -> None:
        ((verb, about),) = change.items()
        place = _place(about["Item"] if verb == "Put" else about["Key"])
        if verb == "ConditionCheck":
            self.writes += 2 * _units(size(self._items.get(place, {})), _WRITE)
        else:
            self._write(about.get("Item"), place, 2, succeeded=succeeded)

    def _write(self, new: Item | None, place: tuple[str, str], times: int, *, succeeded: bool) -> None:
        old = self._items.get(place, {})
        larger = max(size(old), size(new or {})) if succeeded else size(old)
        self.writes += times * _units(larger, _WRITE)
        if succeeded:
            self.writes += _entry(old, new or {})
            self._items[place] = new or {}


def size(item: Item) -> int:
    """Return the bytes of *item*: names and values; a number takes a byte for two digits, and one."""
    return sum(len(name.encode()) + _value(value) for name, value in item.items())


def _value(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    text = str(content)
    if kind == "S":
        return len(text.encode())
    if kind == "N":
        digits = sum(letter.isdigit() for letter in text.strip("0"))
        return (digits + 1) // 2 + 1
    raise ValueError(f"the table has no values of type {kind}")


def _units(bytes_: int, unit: int) -> int:
    return max(1, -(-bytes_ // unit))


def _share(request: Mapping[str, Any]) -> float:
    return 1.0 if request.get("ConsistentRead", False) else 0.5


def _place(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _entry(old: Item, new: Item) -> int:
    """Return how many entries of the index are written."""
    before, after = ([item.get(name) for name in _INDEXED] for item in (old, new))
    if before == after:
        return 0
    return sum(None not in entry for entry in (before, after))
