"""Asynchronous events: retries by the clock, destinations, dead letters, age and throttling."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from transship.local.clock import ManualClock

if TYPE_CHECKING:
    from tests.local.functions.conftest import Deployment, LogLines


FAIL = """
import os
def handler(event, context):
    print("run", context.aws_request_id, event["n"])
    if event["n"] < 0:
        raise ValueError("negative")
    return {"double": event["n"] * 2}
"""


SENDING = ("sqs:SendMessage", "sqs:GetQueueUrl")


def receive(deployment: Deployment, url: str) -> dict[str, Any]:
    """Return the next message of a queue."""
    deployment.until(lambda: deployment.messages(url)[0] > 0)
    answer = deployment.client("sqs").receive_message(QueueUrl=url, MessageAttributeNames=["All"])
    return dict(answer["Messages"][0])


def send(deployment: Deployment, name: str, number: int) -> str:
    answer, payload = deployment.invoke(name, {"n": number}, InvocationType="Event")
    assert (answer["StatusCode"], payload) == (202, None)
    return str(answer["ResponseMetadata"]["RequestId"])


def test_failed_event_is_tried_twice_more_then_goes_to_both_ends(
    deployment: Deployment, log: LogLines, clock: ManualClock
) -> None:
    failures_url, failures_arn = deployment.queue("failures")
    dead_url, dead_arn = deployment.queue("dead")
    deployment.function("retried", FAIL, actions=SENDING, DeadLetterConfig={"TargetArn": dead_arn})
    functions = deployment.client("lambda")
    functions.put_function_event_invoke_config(
        FunctionName="retried", DestinationConfig={"OnFailure": {"Destination": failures_arn}}
    )
    assert functions.get_function(FunctionName="retried")["Configuration"]["DeadLetterConfig"] == {
        "TargetArn": dead_arn
    }

    request_id = send(deployment, "retried", -1)
    for count, delay in enumerate((60, 120), start=1):
        log.wait_for("retried", "REPORT", count=count)
        until_scheduled(deployment)
        clock.advance(delay - 1)
        assert len(log.wait_for("retried", "run", count=count)) == count
        clock.advance(1)
    runs = log.wait_for("retried", "run", count=3)

    assert runs == [f"run {request_id} -1"] * 3
    record = json.loads(receive(deployment, failures_url)["Body"])
    assert record["requestContext"]["requestId"] == request_id
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestPayload"] == {"n": -1}
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorType"] == "ValueError"
    letter = receive(deployment, dead_url)
    assert json.loads(letter["Body"]) == {"n": -1}
    assert letter["MessageAttributes"]["RequestID"]["StringValue"] == request_id
    assert letter["MessageAttributes"]["ErrorMessage"]["StringValue"] == "negative"


def until_scheduled(deployment: Deployment) -> None:
    """Wait until the retry of a failed event is in the timer."""
    deployment.until(lambda: bool(deployment.aws.functions._timer._heap))


def test_success_goes_to_its_destination(deployment: Deployment) -> None:
    url, arn = deployment.queue("successes")
    deployment.function("succeeds", FAIL, actions=SENDING)
    deployment.client("lambda").put_function_event_invoke_config(
        FunctionName="succeeds", DestinationConfig={"OnSuccess": {"Destination": arn}}
    )

    send(deployment, "succeeds", 4)

    record = json.loads(receive(deployment, url)["Body"])
    assert (record["requestContext"]["condition"], record["responsePayload"]) == ("Success", {"double": 8})


def test_event_too_old_for_a_retry_is_given_up(deployment: Deployment, log: LogLines, clock: ManualClock) -> None:
    url, arn = deployment.queue("aged")
    deployment.function("aged", FAIL, actions=SENDING)
    functions = deployment.client("lambda")
    for maximum in (3600, 60):  # the second setting replaces the first
        functions.put_function_event_invoke_config(
            FunctionName="aged",
            MaximumEventAgeInSeconds=maximum,
            DestinationConfig={"OnFailure": {"Destination": arn}},
        )
    functions.put_function_event_invoke_config(
        FunctionName="aged",
        MaximumEventAgeInSeconds=61,
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )

    send(deployment, "aged", -1)
    log.wait_for("aged", "REPORT")
    until_scheduled(deployment)
    clock.advance(60)
    record = json.loads(receive(deployment, url)["Body"])

    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert len(log.wait_for("aged", "run")) == 2


def test_throttled_event_waits_for_concurrency(deployment: Deployment, log: LogLines, clock: ManualClock) -> None:
    deployment.function("throttled", FAIL)
    functions = deployment.client("lambda")
    functions.put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=0)
    send(deployment, "throttled", 1)
    until_scheduled(deployment)

    with pytest.raises(functions.exceptions.TooManyRequestsException) as refused:
        deployment.invoke("throttled", {"n": 1})
    functions.put_function_concurrency(FunctionName="throttled", ReservedConcurrentExecutions=1)
    clock.advance(1)

    assert refused.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    log.wait_for("throttled", "run")
