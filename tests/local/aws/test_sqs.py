"""Queues through real boto3 clients: delay, visibility, receive counts, redrive, groups and system attributes."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT
from transship.local.clock import ManualClock
from transship.local.stack import LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Stage:
    """A stack whose time only the test moves."""

    def __init__(self, aws: LocalAws, clock: ManualClock) -> None:
        self.aws, self.clock = aws, clock
        self.made: list[Any] = []
        self.sqs = self.client(SOURCE_ACCOUNT)

    def client(self, account: str) -> Any:
        keys = self.aws.administrator(account).for_boto3()
        client = boto3.client("sqs", region_name="us-east-1", endpoint_url=self.aws.endpoint_url, **keys)
        self.made.append(client)
        return client

    def receive(self, url: str, **options: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], **options
        ).get("Messages", [])
        return found


@pytest.fixture(name="stage", scope="module")
def _stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    clock = ManualClock(time.time())
    path: Path = tmp_path_factory.mktemp("aws")
    with LocalAws(path, clock=clock) as aws:
        stage = Stage(aws, clock)
        yield stage
        for client in stage.made:
            client.close()


def test_message_hidden_by_a_receiver_comes_back_when_its_time_is_over(stage: Stage) -> None:
    url = stage.sqs.create_queue(QueueName="hidden", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    stage.sqs.send_message(QueueUrl=url, MessageBody="m")

    [first] = stage.receive(url)
    stage.clock.advance(59)
    early = stage.receive(url)
    stage.clock.advance(2)
    [second] = stage.receive(url)
    stage.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=0)
    [third] = stage.receive(url)

    assert early == []
    assert [m["Attributes"]["ApproximateReceiveCount"] for m in (first, second, third)] == ["1", "2", "3"]
    assert first["Attributes"]["SentTimestamp"] == third["Attributes"]["SentTimestamp"]


@pytest.mark.parametrize("where", ["message", "queue"])
def test_delayed_message_is_not_there_before_its_time(stage: Stage, where: str) -> None:
    attributes = {"DelaySeconds": "900"} if where == "queue" else {}
    url = stage.sqs.create_queue(QueueName=f"delayed-{where}", Attributes=attributes)["QueueUrl"]
    delay = {"DelaySeconds": 900} if where == "message" else {}
    stage.sqs.send_message(QueueUrl=url, MessageBody="m", **delay)

    stage.clock.advance(899)
    early = stage.receive(url)
    stage.clock.advance(2)

    assert early == []
    assert len(stage.receive(url)) == 1


def test_message_received_too_often_goes_to_the_dead_letter_queue(stage: Stage) -> None:
    dead = stage.sqs.create_queue(QueueName="dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:{SOURCE_ACCOUNT}:dead", "maxReceiveCount": 2}
    attributes = {"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "0"}
    url = stage.sqs.create_queue(QueueName="poisoned", Attributes=attributes)["QueueUrl"]
    sent = stage.sqs.send_message(QueueUrl=url, MessageBody="poison")["MessageId"]

    counts = [len(stage.receive(url)) for _ in range(3)]

    assert counts == [1, 1, 0]
    assert [message["MessageId"] for message in stage.receive(dead)] == [sent]


def test_group_of_a_standard_queue_is_kept_and_orders_nothing(stage: Stage) -> None:
    url = stage.sqs.create_queue(QueueName="fair")["QueueUrl"]
    for body in "ab":
        stage.sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="tenant")

    messages = stage.receive(url) + stage.receive(url)

    assert {message["Body"] for message in messages} == {"a", "b"}
    assert {message["Attributes"]["MessageGroupId"] for message in messages} == {"tenant"}


def test_trace_header_is_passed_on(stage: Stage) -> None:
    url = stage.sqs.create_queue(QueueName="traced")["QueueUrl"]
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-67891233-abcdef012345678912345678"}}
    stage.sqs.send_message(QueueUrl=url, MessageBody="one", MessageSystemAttributes=trace)
    entry = {"Id": "1", "MessageBody": "two", "MessageSystemAttributes": trace}
    stage.sqs.send_message_batch(QueueUrl=url, Entries=[entry])

    received = {message["Body"]: message["Attributes"] for message in stage.receive(url)}

    sent = trace["AWSTraceHeader"]["StringValue"]
    assert {body: found["AWSTraceHeader"] for body, found in received.items()} == {"one": sent, "two": sent}


def test_sender_is_named(stage: Stage) -> None:
    url = stage.sqs.create_queue(QueueName="named")["QueueUrl"]
    stage.sqs.send_message(QueueUrl=url, MessageBody="m")

    [message] = stage.receive(url)

    assert message["Attributes"]["SenderId"].startswith("AIDA")
    assert (
        message["Attributes"]["SenderId"]
        == stage.aws.iam.resolve(stage.aws.administrator(SOURCE_ACCOUNT).access_key, "us-east-1").user_id
    )


def test_receivers_at_once_share_the_messages(stage: Stage) -> None:
    url = stage.sqs.create_queue(QueueName="shared")["QueueUrl"]
    for number in range(5):
        entries = [{"Id": str(n), "MessageBody": f"{number}-{n}"} for n in range(10)]
        stage.sqs.send_message_batch(QueueUrl=url, Entries=entries)

    with ThreadPoolExecutor(8) as threads:
        taken = [m for found in threads.map(lambda _: stage.receive(url), range(16)) for m in found]

    assert len(taken) == 50
    assert len({message["MessageId"] for message in taken}) == 50


def test_waiting_receiver_gets_a_message_at_once(stage: Stage) -> None:
    url = stage.sqs.create_queue(QueueName="waited")["QueueUrl"]
    got: list[float] = []

    def wait() -> None:
        assert stage.receive(url, WaitTimeSeconds=10)
        got.append(time.perf_counter())

    waiting = threading.Thread(target=wait)
    waiting.start()
    sent = time.perf_counter()
    stage.sqs.send_message(QueueUrl=url, MessageBody="m")
    waiting.join()

    assert got[0] - sent < 1


def test_changing_one_attribute_leaves_the_policy(stage: Stage) -> None:
    url = stage.sqs.create_queue(QueueName="guarded")["QueueUrl"]
    statement = {"Effect": "Deny", "Principal": "*", "Action": "sqs:PurgeQueue", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    stage.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})

    stage.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7"})
    kept = stage.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    stage.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    gone = stage.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    assert (kept["VisibilityTimeout"], kept["Policy"], gone.get("Policy", "")) == ("7", policy, "")


def test_queue_of_another_account_needs_its_policy(stage: Stage) -> None:
    url = stage.sqs.create_queue(QueueName="theirs")["QueueUrl"]
    other = stage.client(OTHER_ACCOUNT)

    with pytest.raises(other.exceptions.ClientError, match="not authorized to perform: sqs:"):
        other.send_message(QueueUrl=url, MessageBody="m")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": OTHER_ACCOUNT},
        "Action": "sqs:SendMessage",
        "Resource": f"arn:aws:sqs:us-east-1:{SOURCE_ACCOUNT}:theirs",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    stage.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    other.send_message(QueueUrl=url, MessageBody="from afar")

    assert [message["Body"] for message in stage.receive(url)] == ["from afar"]
