"""Dead letters go back to where they died, as an operator sends them after the cause is mended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from transship.local.accounts import SOURCE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable

    from transship.local.stack import LocalAws

    Clients = Callable[..., Any]

BODIES = ["one", "two"]


def arn(name: str) -> str:
    return f"arn:aws:sqs:us-east-1:{SOURCE_ACCOUNT}:{name}"


class Queues:
    """Two queues that share a dead-letter queue, each with a message that died in it."""

    def __init__(self, sqs: Any, name: str) -> None:
        self.sqs = sqs
        self.dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        self.arn = arn(f"{name}-dead")
        redrive = json.dumps({"deadLetterTargetArn": self.arn, "maxReceiveCount": 1})
        settings = {"RedrivePolicy": redrive, "VisibilityTimeout": "0"}
        self.urls = [sqs.create_queue(QueueName=f"{name}-{body}", Attributes=settings)["QueueUrl"] for body in BODIES]
        for url, body in zip(self.urls, BODIES, strict=True):
            sqs.send_message(QueueUrl=url, MessageBody=body)
            assert len(self.received(url)) == 1
            assert self.received(url) == [], "the second time it dies"

    def received(self, url: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageSystemAttributeNames=["All"]
        ).get("Messages", [])
        return found

    def tasks(self, most: int = 10) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sqs.list_message_move_tasks(SourceArn=self.arn, MaxResults=most)["Results"]
        return found


@pytest.fixture(name="queues")
def _queues(clients: Clients, request: pytest.FixtureRequest) -> Queues:
    return Queues(clients("sqs"), f"moves-{abs(hash(request.node.name))}")


def test_each_message_goes_back_to_the_queue_that_it_died_in(queues: Queues) -> None:
    assert queues.sqs.start_message_move_task(SourceArn=queues.arn)["TaskHandle"]

    assert queues.received(queues.dead) == []
    for url, body in zip(queues.urls, BODIES, strict=True):
        [message] = queues.received(url)
        assert (message["Body"], message["Attributes"]["ApproximateReceiveCount"]) == (body, "1")
    [task] = queues.tasks()
    assert task["Status"] == "COMPLETED"
    assert (task["ApproximateNumberOfMessagesMoved"], task["ApproximateNumberOfMessagesToMove"]) == (2, 2)


def test_message_that_dies_again_can_go_back_again(queues: Queues) -> None:
    for _ in range(2):
        queues.sqs.start_message_move_task(SourceArn=queues.arn)
        for url in queues.urls:
            queues.received(url)
            assert queues.received(url) == []

    assert len(queues.received(queues.dead)) == 2
    assert len(queues.tasks()) == 2
    assert len(queues.tasks(1)) == 1


def test_all_go_to_the_destination_that_is_named(queues: Queues) -> None:
    elsewhere = queues.sqs.create_queue(QueueName="moves-elsewhere")["QueueUrl"]

    queues.sqs.start_message_move_task(
        SourceArn=queues.arn, DestinationArn=arn("moves-elsewhere"), MaxNumberOfMessagesPerSecond=500
    )

    assert sorted(message["Body"] for message in queues.received(elsewhere)) == BODIES
    assert queues.tasks()[0]["DestinationArn"] == arn("moves-elsewhere")


def test_message_that_died_in_no_queue_stays_and_fails_the_task(queues: Queues) -> None:
    queues.sqs.send_message(QueueUrl=queues.dead, MessageBody="sent here")

    queues.sqs.start_message_move_task(SourceArn=queues.arn)

    assert [message["Body"] for message in queues.received(queues.dead)] == ["sent here"]
    task = queues.tasks()[0]
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"SourceArn": arn("no-such-queue")}, "ResourceNotFoundException"),
        ({"SourceArn": "nonsense"}, "ResourceNotFoundException"),
        ({"SourceArn": arn("moves-alone")}, "InvalidParameterValue"),
        ({"DestinationArn": arn("no-such-queue")}, "ResourceNotFoundException"),
        ({"DestinationArn": arn("moves-ordered.fifo")}, "InvalidParameterValue"),
        ({"MaxNumberOfMessagesPerSecond": 501}, "InvalidParameterValue"),
    ],
    ids=["unknown", "no-arn", "no-dead-letter-queue", "unknown-destination", "other-kind", "too-fast"],
)
def test_move_that_cannot_be_is_refused(queues: Queues, arguments: dict[str, Any], code: str) -> None:
    queues.sqs.create_queue(QueueName="moves-alone")
    queues.sqs.create_queue(QueueName="moves-ordered.fifo", Attributes={"FifoQueue": "true"})

    with pytest.raises(ClientError) as refused:
        queues.sqs.start_message_move_task(**{"SourceArn": queues.arn, **arguments})

    assert code in refused.value.response["Error"]["Code"]
    assert len(queues.received(queues.dead)) == 2


def test_ended_task_cannot_be_cancelled(queues: Queues) -> None:
    handle = queues.sqs.start_message_move_task(SourceArn=queues.arn)["TaskHandle"]

    with pytest.raises(ClientError, match="UnsupportedOperation"):
        queues.sqs.cancel_message_move_task(TaskHandle=handle)
    with pytest.raises(queues.sqs.exceptions.ResourceNotFoundException):
        queues.sqs.cancel_message_move_task(TaskHandle="none")


RIGHTS = {
    "sqs:StartMessageMoveTask": "dead",
    "sqs:ReceiveMessage": "dead",
    "sqs:DeleteMessage": "dead",
    "sqs:GetQueueAttributes": "dead",
    "sqs:SendMessage": "one",
}


@pytest.mark.parametrize("missing", [None, *RIGHTS])
def test_mover_needs_the_rights_of_both_ends(
    aws: LocalAws, clients: Clients, queues: Queues, missing: str | None
) -> None:
    iam = clients("iam")
    name = f"mover-{missing}".replace(":", "-")
    iam.create_user(UserName=name)
    prefix = queues.arn.removesuffix("dead")
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": f"{prefix}{'dead' if end == 'dead' else '*'}"}
        for action, end in RIGHTS.items()
        if action != missing
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="move", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    sqs = boto3.client(
        "sqs",
        region_name="us-east-1",
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )

    if missing:
        with pytest.raises(ClientError, match=missing):
            sqs.start_message_move_task(SourceArn=queues.arn)
    else:
        assert sqs.start_message_move_task(SourceArn=queues.arn)["TaskHandle"]
    sqs.close()
