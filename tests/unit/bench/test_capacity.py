"""Request units of DynamoDB: the developer guide's own examples, and what this table's index adds."""

from __future__ import annotations

from typing import Any

import pytest

from transship.bench.capacity import Capacity, size

KEY = {"pk": {"S": "upload#1"}, "sk": {"S": "layer"}}
TABLE = "transship"


def item(bytes_: int, **more: dict[str, str]) -> dict[str, dict[str, str]]:
    """An item of exactly so many bytes."""
    made = {**KEY, **more, "item": {"S": ""}}
    return {**made, "item": {"S": "x" * (bytes_ - size(made))}}


def put(capacity: Capacity, new: dict[str, Any], *, succeeded: bool = True) -> None:
    capacity.note("PutItem", {"TableName": TABLE, "Item": new}, {}, succeeded=succeeded)


def transact(capacity: Capacity, *changes: dict[str, Any]) -> None:
    capacity.note("TransactWriteItems", {"TransactItems": list(changes)}, {}, succeeded=True)


@pytest.mark.parametrize(
    ("value", "bytes_"),
    [({"S": "Grüße"}, 7), ({"N": "0"}, 1), ({"N": "7"}, 2), ({"N": "12"}, 2), ({"N": "123"}, 3), ({"N": "1.25"}, 3)],
    ids=["text is UTF-8", "zero", "a digit", "two digits", "three digits", "a fraction"],
)
def test_sizes_of_values(value: dict[str, str], bytes_: int) -> None:
    assert size({"name": value}) == len("name") + bytes_


@pytest.mark.parametrize(
    ("bytes_", "consistent", "units"),
    [(3_500, True, 1), (4_096, True, 1), (4_097, True, 2), (3_500, False, 0.5), (10_000, True, 3)],
)
def test_reading_an_item_is_rounded_up_to_4_kb(bytes_: int, consistent: bool, units: float) -> None:
    capacity = Capacity()
    capacity.note("GetItem", {"Key": KEY, "ConsistentRead": consistent}, {"Item": item(bytes_)}, succeeded=True)

    assert (capacity.reads, capacity.writes) == (units, 0)


def test_an_absent_item_is_read_too() -> None:
    capacity = Capacity()
    capacity.note("GetItem", {"Key": KEY, "ConsistentRead": True}, {}, succeeded=True)

    assert capacity.reads == 1


def test_items_of_a_batch_are_rounded_one_by_one_and_those_of_a_query_together() -> None:
    """The guide's example: 1.5 KB and 6.5 KB in a batch take 1 + 2 units."""
    found = [item(1_536), item(6_656)]
    batch, query = Capacity(), Capacity()
    asked = {"RequestItems": {TABLE: {"Keys": [KEY, KEY, KEY], "ConsistentRead": True}}}
    batch.note("BatchGetItem", asked, {"Responses": {TABLE: found}}, succeeded=True)
    query.note("Query", {"ConsistentRead": True}, {"Items": found}, succeeded=True)

    assert batch.reads == 1 + 2 + 1, "the third was absent"
    assert query.reads == 2


def test_a_query_of_the_index_is_not_consistent() -> None:
    capacity = Capacity()
    capacity.note("Query", {"IndexName": "due"}, {"Items": []}, succeeded=True)

    assert capacity.reads == 0.5


def test_writing_is_rounded_up_to_a_kb_and_takes_the_larger_of_old_and_new() -> None:
    capacity = Capacity()
    put(capacity, item(512))
    put(capacity, item(3_073))
    put(capacity, item(512))

    assert capacity.writes == 1 + 4 + 4


def test_a_condition_that_fails_takes_the_size_of_what_is_there() -> None:
    capacity = Capacity()
    put(capacity, item(5_000), succeeded=False)
    put(capacity, item(2_000))
    put(capacity, item(5_000), succeeded=False)

    assert capacity.writes == 1 + 2 + 2


def test_a_transaction_takes_twice_as_much() -> None:
    capacity = Capacity()
    other = {"pk": {"S": "upload#2"}, "sk": {"S": "upload"}}
    transact(capacity, {"Put": {"Item": item(1_500)}}, {"ConditionCheck": {"Key": other}})
    transact(capacity, {"Delete": {"Key": KEY}})

    assert capacity.writes == 2 * 2 + 2 * 1 + 2 * 2


def test_entries_of_the_index_are_written_too() -> None:
    capacity = Capacity()
    due = {"due_shard": {"S": "all"}, "due": {"N": "1.5"}}
    put(capacity, item(500, **due))
    assert capacity.writes == 1 + 1

    put(capacity, item(600, **due))
    assert capacity.writes == 2 + 1, "the entry holds keys alone and stays as it is"

    put(capacity, item(600, **due | {"due": {"N": "2.5"}}))
    assert capacity.writes == 3 + 2 + 1

    put(capacity, item(600))
    assert capacity.writes == 4 + 1 + 2 + 1, "an item without the attributes is not in the index"
