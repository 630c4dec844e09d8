"""
The world around the local stage, as an operator would find or make it: registries that replicate, and a subscriber.

    111122223333/us-east-1   the source: images are pushed here
      ├─ every repository ─────▶ 111122223333/eu-west-1, 111122223333/ap-southeast-2
      └─ team/ and vendor/ ────▶ 444455556666/us-east-1, 444455556666/eu-central-1
                                 which let the source replicate to them, and confirm read images back
    bus transship-<stage> ─────▶ a bus of 444455556666 ─▶ a queue of its own: a team downstream

Everything is set up by calls that the same person would make on AWS, with the rights of each account's administrator,
and with the policy documents that `transship policy` prints.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Protocol

from chalicelib.access.documents import accept_replicas, read_back_policy, trust_policy
from chalicelib.oci.reference import Registry
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT

HOME: Final = "us-east-1"
"""Region of the source registry and of the deployment."""

SOURCE: Final = (SOURCE_ACCOUNT, HOME)
OWN_REPLICAS: Final = ((SOURCE_ACCOUNT, "eu-west-1"), (SOURCE_ACCOUNT, "ap-southeast-2"))
OTHER_REPLICAS: Final = ((OTHER_ACCOUNT, "us-east-1"), (OTHER_ACCOUNT, "eu-central-1"))
REGISTRIES: Final = (SOURCE, *OWN_REPLICAS, *OTHER_REPLICAS)
"""Account and Region of every registry, the source first."""

SHARED_PREFIXES: Final = ("team/", "vendor/")
"""Repositories that the other account receives too."""

READ_BACK_ROLE: Final = "transship-local-read-back"
EXTERNAL_ID: Final = "transship-local"
"""`.chalice/config.json` names both to the local stage."""

SUBSCRIBER: Final = "downstream"
_PARTITION: Final = "aws"


class Clients(Protocol):
    """Makes boto3 clients with the rights of an account's administrator."""

    def __call__(self, service: str, account: str, region: str = HOME) -> Any:
        """Return a client for *service*."""


def configure_replication(clients: Clients) -> None:
    """Let the source replicate to the four destinations, and the other account's accept it (ecr.md section 4)."""
    for account, region in OTHER_REPLICAS:
        policy = accept_replicas(
            Registry(account, region), SOURCE_ACCOUNT, partition=_PARTITION, prefixes=SHARED_PREFIXES
        )
        clients("ecr", account, region).put_registry_policy(policyText=json.dumps(policy))
    rules = [
        {"destinations": _destinations(OWN_REPLICAS)},
        {
            "destinations": _destinations(OTHER_REPLICAS),
            "repositoryFilters": [{"filter": prefix, "filterType": "PREFIX_MATCH"} for prefix in SHARED_PREFIXES],
        },
    ]
    clients("ecr", *SOURCE).put_replication_configuration(replicationConfiguration={"rules": rules})


def _destinations(registries: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"registryId": account, "region": region} for account, region in registries]


def grant_read_back(clients: Clients, *readers: str) -> None:
    """Create the role in the other account by which *readers* read images back, or have that very role judged."""
    iam = clients("iam", OTHER_ACCOUNT)
    trust = trust_policy(readers, EXTERNAL_ID)
    iam.create_role(RoleName=READ_BACK_ROLE, AssumeRolePolicyDocument=json.dumps(trust))
    repositories = [f"arn:{_PARTITION}:ecr:{region}:{account}:repository/*" for account, region in OTHER_REPLICAS]
    rights = read_back_policy(repositories, role=f"arn:{_PARTITION}:iam::{OTHER_ACCOUNT}:role/{READ_BACK_ROLE}")
    iam.put_role_policy(RoleName=READ_BACK_ROLE, PolicyName="read-images-back", PolicyDocument=json.dumps(rights))


@dataclass(frozen=True, slots=True)
class Subscriber:
    """The queue in which a team in the other account finds the events of Transship."""

    sqs: Any
    queue_url: str

    def receive(self, wait_seconds: int) -> list[dict[str, Any]]:
        """Return up to 10 events that arrived, at once or within *wait_seconds* (0 to 20), and take them off."""
        answer = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds)
        messages = answer.get("Messages", [])
        if messages:
            receipts = [message["ReceiptHandle"] for message in messages]
            entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts)]
            self.sqs.delete_message_batch(QueueUrl=self.queue_url, Entries=entries)
        return [json.loads(message["Body"]) for message in messages]


def subscribe(clients: Clients, bus_arn: str) -> Subscriber:
    """Forward the events of Transship from *bus_arn* to a bus and a queue of the other account (ecr.md 5.2)."""
    subscriber = _create_subscriber(clients)
    role_arn = _create_forwarding_role(clients, _subscriber_bus_arn())
    events = clients("events", SOURCE_ACCOUNT)
    bus = bus_arn.rpartition("/")[2]
    events.put_rule(Name=SUBSCRIBER, EventBusName=bus, EventPattern=json.dumps({"source": ["transship"]}))
    events.put_targets(
        Rule=SUBSCRIBER,
        EventBusName=bus,
        Targets=[{"Id": SUBSCRIBER, "Arn": _subscriber_bus_arn(), "RoleArn": role_arn}],
    )
    return subscriber


def _create_subscriber(clients: Clients) -> Subscriber:
    events, sqs = clients("events", OTHER_ACCOUNT), clients("sqs", OTHER_ACCOUNT)
    events.create_event_bus(Name=SUBSCRIBER)
    may_send = _policy(
        Sid=SUBSCRIBER,
        Principal={"AWS": f"arn:{_PARTITION}:iam::{SOURCE_ACCOUNT}:root"},
        Action="events:PutEvents",
        Resource=_subscriber_bus_arn(),
    )
    events.put_permission(EventBusName=SUBSCRIBER, Policy=json.dumps(may_send))
    pattern = {"account": [SOURCE_ACCOUNT], "source": ["transship"]}
    rule = events.put_rule(Name=SUBSCRIBER, EventBusName=SUBSCRIBER, EventPattern=json.dumps(pattern))
    queue_arn = f"arn:{_PARTITION}:sqs:{HOME}:{OTHER_ACCOUNT}:{SUBSCRIBER}"
    may_deliver = _policy(
        Principal={"Service": "events.amazonaws.com"},
        Action="sqs:SendMessage",
        Resource=queue_arn,
        Condition={"ArnEquals": {"aws:SourceArn": rule["RuleArn"]}},
    )
    queue = sqs.create_queue(QueueName=SUBSCRIBER, Attributes={"Policy": json.dumps(may_deliver)})
    events.put_targets(Rule=SUBSCRIBER, EventBusName=SUBSCRIBER, Targets=[{"Id": SUBSCRIBER, "Arn": queue_arn}])
    return Subscriber(sqs, queue["QueueUrl"])


def _subscriber_bus_arn() -> str:
    return f"arn:{_PARTITION}:events:{HOME}:{OTHER_ACCOUNT}:event-bus/{SUBSCRIBER}"


def _create_forwarding_role(clients: Clients, target_bus_arn: str) -> str:
    """Return the ARN of the role with which EventBridge puts events on a bus of another account."""
    iam = clients("iam", SOURCE_ACCOUNT)
    trust = _policy(Principal={"Service": "events.amazonaws.com"}, Action="sts:AssumeRole")
    name = f"transship-events-to-{SUBSCRIBER}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    rights = _policy(Action="events:PutEvents", Resource=target_bus_arn)
    iam.put_role_policy(RoleName=name, PolicyName="put-events", PolicyDocument=json.dumps(rights))
    arn: str = role["Role"]["Arn"]
    return arn


def _policy(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}
