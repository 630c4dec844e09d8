"""
Every internal of moto that transship/local leans on; an upgrade of moto fails here first.

`IMPORTED` is what is imported, `CALLED` what is called or replaced, with the parameters that are counted on; both are
held against the source, so that whoever leans on more has to say so here. The tests below them pin behaviour.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.events.models import EventPattern, EventsBackend
from moto.iam.models import User, iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import FakeBucket, FakeKey, s3_backends
from moto.sqs.models import Message, Queue, sqs_backends

import transship.local
from transship.local.iam import moto_iam

IMPORTED = {
    "moto.awslambda.exceptions": {"InvalidParameterValueException", "LambdaClientError", "UnknownFunctionException"},
    "moto.awslambda.models": {"LambdaBackend", "LambdaFunction", "lambda_backends"},
    "moto.core.base_backend": {"BackendDict"},
    "moto.core.common_models": {"BaseModel"},
    "moto.core.config": {"default_user_config"},
    "moto.core.exceptions": {"ServiceException"},
    "moto.core.model_instances": {"reset_model_data"},
    "moto.core.parse": {"PROTOCOL_PARSERS"},
    "moto.core.request": {"Request", "determine_request_protocol"},
    "moto.core.routing": {"get_service_router"},
    "moto.core.serialize": {"AttributePickerContext", "XFormedAttributePicker", "get_serializer_class"},
    "moto.core.utils": {"get_service_model"},
    "moto.core": {"errors", "responses", "utils"},
    "moto.dynamodb.models": {"DynamoDBBackend"},
    "moto.dynamodb.models.dynamo_type": {"DynamoType"},
    "moto.dynamodb.models.table": {"Table"},
    "moto.events.exceptions": {"InvalidEventPatternException", "ValidationException"},
    "moto.events.models": {"EventBus", "EventPattern", "EventsBackend", "Rule", "events_backends"},
    "moto.iam.access_control": {"PermissionResult"},
    "moto.iam.models": {"iam_backends"},
    "moto.iam": {"models"},
    "moto.moto_api._internal": {"mock_random"},
    "moto.moto_server.werkzeug_app": {"DomainDispatcherApplication", "MotoRequestHandler", "create_backend_app"},
    "moto.s3.exceptions": {"InvalidArgumentError"},
    "moto.s3.models": {"FakeBucket", "FakeKey", "FakeMultipart", "s3_backends"},
    "moto.s3.responses": {"S3Response"},
    "moto.s3": {"notifications"},
    "moto.sqs.models": {"Message", "Queue", "sqs_backends"},
    "moto.sqs.responses": {"SQSResponse"},
    "moto.sqs": {"models"},
}
"""Names by module."""

CALLED = {
    # door and protocols
    "moto.moto_server.werkzeug_app:create_backend_app": ["service"],
    "moto.moto_server.werkzeug_app:DomainDispatcherApplication.get_backend_for_host": ["self", "host"],
    "moto.moto_server.werkzeug_app:MotoRequestHandler.make_environ": ["self"],
    "moto.core.routing:get_service_router": ["service_name"],
    "moto.core.routing:ServiceOperationRouter.match": ["self", "request"],
    "moto.core.request:determine_request_protocol": ["service_model", "content_type"],
    "moto.core.serialize:get_serializer_class": ["service_name", "protocol"],
    "moto.core.serialize:ResponseSerializer.serialize": ["self", "result"],
    "moto.core.serialize:AttributePicker.get_possible_keys": ["self", "context"],
    "moto.core.responses:XFormedAttributePicker": ["alias_providers", "response_transformers"],
    "moto.core.responses:method_names_from_class": ["clazz"],
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
    "moto.sqs.models:SQSBackend.set_queue_attributes": ["self", "queue_name", "attributes"],
    "moto.sqs.models:SQSBackend.receive_message": [
        "self", "queue_name", "count", "wait_seconds_timeout", "visibility_timeout", "message_attribute_names",
    ],
    "moto.sqs.models:SQSBackend.change_message_visibility": ["self", "queue_name", "receipt_handle"],
    "moto.sqs.models:Queue.add_message": ["self", "message"],
    "moto.sqs.models:Queue.delete_message": ["self", "receipt_handle"],
    "moto.sqs.responses:SQSResponse.send_message": ["self"],
    "moto.sqs.responses:SQSResponse.send_message_batch": ["self"],
    # DynamoDB
    "moto.dynamodb.models:DynamoDBBackend.transact_write_items": ["self", "transact_items"],
    "moto.dynamodb.models.table:Table.get_item": ["self", "hash_key", "range_key"],
    "moto.dynamodb.models.table:Table.query": [
        "self", "hash_key", "range_comparison", "range_objs", "limit", "exclusive_start_key", "scan_index_forward",
        "projection_expressions", "index_name",
    ],
    "moto.core.common_models:BaseModel.__new__": ["cls"],
    # EventBridge
    "moto.events.models:EventsBackend.put_events": ["self", "events"],
    "moto.events.models:EventsBackend.put_rule": ["self"],
    "moto.events.models:EventsBackend.put_targets": ["self", "name", "event_bus_arn", "targets"],
    "moto.events.models:EventsBackend.delete_rule": ["self"],
    "moto.events.models:EventsBackend.enable_rule": ["self"],
    "moto.events.models:EventsBackend.disable_rule": ["self"],
    "moto.events.models:EventPattern.load": ["raw_pattern"],
    "moto.events.models:EventPattern.matches_event": ["self", "event"],
    "moto.events.exceptions:InvalidEventPatternException.__init__": ["self", "reason"],
    # IAM and Lambda
    "moto.iam.models:IAMBackend.create_user": ["self", "region_name", "user_name", "path", "tags"],
    "moto.iam.models:IAMBackend.put_user_policy": ["self", "user_name", "policy_name", "policy_json"],
    "moto.iam.models:IAMBackend.create_access_key": ["self", "user_name", "prefix", "status"],
    "moto.iam.models:User.__init__": ["self", "account_id", "region_name", "name"],
    "moto.s3.models:S3Backend.delete_objects": ["self", "bucket_name", "objects", "bypass_retention"],
    "moto.awslambda.models:LambdaFunction.__init__": ["self", "account_id", "spec"],
    "moto.awslambda.models:LambdaFunction.update_configuration": ["self"],
    "moto.awslambda.models:LambdaFunction.get_configuration": ["self"],
    "moto.awslambda.models:LambdaBackend.create_event_source_mapping": ["self", "spec"],
    "moto.awslambda.models:LambdaBackend.update_event_source_mapping": ["self"],
    "moto.awslambda.models:LambdaBackend.delete_event_source_mapping": ["self"],
    "moto.awslambda.models:LambdaBackend.put_function_event_invoke_config": ["self", "function_name", "config"],
    "moto.awslambda.models:LambdaBackend.get_function": ["self", "function_name_or_arn", "qualifier"],
    "moto.awslambda.models:LambdaBackend.list_event_source_mappings": ["self", "event_source_arn", "function_name"],
}  # fmt: skip
"""Functions that are called or replaced, with the parameters that are counted on, in order."""


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Any:
    BackendDict.reset()
    yield
    BackendDict.reset()


def test_what_is_imported_is_named_here() -> None:
    found: dict[str, set[str]] = {}
    for path in Path(transship.local.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "moto":
                found.setdefault(str(node.module), set()).update(alias.name for alias in node.names)

    assert found == IMPORTED


@pytest.mark.parametrize("module", IMPORTED)
def test_what_is_imported_exists(module: str) -> None:
    home = importlib.import_module(module)

    for name in IMPORTED[module]:
        assert hasattr(home, name) or importlib.import_module(f"{module}.{name}")


@pytest.mark.parametrize("folder", ["patches.py", "functions/moto_hooks.py"])
def test_what_is_replaced_is_named_here(folder: str) -> None:
    """Methods stand as texts beside the class that they are replaced in."""
    source = (Path(transship.local.__file__).parent / folder).read_text()
    replaced = {
        element.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple)
        for element in node.value.elts[1:2]
        if isinstance(element, ast.Constant)
    }
    named = {path.rpartition(":")[2].rpartition(".")[2] for path in CALLED}

    assert replaced
    assert replaced - named <= {"COMMON_ERROR_CODES", "visible", "unix_time", "unix_time_millis"}


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
    assert upload.key_name == "key"
    assert not any((upload.parts, upload.partlist, upload.metadata, upload.tags))


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
    assert User("111122223333", "us-east-1", "name").id  # type: ignore[abstract]


def test_backends_are_listed_and_can_be_forgotten() -> None:
    sqs_backends["111122223333"]["us-east-1"].create_queue("q")

    assert sqs_backends in BackendDict._instances  # type: ignore[misc]
    sqs_backends.clear()
    assert sqs_backends["111122223333"]["us-east-1"].queues == {}


# --- IAM --------------------------------------------------------------------------------------------------------------

ACCOUNT = "111122223333"
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


@pytest.fixture(name="iam")
def _iam() -> Iterator[Any]:
    BackendDict.reset()
    moto_iam.load_aws_managed_policies()
    yield iam_backends[ACCOUNT]["aws"]
    BackendDict.reset()


def test_switch_for_aws_managed_policies_exists(iam: Any) -> None:
    assert default_user_config["iam"]["load_aws_managed_policies"] is True
    assert "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser" in iam.managed_policies


def test_user_is_found_by_key_with_all_policies(iam: Any) -> None:
    iam.create_user("eu-west-1", "alice", "/team/", [{"Key": "team", "Value": "blue"}])
    iam.put_user_policy("alice", "own", DOCUMENT)
    iam.create_group("group")
    iam.put_group_policy("group", "shared", DOCUMENT)
    iam.add_user_to_group("group", "alice")
    key = iam.create_access_key("alice")

    account, user = moto_iam.owner_of_key(key.access_key_id) or ("", None)

    assert account == ACCOUNT
    assert user is not None
    assert user.arn == f"arn:aws:iam::{ACCOUNT}:user/team/alice"
    assert [policy.name for policy in user.policies] == ["user_alice_own", "group_group_shared"]
    assert user.tags == {"team": "blue"}
    assert moto_iam.find_entity(user.arn) == user
    iam.update_access_key("alice", key.access_key_id, "Inactive")
    assert moto_iam.owner_of_key(key.access_key_id) is None


def test_role_is_found_with_everything_of_it(iam: Any) -> None:
    boundary = iam.create_policy(policy_name="b", description="", path="/", policy_document=DOCUMENT, tags=[])
    tags = [{"Key": "team", "Value": "blue"}]
    role = iam.create_role("pusher", DOCUMENT, "/team/", boundary.arn, "", tags, "7200")
    iam.attach_role_policy("arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess", "pusher")

    found = moto_iam.find_entity(f"arn:aws:iam::{ACCOUNT}:role/team/pusher")

    assert found is not None
    assert (found.id, found.trust, found.max_session, found.tags) == (role.id, DOCUMENT, 7200, {"team": "blue"})
    assert found.id.startswith("AROA")
    assert found.boundary is not None
    assert (found.boundary.name, found.boundary.source) == (boundary.arn, "user-managed")
    assert [policy.source for policy in found.policies] == ["aws-managed"]
    assert moto_iam.find_entity(f"arn:aws:iam::{ACCOUNT}:role/pusher") is None
    assert moto_iam.find_named(ACCOUNT, "role", "pusher") == found


def test_default_version_of_a_managed_policy_counts(iam: Any) -> None:
    policy = iam.create_policy(policy_name="p", description="", path="/", policy_document=DOCUMENT, tags=[])
    iam.create_policy_version(policy.arn, DOCUMENT.replace("Allow", "Deny"), "true")

    found = moto_iam.managed_policy(policy.arn, ACCOUNT)

    assert found is not None
    assert '"Deny"' in found.document


def test_group_is_found(iam: Any) -> None:
    iam.create_group("group", "/")

    group = moto_iam.find_entity(f"arn:aws:iam::{ACCOUNT}:group/group")

    assert group is not None
    assert group.kind == "group"


@pytest.mark.usefixtures("iam")
def test_nobody_is_found_in_an_account_that_does_not_exist() -> None:
    assert moto_iam.find_entity("arn:aws:iam::999988887777:role/pusher") is None
    assert moto_iam.find_named("999988887777", "role", "pusher") is None
