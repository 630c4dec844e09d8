"""AWS::SQS::Queue and AWS::SQS::QueuePolicy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from transship.local.cloudformation.resources.base import Place, Properties, document, tags
from transship.local.cloudformation.schema import ANY, TAGS, TEXT, Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULTS: dict[str, Any] = {
    "DelaySeconds": 0,
    "MaximumMessageSize": 1_048_576,
    "MessageRetentionPeriod": 345_600,
    "ReceiveMessageWaitTimeSeconds": 0,
    "RedriveAllowPolicy": {},
    "RedrivePolicy": {},
    "SqsManagedSseEnabled": True,
    "VisibilityTimeout": 30,
}
"""Attributes of a standard queue, with what a queue has that names none (SetQueueAttributes, SQS API Reference)."""

_FIFO = ("ContentBasedDeduplication", "DeduplicationScope", "FifoQueue", "FifoThroughputLimit")


class Queue:
    """AWS::SQS::Queue."""

    schema: ClassVar[Schema] = {
        "QueueName": TEXT,
        "RedrivePolicy": {"deadLetterTargetArn!": TEXT, "maxReceiveCount!": TEXT},
        "RedriveAllowPolicy": {"redrivePermission!": TEXT, "sourceQueueArns": [TEXT]},
        **{name: TEXT for name, value in _DEFAULTS.items() if not isinstance(value, dict)},
        **dict.fromkeys(_FIFO, TEXT),
        "Tags": TAGS,
    }
    replaced_by: ClassVar[frozenset[str]] = frozenset({"QueueName", "FifoQueue"})

    def create(self, place: Place, properties: Properties) -> str:
        """Create the queue and return its URL."""
        given = {name: _text(value) for name, value in properties.items() if name not in {"QueueName", "Tags"}}
        created = place.client("sqs").create_queue(
            QueueName=place.name(properties.get("QueueName"), 80),
            Attributes=given,
            tags={tag["Key"]: tag["Value"] for tag in tags(properties)},
        )
        return str(created["QueueUrl"])

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Set the attributes that changed; those a template dropped get their default."""
        names = [name for name in (*_DEFAULTS, *_FIFO) if properties.get(name) != old.get(name)]
        attributes = {name: _text(properties.get(name, _DEFAULTS.get(name, False))) for name in names}
        if attributes:
            place.client("sqs").set_queue_attributes(QueueUrl=physical_id, Attributes=attributes)

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Delete the queue."""
        del properties
        place.client("sqs").delete_queue(QueueUrl=physical_id)

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return ARN, name and URL."""
        name = physical_id.rpartition("/")[2]
        return {"Arn": place.arn("sqs", name), "QueueName": name, "QueueUrl": physical_id}


class QueuePolicy:
    """AWS::SQS::QueuePolicy."""

    schema: ClassVar[Schema] = {"Queues!": [TEXT], "PolicyDocument!": ANY}
    replaced_by: ClassVar[frozenset[str]] = frozenset()

    def create(self, place: Place, properties: Properties) -> str:
        """Set the policy of every queue."""
        self.update(place, "", properties, {"Queues": []})
        return place.name(None)

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Set the policy of every queue, and remove it from those that are no longer named."""
        del physical_id
        _set(place, properties["Queues"], document(properties["PolicyDocument"]))
        _set(place, [url for url in old["Queues"] if url not in properties["Queues"]], "")

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Remove the policy from every queue."""
        del physical_id
        _set(place, properties["Queues"], "")

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return nothing: it has none."""
        del place, physical_id
        return {}


def _set(place: Place, urls: list[str], policy: str) -> None:
    for url in urls:
        place.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value) if value else ""
    return str(value).lower() if isinstance(value, bool) else str(value)
