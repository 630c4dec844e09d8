"""Transactions and queries of the local DynamoDB: what moto answers, at the cost of what is asked."""

from __future__ import annotations

import copy
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

from transship.local.dynamodb import with_small_backup, within_collection

STOCK = DynamoDBBackend.transact_write_items
OURS = with_small_backup(STOCK)
STOCK_QUERY = Table.query
OUR_QUERY = within_collection(STOCK_QUERY)


def backend(*, ranged: bool) -> Any:
    made = DynamoDBBackend("us-east-1", "111122223333")
    keys = [("pk", "HASH"), ("sk", "RANGE")][: 2 if ranged else 1]
    made.create_table(
        name="table",
        schema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        throughput=None,
        attr=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        global_indexes=None,
        indexes=None,
        streams=None,
        billing_mode="PAY_PER_REQUEST",
        sse_specification=None,
        tags=[],
        deletion_protection_enabled=False,
        warm_throughput=None,
    )
    return made


def state(of: Any) -> list[Any]:
    return [item.to_json() for item in of.tables["table"].all_items()]


KEYS = st.sampled_from([("a", "1"), ("a", "2"), ("b", "1")])
CONDITIONS = st.sampled_from(["", "attribute_not_exists(pk)", "attribute_exists(pk)", "nonsense ((("])


@st.composite
def operations(draw: st.DrawFn) -> dict[str, Any]:
    pk, sk = draw(KEYS)
    kind = draw(st.sampled_from(["Put", "Delete", "ConditionCheck", "Update", "Odd"]))
    key: dict[str, Any] = {"pk": {"S": pk}, "sk": {"S": sk}}
    if draw(st.integers(0, 9)) == 0:
        key.pop("pk")
    operation: dict[str, Any] = {"TableName": draw(st.sampled_from(["table"] * 9 + ["none"]))}
    if condition := draw(CONDITIONS):
        operation["ConditionExpression"] = condition
    if kind == "Put":
        operation["Item"] = {**key, "value": {"N": str(draw(st.integers(0, 9)))}}
    else:
        operation["Key"] = key
    if kind == "Update":
        operation["UpdateExpression"] = "SET #v = :v"
        operation["ExpressionAttributeNames"] = {"#v": "value"}
        operation["ExpressionAttributeValues"] = {":v": {"N": "77"}}
    return {kind: operation}


def outcome(transact: Any, of: Any, items: list[Any]) -> tuple[str, str]:
    try:
        transact(of, copy.deepcopy(items))
    except Exception as error:  # noqa: BLE001 - whatever stock moto raises, ours must raise
        return type(error).__name__, str(error)
    return "", ""


@given(st.lists(st.lists(operations(), min_size=1, max_size=4), min_size=1, max_size=5))
def test_transactions_end_as_those_of_stock_moto(transactions: list[list[Any]]) -> None:
    stock, ours = backend(ranged=True), backend(ranged=True)
    for transaction in transactions:
        assert outcome(OURS, ours, transaction) == outcome(STOCK, stock, transaction)
        assert state(ours) == state(stock)


@given(st.lists(st.tuples(KEYS, st.booleans()), max_size=8), st.booleans())
def test_queries_answer_as_those_of_stock_moto(puts: list[tuple[tuple[str, str], bool]], ranged: bool) -> None:
    made = backend(ranged=ranged)
    for (pk, sk), deleted in puts:
        key = {"pk": {"S": pk}, **({"sk": {"S": sk}} if ranged else {})}
        OURS(made, [{"Put": {"TableName": "table", "Item": key}}])
        if deleted:
            OURS(made, [{"Delete": {"TableName": "table", "Key": key}}])
    table = made.tables["table"]

    for asked in ("a", "b", "c"):
        arguments = (DynamoType({"S": asked}), None, [], 10, None, True, None)
        answers = [query(table, *arguments)[0] for query in (OUR_QUERY, STOCK_QUERY)]
        assert [item.to_json() for item in answers[0]] == [item.to_json() for item in answers[1]]


@pytest.mark.parametrize("size", [10, 1_000])
def test_a_transaction_copies_what_it_names(size: int) -> None:
    """However large the table is."""
    made = backend(ranged=True)
    for number in range(size):
        made.put_item("table", {"pk": {"S": "x"}, "sk": {"S": str(number)}})
    copied: list[object] = []
    real = copy.deepcopy

    def counted(thing: Any, memo: Any = None) -> Any:
        copied.append(thing)
        return real(thing, memo)

    with patch.object(copy, "deepcopy", counted):
        OURS(made, [{"Put": {"TableName": "table", "Item": {"pk": {"S": "x"}, "sk": {"S": "1"}}}}])

    assert len(copied) < 50
