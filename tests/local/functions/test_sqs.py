"""Messages of real queues reach real functions, and come back when those fail."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from transship.local.accounts import SOURCE_ACCOUNT

if TYPE_CHECKING:
    from tests.local.functions.conftest import Deployment, LogLines
    from transship.local.clock import ManualClock

PRINT_EVENT = """
import json
def handler(event, context):
    print("event", json.dumps(event))
"""

FAIL_ON_BAD = """
import time
def handler(event, context):
    for record in event["Records"]:
        print("got", record["body"], record["attributes"]["ApproximateReceiveCount"])
        if record["body"] == "bad":
            raise ValueError("bad")
"""


def test_record_has_the_shape_of_lambda(deployment: Deployment, log: LogLines, clock: ManualClock) -> None:
    url, arn = deployment.queue("shape")
    deployment.function("shape", PRINT_EVENT)
    deployment.mapping(arn, "shape", BatchSize=1)
    attributes = {
        "text": {"DataType": "String", "StringValue": "t"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }

    sent = deployment.client("sqs").send_message(
        QueueUrl=url, MessageBody="body", MessageAttributes=attributes, MessageGroupId="tenant"
    )

    record = json.loads(log.wait_for("shape", "event")[0].removeprefix("event "))["Records"][0]
    system = record.pop("attributes")
    assert len(record.pop("receiptHandle")) > 20
    assert record == {
        "messageId": sent["MessageId"],
        "body": "body",
        "md5OfBody": sent["MD5OfMessageBody"],
        "md5OfMessageAttributes": sent["MD5OfMessageAttributes"],
        "messageAttributes": {
            "text": {"dataType": "String", "stringValue": "t", "stringListValues": [], "binaryListValues": []},
            "bytes": {
                "dataType": "Binary",
                "binaryValue": base64.b64encode(b"\x00\xff").decode(),
                "stringListValues": [],
                "binaryListValues": [],
            },
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "us-east-1",
    }
    assert (system["ApproximateReceiveCount"], system["MessageGroupId"]) == ("1", "tenant")
    assert int(system["SentTimestamp"]) == int(clock.now() * 1000)
    assert {"SenderId", "ApproximateFirstReceiveTimestamp"} <= system.keys()
    deployment.until(lambda: deployment.messages(url) == (0, 0))


def test_function_without_the_right_to_receive_gets_nothing(
    deployment: Deployment, log: LogLines, caplog: pytest.LogCaptureFixture
) -> None:
    url, arn = deployment.queue("forbidden")
    deployment.function("forbidden", PRINT_EVENT, actions=["sqs:DeleteMessage"])
    deployment.mapping(arn, "forbidden")
    deployment.client("sqs").send_message(QueueUrl=url, MessageBody="m")
    role = f"arn:aws:sts::{SOURCE_ACCOUNT}:assumed-role/role-forbidden/forbidden"
    deployment.until(lambda: f"User: {role} is not authorized to perform: sqs:ReceiveMessage" in caplog.text)
    assert deployment.messages(url) == (1, 0)

    policy = {"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": arn}
    deployment.client("iam").put_role_policy(
        RoleName="role-forbidden",
        PolicyName="more",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [policy]}),
    )

    log.wait_for("forbidden", "event")


def test_failed_message_comes_back_and_ends_in_the_dead_letter_queue(
    deployment: Deployment, log: LogLines, clock: ManualClock
) -> None:
    dead_url, dead_arn = deployment.queue("poison-dead")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 3})
    url, arn = deployment.queue("poison", VisibilityTimeout="30", RedrivePolicy=redrive)
    deployment.function("poison", FAIL_ON_BAD)
    deployment.mapping(arn, "poison", BatchSize=1)

    deployment.client("sqs").send_message(QueueUrl=url, MessageBody="bad")
    deployment.client("sqs").send_message(QueueUrl=url, MessageBody="good")
    for count in (1, 2, 3):
        log.wait_for("poison", f"got bad {count}")
        deployment.until_at_rest()
        assert deployment.messages(url) == (0, 1)
        clock.advance(31)

    deployment.until(lambda: deployment.messages(dead_url) == (1, 0))
    assert deployment.messages(url) == (0, 0)
    assert log.wait_for("poison", "got bad") == ["got bad 1", "got bad 2", "got bad 3"]
    assert log.wait_for("poison", "got good") == ["got good 1"]


PARTIAL = """
def handler(event, context):
    print("batch", sorted(record["body"] for record in event["Records"]))
    failed = [r["messageId"] for r in event["Records"] if r["body"] == "bad"]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
"""


def test_only_reported_failures_of_a_batch_come_back(deployment: Deployment, log: LogLines, clock: ManualClock) -> None:
    url, arn = deployment.queue("partial", VisibilityTimeout="30")
    deployment.function("partial", PARTIAL)
    uuid = deployment.mapping(
        arn,
        "partial",
        BatchSize=3,
        MaximumBatchingWindowInSeconds=5,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )

    entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(("one", "bad", "two"))]
    deployment.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)

    log.wait_for("partial", "batch ['bad', 'one', 'two']")
    deployment.until_at_rest()
    assert deployment.messages(url) == (0, 1)
    clock.advance(31)
    until_window_runs(deployment, uuid)
    clock.advance(5)
    log.wait_for("partial", "batch ['bad']")


def until_window_runs(deployment: Deployment, uuid: str) -> None:
    """Wait until the poller has seen the first message of a batch."""
    sources = deployment.aws.functions.poller._sources
    deployment.until(lambda: uuid in sources and sources[uuid]._first_seen is not None)


def test_window_lets_a_batch_fill(deployment: Deployment, log: LogLines, clock: ManualClock) -> None:
    url, arn = deployment.queue("window")
    deployment.function("window", PARTIAL)
    uuid = deployment.mapping(arn, "window", BatchSize=10, MaximumBatchingWindowInSeconds=20)

    for body in "abc":
        deployment.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    until_window_runs(deployment, uuid)
    assert deployment.messages(url) == (3, 0)
    clock.advance(20)

    assert log.wait_for("window", "batch") == ["batch ['a', 'b', 'c']"]


OVERLAP = """
import time
def handler(event, context):
    print("enter", time.monotonic(), flush=True)
    time.sleep(0.15)
    print("leave", time.monotonic(), flush=True)
"""


def overlap(log: LogLines, function: str, count: int) -> int:
    """Return how many invocations of *function* ran at once, at most."""
    lines = log.wait_for(function, "leave", count=count) + log.wait_for(function, "enter", count=count)
    moments = sorted((float(line.split()[1]), line.split()[0] == "enter") for line in lines)
    running = peak = 0
    for _, entered in moments:
        running += 1 if entered else -1
        peak = max(peak, running)
    return peak


@pytest.mark.parametrize(("settings", "most"), [({"ScalingConfig": {"MaximumConcurrency": 2}}, 2), ({}, 5)])
def test_batches_in_flight_are_limited(
    deployment: Deployment, log: LogLines, settings: dict[str, Any], most: int
) -> None:
    name = f"overlap-{most}"
    url, arn = deployment.queue(name)
    deployment.function(name, OVERLAP)
    entries = [{"Id": str(index), "MessageBody": "m"} for index in range(8)]
    deployment.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)

    deployment.mapping(arn, name, BatchSize=1, **settings)

    assert overlap(log, name, 8) == most


def test_reserved_concurrency_holds_batches_back_without_losing_them(deployment: Deployment, log: LogLines) -> None:
    url, arn = deployment.queue("reserved")
    deployment.function("reserved", OVERLAP)
    deployment.client("lambda").put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=1)
    entries = [{"Id": str(index), "MessageBody": "m"} for index in range(4)]
    deployment.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)

    deployment.mapping(arn, "reserved", BatchSize=1)

    assert overlap(log, "reserved", 4) == 1
    deployment.until(lambda: deployment.messages(url) == (0, 0))


def test_mapping_is_followed_while_it_changes(deployment: Deployment, log: LogLines) -> None:
    url, arn = deployment.queue("changing")
    deployment.function("changing", FAIL_ON_BAD)
    uuid = deployment.mapping(arn, "changing", Enabled=False)
    sqs, functions = deployment.client("sqs"), deployment.client("lambda")

    sqs.send_message(QueueUrl=url, MessageBody="first")
    assert deployment.messages(url) == (1, 0)
    functions.update_event_source_mapping(UUID=uuid, Enabled=True)
    log.wait_for("changing", "got first")
    deployment.until(lambda: deployment.messages(url) == (0, 0))
    functions.delete_event_source_mapping(UUID=uuid)
    sqs.send_message(QueueUrl=url, MessageBody="second")

    assert deployment.aws.functions.poller.in_flight() == 0
    assert deployment.messages(url) == (1, 0)


def test_delayed_message_waits_for_its_time(deployment: Deployment, log: LogLines, clock: ManualClock) -> None:
    url, arn = deployment.queue("delayed")
    deployment.function("delayed", FAIL_ON_BAD)
    deployment.mapping(arn, "delayed")

    deployment.client("sqs").send_message(QueueUrl=url, MessageBody="later", DelaySeconds=10)
    clock.advance(9)
    deployment.client("sqs").send_message(QueueUrl=url, MessageBody="at once")
    assert log.wait_for("delayed", "got") == ["got at once 1"]
    clock.advance(1.1)

    log.wait_for("delayed", "got later")


def test_queue_must_hide_messages_longer_than_the_function_runs(deployment: Deployment) -> None:
    _, arn = deployment.queue("short", VisibilityTimeout="5")
    deployment.function("slow", FAIL_ON_BAD, Timeout=6)

    with pytest.raises(ClientError, match="Queue visibility timeout: 5 seconds is less than Function timeout: 6"):
        deployment.mapping(arn, "slow")


def test_second_mapping_of_the_same_pair_is_refused(deployment: Deployment) -> None:
    _, arn = deployment.queue("pair")
    deployment.function("pair", FAIL_ON_BAD)
    deployment.mapping(arn, "pair")

    with pytest.raises(ClientError) as refused:
        deployment.mapping(arn, "pair")

    assert refused.value.response["Error"]["Code"] == "ResourceConflictException"


HANG_ONCE = """
import time
def handler(event, context):
    count = event["Records"][0]["attributes"]["ApproximateReceiveCount"]
    print("got", count)
    if count == "1":
        time.sleep(60)
"""


def test_killed_function_gets_its_message_again_in_a_new_process(
    deployment: Deployment, log: LogLines, clock: ManualClock
) -> None:
    url, arn = deployment.queue("killed", VisibilityTimeout="30")
    deployment.function("killed", HANG_ONCE)
    deployment.mapping(arn, "killed", BatchSize=1)
    deployment.client("sqs").send_message(QueueUrl=url, MessageBody="m")
    log.wait_for("killed", "got 1")

    assert deployment.aws.functions.kill("killed") == 1
    deployment.until_at_rest()
    assert deployment.messages(url) == (0, 1)
    clock.advance(31)

    log.wait_for("killed", "got 2")
    deployment.until_at_rest()
    assert deployment.messages(url) == (0, 0)
    first, second = deployment.aws.functions.invocations(function="killed")
    assert first.outcome.error_type == "Runtime.ExitError"
    assert second.outcome.function_error is None
