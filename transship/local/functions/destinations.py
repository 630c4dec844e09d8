"""
Where asynchronous events go in the end: destinations and dead-letter queues.

A destination gets a record of the invocation, a dead-letter queue the event itself with the error as attributes
(developer guide, "Retaining records of asynchronous invocations").

Left out: SNS topics and S3 buckets as destinations.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from transship.local.functions.configuration import find_function
from transship.local.functions.invocation import UNHANDLED, Outcome, failure_payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from transship.local.functions.clients import RoleClients
    from transship.local.functions.configuration import FunctionConfiguration
    from transship.local.functions.errors import InvokeError
    from transship.local.functions.invocation import Invocation

_log = logging.getLogger(__name__)


class Result(Enum):
    """How an event ended; the value is the record's `condition`."""

    SUCCESS = "Success"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"


@dataclass(frozen=True, slots=True)
class Ending:
    """
    The end of an event.

    Attributes:
        attempts: How often the function ran.
        outcome: Of the last run; None if it never ran.
    """

    result: Result
    invocation: Invocation
    attempts: int
    outcome: Outcome | None

    @classmethod
    def refused(cls, invocation: Invocation, attempts: int, error: InvokeError) -> Ending:
        """Return the end of an event that Lambda would not run."""
        outcome = Outcome(failure_payload(error.code, str(error)), UNHANDLED)
        return cls(Result.RETRIES_EXHAUSTED, invocation, attempts, outcome)

    def record(self, version: str) -> dict[str, Any]:
        """Return the invocation record for a destination."""
        record: dict[str, Any] = {
            "version": "1.0",
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "requestContext": {
                "requestId": self.invocation.request_id,
                "functionArn": f"{self.invocation.function_arn}:{version}",
                "condition": self.result.value,
                "approximateInvokeCount": self.attempts,
            },
            "requestPayload": json.loads(self.invocation.payload),
        }
        if self.outcome is not None:
            record["responseContext"] = {"statusCode": 200, "executedVersion": version}
            if self.outcome.function_error:
                record["responseContext"]["functionError"] = self.outcome.function_error
            record["responsePayload"] = json.loads(self.outcome.payload)
        return record


class Destinations:
    """Delivers endings with the function's own permissions."""

    def __init__(self, clients: RoleClients, invoke_async: Callable[[str, Any], object]) -> None:
        self._clients = clients
        self._invoke_async = invoke_async

    def __call__(self, ending: Ending) -> None:
        """Deliver *ending* to the destination for its result and, if it failed, to the dead-letter queue."""
        function = find_function(ending.invocation.function_arn)
        kind = "OnSuccess" if ending.result is Result.SUCCESS else "OnFailure"
        target = function.invoke_config.get("DestinationConfig", {}).get(kind, {}).get("Destination")
        if target:
            self._send_record(function, target, ending)
        if ending.result is not Result.SUCCESS and function.dead_letter_arn:
            self._send_dead_letter(function, function.dead_letter_arn, ending)

    def _send_record(self, function: FunctionConfiguration, target: str, ending: Ending) -> None:
        record = ending.record(function.version)
        match target.split(":")[2]:
            case "sqs":
                self._send_message(function, target, json.dumps(record), {})
            case "lambda":
                self._invoke_async(target, record)
            case "events":
                self._put_event(function, target, ending, record)
            case service:
                _log.error("destination %s: %s is not supported", target, service)

    def _put_event(self, function: FunctionConfiguration, bus: str, ending: Ending, record: dict[str, Any]) -> None:
        kind = "Success" if ending.result is Result.SUCCESS else "Failure"
        entry = {
            "Source": "lambda",
            "DetailType": f"Lambda Function Invocation Result - {kind}",
            "Detail": json.dumps(record),
            "EventBusName": bus,
            "Resources": [bus, f"{function.arn}:{function.version}"],
        }
        self._clients.client("events", function, bus.split(":")[3]).put_events(Entries=[entry])

    def _send_dead_letter(self, function: FunctionConfiguration, target: str, ending: Ending) -> None:
        error = json.loads(ending.outcome.payload) if ending.outcome else {"errorMessage": ending.result.value}
        attributes = {
            "RequestID": ending.invocation.request_id,
            "ErrorCode": "200",
            "ErrorMessage": str(error.get("errorMessage"))[:1024],
        }
        self._send_message(function, target, ending.invocation.payload.decode(), attributes)

    def _send_message(self, function: FunctionConfiguration, arn: str, body: str, attributes: dict[str, str]) -> None:
        *_, region, account, name = arn.split(":")
        client = self._clients.client("sqs", function, region)
        url = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
        typed = {
            key: {"DataType": "Number" if key == "ErrorCode" else "String", "StringValue": value}
            for key, value in attributes.items()
            if value
        }
        client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=typed)
