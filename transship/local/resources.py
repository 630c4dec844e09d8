"""Owners and policies of moto's buckets, queues and buses, where a resource can be another account's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import lambda_backends
from moto.events.models import events_backends
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends

if TYPE_CHECKING:
    from moto.events.models import EventBus
    from moto.s3.models import FakeBucket
    from moto.sqs.models import Queue

PARTITION = "aws"


def bucket_owner(name: str) -> str | None:
    """Return the account that owns the bucket; None if there is no such bucket."""
    place = s3_backends.bucket_accounts.get(name)
    return place[1] if place else None


def find_bucket(name: str) -> FakeBucket | None:
    """Return the bucket, whoever owns it; None if there is no such bucket."""
    owner = bucket_owner(name)
    return s3_backends[owner][PARTITION].buckets.get(name) if owner else None


def find_queue(arn: str) -> Queue | None:
    """Return the queue of *arn*; None if there is no such queue."""
    _, _, _, region, account, name = arn.split(":", 5)
    if account not in sqs_backends or region not in sqs_backends[account]:
        return None
    return sqs_backends[account][region].queues.get(name)


def find_bus(arn: str) -> EventBus | None:
    """Return the event bus of *arn*; None if there is no such bus."""
    _, _, _, region, account, resource = arn.split(":", 5)
    if region not in events_backends[account]:
        return None
    return events_backends[account][region].event_buses.get(resource.removeprefix("event-bus/"))


def creator_of(rule_arn: str) -> str | None:
    """Return the account that made a rule (`…:rule/<bus>/<name>`, `…:rule/<name>`); None if there is no such rule."""
    head, _, path = rule_arn.partition(":rule/")
    bus, _, name = path.rpartition("/")
    found = find_bus(f"{head}:event-bus/{bus or 'default'}")
    rule = found.rules.get(name) if found else None
    return rule.created_by if rule else None


def function_policies(arn: str) -> list[dict[str, Any]]:
    """Return the policy of the function of *arn*, as a list of none or one; a missing function has none."""
    _, _, _, region, account, _, name = arn.split(":")[:7]
    try:
        function = lambda_backends[account][region].get_function(name)
    except UnknownFunctionException:
        return []
    return [{"Version": "2012-10-17", "Statement": function.policy.statements}]


def bucket_policies(name: str) -> list[dict[str, Any]]:
    """Return the bucket's policy, as a list of none or one."""
    bucket = find_bucket(name)
    return [json.loads(bucket.policy)] if bucket and bucket.policy else []


def queue_policies(arn: str) -> list[dict[str, Any]]:
    """Return the queue's policy, as a list of none or one."""
    queue = find_queue(arn)
    return [json.loads(queue.policy)] if queue and queue.policy else []


def bus_policies(arn: str) -> list[dict[str, Any]]:
    """Return the bus's policy, as a list of none or one."""
    bus = find_bus(arn)
    return [json.loads(bus.policy)] if bus and bus.policy else []
