"""
Which actions on which resources a call needs, from requests that botocore itself has serialised.

Expected: Service Authorization Reference, by service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto.core.base_backend import BackendDict
from moto.s3.models import s3_backends
from werkzeug.test import EnvironBuilder

from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT
from transship.local.actions import required_access
from transship.local.caller import Caller
from transship.local.protocol import AwsRequest, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transship.local.caller import AccessRequest

A, B = SOURCE_ACCOUNT, OTHER_ACCOUNT
CALLER = Caller(A, "us-east-1", f"arn:aws:iam::{A}:user/u", "AIDAU", "AKIAIOSFODNN7EXAMPLE")
OBJECT = {"Bucket": "bbb", "Key": "k/ü"}
EVENT = {"Source": "s", "DetailType": "d", "Detail": "{}"}
QUEUE = f"http://127.0.0.1:1/{A}/q"
THEIRS = f"http://127.0.0.1:1/{B}/q"
TABLE = {"TableName": "t", "Key": {"k": {"S": "1"}}}
BUS = f"arn:aws:events:us-east-1:{B}:event-bus/bus"
FUNCTION = f"arn:aws:lambda:us-east-1:{A}:function:f"
ROLE = f"arn:aws:iam::{A}:role/r"
VERSION = {"VersionId": "v"}

CASES: list[tuple[str, str, dict[str, Any], list[tuple[str, str]]]] = [
    ("s3", "list_buckets", {}, [("s3:ListAllMyBuckets", "*")]),
    ("s3", "put_object", {**OBJECT, "Body": b"x"}, [("s3:PutObject", "arn:aws:s3:::bbb/k/ü")]),
    ("s3", "get_object", OBJECT, [("s3:GetObject", "arn:aws:s3:::bbb/k/ü")]),
    ("s3", "get_object", {**OBJECT, **VERSION}, [("s3:GetObjectVersion", "arn:aws:s3:::bbb/k/ü")]),
    ("s3", "head_object", OBJECT, [("s3:GetObject", "arn:aws:s3:::bbb/k/ü")]),
    ("s3", "delete_object", {**OBJECT, **VERSION}, [("s3:DeleteObjectVersion", "arn:aws:s3:::bbb/k/ü")]),
    ("s3", "get_object_tagging", {**OBJECT, **VERSION}, [("s3:GetObjectVersionTagging", "arn:aws:s3:::bbb/k/ü")]),
    ("s3", "create_multipart_upload", OBJECT, [("s3:PutObject", "arn:aws:s3:::bbb/k/ü")]),
    ("s3", "upload_part", {**OBJECT, "UploadId": "u", "PartNumber": 1}, [("s3:PutObject", "arn:aws:s3:::bbb/k/ü")]),
    (
        "s3",
        "abort_multipart_upload",
        {**OBJECT, "UploadId": "u"},
        [("s3:AbortMultipartUpload", "arn:aws:s3:::bbb/k/ü")],
    ),
    (
        "s3",
        "copy_object",
        {**OBJECT, "CopySource": {"Bucket": "src", "Key": "a b"}},
        [("s3:GetObject", "arn:aws:s3:::src/a b"), ("s3:PutObject", "arn:aws:s3:::bbb/k/ü")],
    ),
    ("s3", "list_objects_v2", {"Bucket": "bbb", "Prefix": "p"}, [("s3:ListBucket", "arn:aws:s3:::bbb")]),
    ("s3", "head_bucket", {"Bucket": "bbb"}, [("s3:ListBucket", "arn:aws:s3:::bbb")]),
    (
        "s3",
        "get_bucket_notification_configuration",
        {"Bucket": "bbb"},
        [("s3:GetBucketNotification", "arn:aws:s3:::bbb")],
    ),
    ("s3", "get_bucket_versioning", {"Bucket": "bbb"}, [("s3:GetBucketVersioning", "arn:aws:s3:::bbb")]),
    (
        "sqs",
        "send_message",
        {"QueueUrl": QUEUE, "MessageBody": "m"},
        [("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{A}:q")],
    ),
    (
        "sqs",
        "delete_message_batch",
        {"QueueUrl": THEIRS, "Entries": [{"Id": "1", "ReceiptHandle": "r"}]},
        [("sqs:DeleteMessage", f"arn:aws:sqs:us-east-1:{B}:q")],
    ),
    ("sqs", "create_queue", {"QueueName": "n"}, [("sqs:CreateQueue", f"arn:aws:sqs:us-east-1:{A}:n")]),
    ("sqs", "list_queues", {}, [("sqs:ListQueues", "*")]),
    ("dynamodb", "get_item", TABLE, [("dynamodb:GetItem", f"arn:aws:dynamodb:us-east-1:{A}:table/t")]),
    (
        "dynamodb",
        "query",
        {"TableName": "t", "IndexName": "due", "KeyConditionExpression": "a"},
        [("dynamodb:Query", f"arn:aws:dynamodb:us-east-1:{A}:table/t/index/due")],
    ),
    (
        "dynamodb",
        "transact_write_items",
        {
            "TransactItems": [
                {"Put": {"TableName": "t", "Item": {}}},
                {"ConditionCheck": {**TABLE, "ConditionExpression": "c"}},
                {"Update": {**TABLE, "TableName": "u", "UpdateExpression": "e"}},
            ]
        },
        [
            ("dynamodb:PutItem", f"arn:aws:dynamodb:us-east-1:{A}:table/t"),
            ("dynamodb:ConditionCheckItem", f"arn:aws:dynamodb:us-east-1:{A}:table/t"),
            ("dynamodb:UpdateItem", f"arn:aws:dynamodb:us-east-1:{A}:table/u"),
        ],
    ),
    (
        "dynamodb",
        "batch_get_item",
        {"RequestItems": {"t": {"Keys": [TABLE["Key"]]}, "u": {"Keys": [TABLE["Key"]]}}},
        [
            ("dynamodb:BatchGetItem", f"arn:aws:dynamodb:us-east-1:{A}:table/t"),
            ("dynamodb:BatchGetItem", f"arn:aws:dynamodb:us-east-1:{A}:table/u"),
        ],
    ),
    ("dynamodb", "list_tables", {}, [("dynamodb:ListTables", "*")]),
    (
        "events",
        "put_events",
        {"Entries": [EVENT, {**EVENT, "EventBusName": "own"}, {**EVENT, "EventBusName": BUS}]},
        [
            ("events:PutEvents", f"arn:aws:events:us-east-1:{A}:event-bus/default"),
            ("events:PutEvents", f"arn:aws:events:us-east-1:{A}:event-bus/own"),
            ("events:PutEvents", BUS),
        ],
    ),
    ("events", "describe_rule", {"Name": "r"}, [("events:DescribeRule", f"arn:aws:events:us-east-1:{A}:rule/r")]),
    (
        "events",
        "put_targets",
        {"Rule": "r", "EventBusName": "own", "Targets": [{"Id": "1", "Arn": BUS, "RoleArn": ROLE}]},
        [("events:PutTargets", f"arn:aws:events:us-east-1:{A}:rule/own/r"), ("iam:PassRole", ROLE)],
    ),
    ("events", "list_rules", {}, [("events:ListRules", "*")]),
    ("lambda", "invoke", {"FunctionName": "f"}, [("lambda:InvokeFunction", FUNCTION)]),
    (
        "lambda",
        "get_function_configuration",
        {"FunctionName": FUNCTION},
        [("lambda:GetFunctionConfiguration", FUNCTION)],
    ),
    (
        "lambda",
        "create_function",
        {"FunctionName": "f", "Role": ROLE, "Code": {"ZipFile": b""}},
        [("lambda:CreateFunction", FUNCTION), ("iam:PassRole", ROLE)],
    ),
    (
        "lambda",
        "put_function_recursion_config",
        {"FunctionName": "f", "RecursiveLoop": "Allow"},
        [("lambda:PutFunctionRecursionConfig", FUNCTION)],
    ),
    ("lambda", "list_event_source_mappings", {}, [("lambda:ListEventSourceMappings", "*")]),
    ("iam", "get_role", {"RoleName": "r"}, [("iam:GetRole", ROLE)]),
    ("iam", "simulate_principal_policy", {"PolicySourceArn": ROLE, "ActionNames": ["a:b"]}, []),
    ("sts", "get_caller_identity", {}, []),
    ("sts", "assume_role", {"RoleArn": ROLE, "RoleSessionName": "ss"}, []),
    (
        "cloudformation",
        "describe_stacks",
        {"StackName": "s"},
        [("cloudformation:DescribeStacks", f"arn:aws:cloudformation:us-east-1:{A}:stack/s/*")],
    ),
    (
        "logs",
        "put_retention_policy",
        {"logGroupName": "/g", "retentionInDays": 1},
        [("logs:PutRetentionPolicy", f"arn:aws:logs:us-east-1:{A}:log-group:/g:*")],
    ),
    ("cloudwatch", "list_metrics", {}, [("cloudwatch:ListMetrics", "*")]),
    ("ecr", "describe_registry", {}, []),
]


@pytest.fixture(name="session", scope="module")
def _session() -> boto3.Session:
    return boto3.Session("AKIAIOSFODNN7EXAMPLE", "secret", region_name="us-east-1")


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    BackendDict.reset()
    yield
    BackendDict.reset()


def asked(session: boto3.Session, service: str, operation: str, arguments: dict[str, Any]) -> list[AccessRequest]:
    """Return what the call needs, from the request that botocore would send."""
    client: Any = session.client(service, endpoint_url="http://127.0.0.1:1")  # type: ignore[call-overload]
    sent = []

    def keep(request: Any, **_: object) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 503, {}, None)

    client.meta.events.register("before-send", keep)
    client.meta.config.retries = {"total_max_attempts": 1}
    with pytest.raises(Exception):  # noqa: B017, PT011 - the answer is none, and how that fails is not the question
        getattr(client, operation)(**arguments)
    client.close()
    request = sent[0]
    url = urlsplit(request.url)
    headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
    body = request.body.encode() if isinstance(request.body, str) else request.body or b""
    builder = EnvironBuilder(
        method=request.method,
        path=url.path,
        query_string=url.query,
        headers=headers,
        data=b"" if service == "s3" else body,
    )
    environ = builder.get_environ() | {"RAW_URI": f"{url.path}?{url.query}"}
    scope = Scope.of(environ)
    assert scope is not None
    return list(required_access(AwsRequest(environ, scope), CALLER))


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "expected"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES]
)
def test_call_needs_its_actions(
    session: boto3.Session, service: str, operation: str, arguments: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    needs = asked(session, service, operation, arguments)

    assert [(need.action, need.resource) for need in needs] == expected


def test_bucket_of_another_account_is_theirs_with_its_policy(session: boto3.Session) -> None:
    bucket = s3_backends[B]["aws"].create_bucket("bbb", "us-east-1")
    bucket.policy = b'{"Statement": []}'

    [need] = asked(session, "s3", "get_object", OBJECT)

    assert need.resource_account == B
    assert need.resource_policies == [{"Statement": []}]


def test_queue_of_another_account_is_theirs(session: boto3.Session) -> None:
    [need] = asked(session, "sqs", "send_message", {"QueueUrl": THEIRS, "MessageBody": "m"})

    assert need.resource_account == B


def test_events_carry_their_source_and_type(session: boto3.Session) -> None:
    [need] = asked(session, "events", "put_events", {"Entries": [EVENT]})

    assert need.context == {"events:source": "s", "events:detail-type": "d"}
