"""
S3's event notifications: one record for one change, to the queues and functions that a bucket names.

Record: "Event message structure", Amazon S3 User Guide (eventVersion 2.1; readers take any 2.x).
Keys are URL-encoded with `+` for a space; sequencers grow; the principal is who made the call.

Left out: SNS topics.
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from moto.s3.exceptions import InvalidArgumentError

from transship.local.context import current_caller
from transship.local.queues import send
from transship.local.resources import find_queue, function_policies, queue_policies
from transship.local.service_principals import service_may

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from moto.s3.models import FakeBucket, FakeKey

    from transship.local.clock import Clock

_sequence = itertools.count(time.time_ns())


@dataclass(frozen=True, slots=True)
class Sinks:
    """
    Where notifications go, beside queues.

    Attributes:
        invoke: Invokes a function asynchronously: (function ARN, JSON text).
        emit: Puts an event on a default bus: (account, Region, event).
    """

    invoke: Callable[[str, str], object]
    emit: Callable[[str, str, dict[str, Any]], None]


class Notifier:
    """Tells the world about changes in buckets."""

    def __init__(self, clock: Clock, sinks: Sinks) -> None:
        self._clock, self._sinks = clock, sinks

    def send(self, event: str, bucket: FakeBucket, key: FakeKey) -> None:
        """Announce *event* (`s3:ObjectCreated:Put` …) about *key* to whoever *bucket*'s configuration names."""
        configuration = bucket.notification_configuration
        if configuration is None:
            return
        change = _Change(event.removeprefix("s3:"), bucket, key, self._clock.now(), f"{next(_sequence):018X}")
        for queue in configuration.queue:
            if queue.matches(event, key.name):
                _send_to_queue(queue.arn, change.records(queue.id), bucket)
        for function in configuration.cloud_function:
            if function.matches(event, key.name) and _let_in(bucket, "lambda:InvokeFunction", function.arn):
                self._sinks.invoke(function.arn, json.dumps(change.records(function.id)))
        if configuration.event_bridge is not None:
            self._sinks.emit(bucket.account_id, bucket.region_name, change.event())

    def send_test(self, bucket: FakeBucket) -> None:
        """Send `s3:TestEvent` to every queue of a configuration that has just been put."""
        body = {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": _timestamp(self._clock.now()),
            "Bucket": bucket.name,
            "RequestId": _request_id(),
            "HostId": uuid.uuid4().hex,
        }
        configuration = bucket.notification_configuration
        for arn in {queue.arn for queue in configuration.queue} if configuration else ():
            _send_to_queue(arn, body, bucket)


def _send_to_queue(arn: str, body: dict[str, Any], bucket: FakeBucket) -> None:
    """Send *body* to the queue of *arn*; one that is gone, or lets S3 in no more, loses it, as in S3."""
    queue = find_queue(arn)
    if queue is not None and _let_in(bucket, "sqs:SendMessage", arn):
        send(queue, json.dumps(body))


def _let_in(bucket: FakeBucket, action: str, arn: str) -> bool:
    policies = queue_policies(arn) if action == "sqs:SendMessage" else function_policies(arn)
    return service_may(
        "s3.amazonaws.com", action, arn, policies, source_arn=bucket.arn, source_account=bucket.account_id
    )


def check_targets(bucket: FakeBucket, configuration: Mapping[str, Any]) -> None:
    """
    Check a configuration that is about to be put.

    Raises:
        InvalidArgumentError: 400 InvalidArgument: a queue or function does not exist or does not let S3 in.
    """
    for kind, action in (("Queue", "sqs:SendMessage"), ("CloudFunction", "lambda:InvokeFunction")):
        for target in configuration.get(f"{kind}Configuration", ()):
            if not _let_in(bucket, action, target[kind]):
                message = "Unable to validate the following destination configurations"
                raise InvalidArgumentError(message, target[kind], action)


@dataclass(frozen=True, slots=True)
class _Change:
    event_name: str
    bucket: FakeBucket
    key: FakeKey
    at: float
    sequencer: str

    def records(self, configuration_id: str) -> dict[str, Any]:
        caller, bucket = current_caller.get(), self.bucket
        return {
            "Records": [
                {
                    "eventVersion": "2.1",
                    "eventSource": "aws:s3",
                    "awsRegion": bucket.region_name,
                    "eventTime": _timestamp(self.at),
                    "eventName": self.event_name,
                    "userIdentity": {"principalId": f"AWS:{caller.user_id}" if caller.user_id else "AmazonS3"},
                    "requestParameters": {"sourceIPAddress": caller.source_ip},
                    "responseElements": {"x-amz-request-id": _request_id(), "x-amz-id-2": uuid.uuid4().hex},
                    "s3": {
                        "s3SchemaVersion": "1.0",
                        "configurationId": configuration_id,
                        "bucket": {
                            "name": bucket.name,
                            "ownerIdentity": {"principalId": f"A{bucket.account_id}"},
                            "arn": bucket.arn,
                        },
                        "object": {"key": quote_plus(self.key.name), **self._object("eTag", "versionId")},
                    },
                }
            ]
        }

    def event(self) -> dict[str, Any]:
        """Return the EventBridge form: the key as it is, the requester's account only."""
        kind, _, reason = self.event_name.partition(":")
        caller = current_caller.get()
        return {
            "source": "aws.s3",
            "detail-type": "Object Created" if kind == "ObjectCreated" else "Object Deleted",
            "resources": [self.bucket.arn],
            "detail": {
                "version": "0",
                "bucket": {"name": self.bucket.name},
                "object": {"key": self.key.name, **self._object("etag", "version-id")},
                "request-id": _request_id(),
                "requester": caller.account or self.bucket.account_id,
                "source-ip-address": caller.source_ip,
                "reason": {"Put": "PutObject", "Copy": "CopyObject"}.get(reason, reason),
            },
        }

    def _object(self, etag: str, version_id: str) -> dict[str, Any]:
        content: dict[str, Any] = {"sequencer": self.sequencer}
        if self.event_name.startswith("ObjectCreated"):
            content |= {"size": self.key.size, etag: self.key.etag.strip('"')}
        if self.bucket.versioning_status:
            content[version_id] = self.key.version_id
        return content


def _timestamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _request_id() -> str:
    return uuid.uuid4().hex[:16].upper()
