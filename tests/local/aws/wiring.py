"""Rules, buses and the queues that they fill, through boto3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from transship.local.accounts import SOURCE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable

    Clients = Callable[..., Any]


class Heard:
    """A queue that EventBridge may send to, and what came."""

    def __init__(self, sqs: Any, name: str, *, account: str, region: str, open_to_events: bool = True) -> None:
        self.sqs, self.url = sqs, sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{region}:{account}:{name}"
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        if open_to_events:
            sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": json.dumps(policy)})

    def messages(self) -> list[dict[str, Any]]:
        found = []
        while got := self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in got:
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                found.append(message)
        return found

    def bodies(self) -> list[Any]:
        return [json.loads(message["Body"]) for message in self.messages()]


class Wiring:
    """Buses, rules and queues of one test, named after it."""

    def __init__(self, clients: Clients, name: str) -> None:
        self.clients, self.name, self.count = clients, name, 0

    def queue(self, *, account: str = SOURCE_ACCOUNT, region: str = "us-east-1", **options: Any) -> Heard:
        self.count += 1
        sqs = self.clients("sqs", account=account, region=region)
        return Heard(sqs, f"{self.name}-{self.count}", account=account, region=region, **options)

    def rule(self, pattern: Any, target: dict[str, Any], *, bus: str = "default", **where: Any) -> str:
        self.count += 1
        events, name = self.clients("events", **where), f"{self.name}-{self.count}"
        arn = events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))["RuleArn"]
        events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "t", **target}])
        return str(arn)

    def put(self, detail: Any = None, *, bus: str = "default", **entry: Any) -> dict[str, Any]:
        whole = {"Source": self.name, "DetailType": "Thing", "Detail": json.dumps(detail or {}), "EventBusName": bus}
        answer: dict[str, Any] = self.clients("events").put_events(Entries=[{**whole, **entry}])
        return answer
