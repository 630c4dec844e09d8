"""
Every internal of moto that transship/local leans on; an upgrade of moto fails here first.

What `transship/local/iam` leans on is in tests/local/iam/test_moto_contract.py, and `functions/moto_hooks.py` fails by
itself when a name that it wraps is gone.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest
from moto.core.base_backend import BackendDict
from moto.events.models import EventPattern, EventsBackend
from moto.iam.models import User
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import FakeBucket, FakeKey, s3_backends
from moto.sqs.models import Message, Queue, sqs_backends

CALLED = {
    # door and protocols
    "moto.moto_server.werkzeug_app:create_backend_app": ["service"],
    "moto.moto_server.werkzeug_app:MotoRequestHandler.make_environ": ["self"],
    "moto.core.routing:get_service_router": ["service_name"],
    "moto.core.routing:ServiceOperationRouter.match": ["self", "request"],
    "moto.core.request:determine_request_protocol": ["service_model", "content_type"],
    "moto.core.serialize:get_serializer_class": ["service_name", "protocol"],
    "moto.core.serialize:ResponseSerializer.serialize": ["self", "result"],
    "moto.core.parse:RequestParser.parse": ["self", "request_dict"],
    "moto.core.utils:get_service_model": ["service_name"],
    "moto.core.errors:get_error_model": ["exception", "default_service_model"],
    "moto.core.model_instances:reset_model_data": [],
    "moto.core.responses:BaseResponse.get_current_account": ["self"],
    # S3
    "moto.s3.notifications:send_event": ["account_id", "event_name", "bucket", "key"],
    "moto.s3.notifications:send_test_event": ["account_id", "bucket"],
    "moto.s3.responses:S3Response._notification_config_from_body": ["self"],
    "moto.s3.models:FakeBucket.set_notification_configuration": ["self", "notification_config"],
    "moto.s3.models:FakeBucket.get_permission": ["self", "action", "resource"],
    "moto.s3.models:Notification.matches": ["self", "event_name", "key_name"],
    "moto.s3.models:FakeKey.dispose": ["self", "garbage"],
    "moto.s3.utils:_VersionedKeyStore.setlist": ["self", "key", "list_"],
    "moto.s3.exceptions:InvalidArgumentError.__init__": ["self", "message", "name", "value"],
    # SQS
    "moto.sqs.models:SQSBackend.send_message": [
        "self", "queue_name", "message_body", "message_attributes", "delay_seconds", "deduplication_id", "group_id",
        "system_attributes", "validate_group_id",
    ],
    "moto.sqs.models:SQSBackend.send_message_batch": ["self", "queue_name", "entries"],
    "moto.sqs.models:SQSBackend.receive_message": [
        "self", "queue_name", "count", "wait_seconds_timeout", "visibility_timeout", "message_attribute_names",
    ],
    # EventBridge
    "moto.events.models:EventsBackend.put_events": ["self", "events"],
    "moto.events.models:EventPattern.load": ["raw_pattern"],
    "moto.events.models:EventPattern.matches_event": ["self", "event"],
    "moto.events.exceptions:InvalidEventPatternException.__init__": ["self", "reason"],
    # IAM and Lambda
    "moto.iam.models:IAMBackend.create_user": ["self", "region_name", "user_name", "path", "tags"],
    "moto.iam.models:IAMBackend.put_user_policy": ["self", "user_name", "policy_name", "policy_json"],
    "moto.iam.models:IAMBackend.create_access_key": ["self", "user_name", "prefix", "status"],
    "moto.awslambda.models:LambdaBackend.get_function": ["self", "function_name_or_arn", "qualifier"],
    "moto.awslambda.models:LambdaBackend.list_event_source_mappings": ["self", "event_source_arn", "function_name"],
}  # fmt: skip
"""Functions that are called or replaced, with the parameters that are counted on, in order."""


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Any:
    BackendDict.reset()
    yield
    BackendDict.reset()


@pytest.mark.parametrize("path", CALLED)
def test_function_takes_what_it_took(path: str) -> None:
    module, _, name = path.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)

    assert [*inspect.signature(found).parameters][: len(CALLED[path])] == CALLED[path]


def test_put_rule_names_its_pattern() -> None:
    assert "event_pattern" in inspect.signature(EventsBackend.put_rule).parameters


def test_account_of_a_request_can_be_set_by_header() -> None:
    source = inspect.getsource(importlib.import_module("moto.core.responses").BaseResponse.get_current_account)

    assert "x-moto-account-id" in source


def test_failures_reach_the_caller_of_the_application() -> None:
    """The front door turns them into errors of the client's protocol."""
    assert create_backend_app("sqs").debug


def test_dispatcher_is_a_wsgi_application_over_backends() -> None:
    assert [*inspect.signature(DomainDispatcherApplication.__call__).parameters] == [
        "self",
        "environ",
        "start_response",
    ]


def test_bucket_is_in_one_index_with_its_owner() -> None:
    backend = s3_backends["111122223333"]["aws"]
    bucket = backend.create_bucket("some-bucket", "eu-west-1")

    assert isinstance(bucket, FakeBucket)
    assert s3_backends.bucket_accounts["some-bucket"] == ("aws", "111122223333")
    assert backend.buckets["some-bucket"] is bucket
    assert (bucket.account_id, bucket.region_name, bucket.versioning_status) == ("111122223333", "eu-west-1", None)
    assert (bucket.policy, bucket.notification_configuration, dict(bucket.multiparts)) == (None, None, {})
    assert not bucket.is_versioned


def test_key_is_made_of_a_value_and_keeps_what_it_is_told() -> None:
    parameters = inspect.signature(FakeKey.__init__).parameters
    used = {"account_id", "region_name", "etag", "is_versioned", "version_id", "bucket_name", "encryption"}
    key = FakeKey("name", b"", account_id="1", region_name="us-east-1", etag="e", version_id="v")

    assert used <= parameters.keys()
    assert (key.etag, key.version_id, key.size) == ('"e"', "v", 0)
    assert {"contentsize", "_value_buffer", "checksum_algorithm", "checksum_value", "checksum_type"} <= vars(key).keys()
    key.dispose()


def test_upload_keeps_parts_by_number() -> None:
    backend = s3_backends["111122223333"]["aws"]
    backend.create_bucket("some-bucket", "us-east-1")
    upload = backend.create_multipart_upload("some-bucket", "key", {}, "STANDARD", {}, None, "", "")  # type: ignore[arg-type]

    assert backend.buckets["some-bucket"].multiparts[upload.id] is upload
    assert (upload.parts, upload.partlist, upload.key_name, upload.metadata, upload.tags) == ({}, [], "key", {}, {})


def test_queue_has_a_lock_that_its_receivers_wait_on() -> None:
    queue = sqs_backends["111122223333"]["us-east-1"].create_queue("q")

    with queue._messages_lock, queue._messages_lock:  # it can be taken again by who holds it
        queue._messages_lock.notify_all()
    assert queue.queue_arn == "arn:aws:sqs:us-east-1:111122223333:q"
    assert isinstance(queue, Queue)
    assert queue.policy is None


def test_message_tells_when_it_is_visible_and_who_sent_it() -> None:
    assert isinstance(Message.visible, property)
    assert {"sender_id", "visible_at", "system_attributes"} <= vars(Message("id", "body")).keys()


def test_times_of_sqs_are_names_in_its_module() -> None:
    module = importlib.import_module("moto.sqs.models")

    assert callable(module.unix_time)
    assert callable(module.unix_time_millis)


def test_pattern_without_a_text_is_empty() -> None:
    assert EventPattern.load(None).get_pattern() == {}


def test_user_has_an_id() -> None:
    assert User("111122223333", "us-east-1", "name").id


def test_backends_are_listed_and_can_be_forgotten() -> None:
    sqs_backends["111122223333"]["us-east-1"].create_queue("q")

    assert sqs_backends in BackendDict._instances  # type: ignore[misc]
    sqs_backends.clear()
    assert sqs_backends["111122223333"]["us-east-1"].queues == {}
