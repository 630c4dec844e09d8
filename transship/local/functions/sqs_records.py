"""
The event that Lambda makes of messages, and what a function's answer says about each of them. Pure.

Shapes: developer guide, "Using Lambda with Amazon SQS" and "Implementing partial batch responses".
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from transship.local.functions.recursion import TraceHeader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transship.local.functions.invocation import Outcome


def sqs_event(messages: Sequence[Mapping[str, Any]], queue_arn: str) -> dict[str, Any]:
    """Return the event for *messages*, which are as ReceiveMessage answered them."""
    return {"Records": [_record(message, queue_arn) for message in messages]}


def _record(message: Mapping[str, Any], queue_arn: str) -> dict[str, Any]:
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    attribute: dict[str, Any] = {"dataType": value["DataType"], "stringListValues": [], "binaryListValues": []}
    if "StringValue" in value:
        attribute["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        attribute["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return attribute


def trace_of(messages: Sequence[Mapping[str, Any]], function_arn: str) -> str | None:
    """Return the trace header of the message whose chain ran *function_arn* most often."""
    headers = [header for each in messages if (header := each.get("Attributes", {}).get("AWSTraceHeader"))]
    return max(headers, key=lambda header: TraceHeader.parse(header).runs_of(function_arn), default=None)


def handled(messages: Sequence[Mapping[str, Any]], outcome: Outcome, *, partial: bool) -> list[Mapping[str, Any]]:
    """
    Return the messages that the function has dealt with.

    Args:
        messages: The batch.
        outcome: How the invocation ended.
        partial: Whether the mapping reports batch item failures. An answer that cannot be read, or names a message
            that is not in the batch, then counts as failure of the whole batch.
    """
    if outcome.function_error:
        return []
    if not partial:
        return list(messages)
    failed = _failed_ids(outcome.payload)
    ids = {message["MessageId"] for message in messages}
    if failed is None or not failed <= ids:
        return []
    return [message for message in messages if message["MessageId"] not in failed]


def _failed_ids(payload: bytes) -> set[str] | None:
    """Return the ids in *payload*; None if it is malformed."""
    try:
        failures = (json.loads(payload or b"null") or {}).get("batchItemFailures") or []
        ids = {failure["itemIdentifier"] for failure in failures}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return ids if all(isinstance(each, str) and each for each in ids) else None
