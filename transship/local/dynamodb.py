"""
What moto's DynamoDB does with a whole table, done with what is meant.

- A transaction copies every table that it names, to put it back if it fails: here, the items that it names.
- A query sorts the table and looks through it for its collection: here, the collection.

Each upload leaves some forty items behind, so both made every later call of the table slower than the one before.
The answers are moto's own, since moto's code gives them; only what it works on is smaller. Both count on DynamoDB's
calls being answered one at a time (`front_door`).
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table


@dataclass(frozen=True, slots=True)
class _Before:
    """An item of *table* as it was before a transaction: *item* is None if there was none."""

    table: Table
    hash_key: DynamoType
    range_key: DynamoType | None
    item: Any

    @classmethod
    def of(cls, table: Table, named: Mapping[str, Any]) -> _Before | None:
        """Remember the item with the key in *named*, an item or a key; None if that is no key."""
        keys = [named.get(name) for name in (table.hash_key_attr, table.range_key_attr) if name]
        typed = [DynamoType(key) for key in keys if isinstance(key, dict) and key]
        if len(typed) < len(keys):
            return None
        hash_key, range_key = typed[0], typed[1] if len(typed) > 1 else None
        return cls(table, hash_key, range_key, copy.deepcopy(table.get_item(hash_key, range_key)))

    def restore(self) -> None:
        """Put it back."""
        place, key = (
            (self.table.items[self.hash_key], self.range_key) if self.range_key else (self.table.items, self.hash_key)
        )
        if self.item is None:
            place.pop(key, None)
        else:
            place[key] = self.item


def with_small_backup(original: Callable[[Any, list[dict[str, Any]]], None]) -> Callable[..., None]:
    """Return TransactWriteItems, which remembers the items that it names instead of their tables."""

    @functools.wraps(original)
    def transact_write_items(backend: Any, transact_items: list[dict[str, Any]]) -> None:
        before = list(_named(backend.tables, transact_items))
        # What moto puts back is then the table itself.
        with patch.object(Table, "__deepcopy__", lambda table, _: table, create=True):
            try:
                original(backend, transact_items)
            except Exception:
                for remembered in reversed(before):
                    remembered.restore()
                raise

    return transact_write_items


def _named(tables: Mapping[str, Table], transact_items: Sequence[Mapping[str, Any]]) -> Iterator[_Before]:
    for operations in transact_items:
        for operation in operations.values():
            table = tables.get(operation.get("TableName"))
            remembered = table and _Before.of(table, operation.get("Item") or operation.get("Key") or {})
            if remembered:
                yield remembered


def within_collection(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a table's query, which looks at the items of the asked hash key only, unless it asks an index."""
    signature = inspect.signature(original)

    @functools.wraps(original)
    def query(table: Table, hash_key: DynamoType, *args: Any, **kwargs: Any) -> Any:
        if signature.bind(table, hash_key, *args, **kwargs).arguments.get("index_name"):
            return original(table, hash_key, *args, **kwargs)
        collection = copy.copy(table)
        collection.items = {hash_key: table.items[hash_key]} if hash_key in table.items else {}  # type: ignore[assignment] # read only
        return original(collection, hash_key, *args, **kwargs)

    return query
