"""
The table of state in DynamoDB.

An item is `pk`, `sk`, its revision `rev`, the JSON text `item`, and what DynamoDB itself looks at: `due` with
`due_shard` for the sparse index of the sweep, `expires` for its own expiry. The record is JSON text and not a map, so
that what is read is exactly what was written (DynamoDB's numbers would come back as decimals).
Every read is consistent. A single change is one PutItem or DeleteItem, several are one TransactWriteItems.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from chalicelib.aws.failures import aws_call
from chalicelib.aws.session import Session
from chalicelib.errors import ConflictError, TemporaryError
from chalicelib.ports.table import Check, Delete, Key, Put, Stored

_INDEX: Final = "due"
_SHARD: Final = "all"  # one partition of the index takes 1,000 writes/s (DynamoDB quotas), far above PutImage's 10/s
_LOST: Final = frozenset({"ConditionalCheckFailed", "TransactionConflict"})


class DynamoTable:
    """
    One table; implements `Table`.

    Args:
        session: Makes the client.
        name: Of the table.
    """

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self._name = name

    def get(self, key: Key) -> Stored | None:
        """Return one item."""
        with aws_call("dynamodb:GetItem", self._name):
            answer = self._client.get_item(TableName=self._name, Key=_key(key), ConsistentRead=True)
        found = answer.get("Item")
        return _stored(found) if found else None

    def get_many(self, keys: Sequence[Key]) -> Mapping[Key, Stored | None]:
        """Return up to 100 items by their keys, None for those that are not there."""
        found: dict[Key, Stored | None] = dict.fromkeys(keys)
        wanted: Sequence[Mapping[str, Any]] = [_key(key) for key in found]
        while wanted:
            with aws_call("dynamodb:BatchGetItem", self._name):
                answer = self._client.batch_get_item(
                    RequestItems={self._name: {"Keys": wanted, "ConsistentRead": True}}
                )
            found |= {stored.key: stored for stored in map(_stored, answer["Responses"].get(self._name, ()))}
            wanted = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", ())
        return found

    def query(self, pk: str, prefix: str = "") -> Sequence[Stored]:
        """Return the items of a collection whose name starts with *prefix*, in the order of their names."""
        condition, values = "pk = :pk", {":pk": {"S": pk}}
        if prefix:
            condition, values = "pk = :pk AND begins_with(sk, :sk)", {**values, ":sk": {"S": prefix}}
        found: list[Stored] = []
        start: Mapping[str, Any] = {}
        while True:
            with aws_call("dynamodb:Query", self._name):
                page = self._client.query(
                    TableName=self._name,
                    KeyConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ConsistentRead=True,
                    **start,
                )
            found += map(_stored, page["Items"])
            if "LastEvaluatedKey" not in page:
                return found
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def write(self, changes: Sequence[Put | Check | Delete]) -> None:
        """
        Do all of 1 to 100 *changes* or none.

        Raises:
            ConflictError: A revision is not the expected one.
        """
        if len(changes) == 1 and isinstance(changes[0], Put):
            with aws_call("dynamodb:PutItem", self._name):
                self._client.put_item(**self._request(changes[0]))
            return
        with aws_call("dynamodb:TransactWriteItems", self._name):
            try:
                self._client.transact_write_items(
                    TransactItems=[{_VERBS[type(change)]: self._request(change)} for change in changes]
                )
            except ClientError as error:
                raise _cancelled(error) from error

    def due(self, until: float, limit: int) -> Sequence[Key]:
        """Return up to *limit* keys of items that are due, the longest overdue first; lags behind writes."""
        with aws_call("dynamodb:Query", f"{self._name}/index/{_INDEX}"):
            page = self._client.query(
                TableName=self._name,
                IndexName=_INDEX,
                KeyConditionExpression="due_shard = :shard AND due <= :until",
                ExpressionAttributeValues={":shard": {"S": _SHARD}, ":until": {"N": repr(until)}},
                Limit=limit,
            )
        return [Key(item["pk"]["S"], item["sk"]["S"]) for item in page["Items"]]

    @property
    def _client(self) -> Any:
        return self._session.client("dynamodb")

    def _request(self, change: Put | Check | Delete) -> dict[str, Any]:
        request: dict[str, Any] = {"TableName": self._name, **_condition(change.revision)}
        if isinstance(change, Put):
            return {**request, "Item": _item(change)}
        return {**request, "Key": _key(change.key)}


_VERBS: Final = {Put: "Put", Check: "ConditionCheck", Delete: "Delete"}


def _key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _item(change: Put) -> dict[str, Any]:
    item = {
        **_key(change.key),
        "rev": {"N": str(change.revision + 1)},
        "item": {"S": json.dumps(change.item, separators=(",", ":"), ensure_ascii=False)},
    }
    if change.due is not None:
        item |= {"due": {"N": repr(change.due)}, "due_shard": {"S": _SHARD}}
    if change.expires is not None:
        item["expires"] = {"N": str(int(change.expires))}
    return item


def _condition(revision: int) -> dict[str, Any]:
    if revision == 0:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": "rev = :expected",
        "ExpressionAttributeValues": {":expected": {"N": str(revision)}},
    }


def _stored(item: Mapping[str, Any]) -> Stored:
    return Stored(Key(item["pk"]["S"], item["sk"]["S"]), json.loads(item["item"]["S"]), int(item["rev"]["N"]))


def _cancelled(error: ClientError) -> Exception:
    """Tell a lost race from a transaction that DynamoDB could not take just now."""
    response: Mapping[str, Any] = error.response
    if response.get("Error", {}).get("Code") == "TransactionInProgressException":
        return TemporaryError("dynamodb:TransactWriteItems is still under way")
    reasons = {reason.get("Code", "None") for reason in response.get("CancellationReasons", ())} - {"None"}
    if not reasons:
        return error
    if reasons & _LOST:
        return ConflictError("an item has changed")
    return TemporaryError(f"dynamodb:TransactWriteItems was cancelled: {', '.join(sorted(reasons))}")
