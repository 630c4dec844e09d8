"""The queues between the steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from chalicelib.aws.failures import aws_call
from chalicelib.aws.session import Session
from chalicelib.names import queue_name
from chalicelib.ports.queue import DeadLetter

_LONGEST_GROUP: Final = 128  # characters of a MessageGroupId (SQS API Reference)
_LOOK_SECONDS: Final = 60  # a dead letter that was read and not buried comes back after so long


class SqsQueues:
    """
    The queues of one stage; implements `Queue`.

    Args:
        session: Makes the client.
        stage: Names the queues.
    """

    def __init__(self, session: Session, stage: str) -> None:
        self._session = session
        self._stage = stage
        self._urls: dict[str, str] = {}

    def send(self, queue: str, body: Mapping[str, Any], *, delay: int = 0, group: str = "") -> None:
        """Send *body* to be delivered after *delay* seconds (0 to 900); *group* keeps tenants apart."""
        fair = {"MessageGroupId": _group(group)} if group else {}
        url = self._url(queue_name(self._stage, queue))
        with aws_call("sqs:SendMessage", queue):
            self._client.send_message(QueueUrl=url, MessageBody=json.dumps(body), DelaySeconds=delay, **fair)

    def dead_letters(self, queue: str) -> Sequence[DeadLetter]:
        """Take up to 10 messages from the queue's dead-letter queue; they come back unless `bury` follows."""
        with aws_call("sqs:ReceiveMessage", queue):
            answer = self._client.receive_message(
                QueueUrl=self._dead(queue), MaxNumberOfMessages=10, VisibilityTimeout=_LOOK_SECONDS
            )
        return [DeadLetter(queue, message["Body"], message["ReceiptHandle"]) for message in answer.get("Messages", ())]

    def bury(self, letter: DeadLetter) -> None:
        """Delete a dead letter that was dealt with."""
        with aws_call("sqs:DeleteMessage", letter.queue):
            self._client.delete_message(QueueUrl=self._dead(letter.queue), ReceiptHandle=letter.receipt)

    def keep_invisible(self, queue: str, receipt: str, seconds: float) -> None:
        """Let the message of *receipt* come back after *seconds* from now unless it is deleted before."""
        url = self._url(queue_name(self._stage, queue))
        with aws_call("sqs:ChangeMessageVisibility", queue):
            self._client.change_message_visibility(
                QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=max(0, round(seconds))
            )

    def _dead(self, queue: str) -> str:
        return self._url(f"{queue_name(self._stage, queue)}-dead")

    def _url(self, name: str) -> str:
        if name not in self._urls:
            with aws_call("sqs:GetQueueUrl", name):
                self._urls[name] = self._client.get_queue_url(QueueName=name)["QueueUrl"]
        return self._urls[name]

    @property
    def _client(self) -> Any:
        return self._session.client("sqs")


def _group(name: str) -> str:
    """Return what SQS takes for the group *name*: a tenant's name may be twice as long (ecr.md 1.0)."""
    return name if len(name) <= _LONGEST_GROUP else hashlib.sha256(name.encode()).hexdigest()
