"""Bodies that no SDK would send: every JSON service refuses them by a clear error and keeps the connection."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from transship.local.accounts import SOURCE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transship.local.stack import LocalAws

OPERATIONS = {
    "dynamodb": ("DynamoDB_20120810.PutItem", "TableName"),
    "ecr": ("AmazonEC2ContainerRegistry_V20150921.PutImage", "repositoryName"),
    "events": ("AWSEvents.PutRule", "Name"),
    "sqs": ("AmazonSQS.SendMessage", "QueueUrl"),
}
MISSING = {
    "dynamodb": "ValidationException",
    "ecr": "InvalidParameterException",
    "events": "ValidationException",
    "sqs": "MissingRequiredParameterException",  # which SDKs read as MissingParameter, by a header
}


class Raw:
    """Signs any body and sends it on one connection."""

    def __init__(self, aws: LocalAws) -> None:
        keys = aws.administrator(SOURCE_ACCOUNT)
        self.url, self.keys = aws.endpoint_url, Credentials(keys.access_key, keys.secret_key)
        self.connection = http.client.HTTPConnection(aws.endpoint_url.removeprefix("http://"), timeout=20)

    def call(self, service: str, body: bytes, target: str | None = None) -> tuple[int, str]:
        headers = {"X-Amz-Target": target or OPERATIONS[service][0], "Content-Type": "application/x-amz-json-1.1"}
        request = AWSRequest("POST", f"{self.url}/", headers, body)
        SigV4Auth(self.keys, service, "us-east-1").add_auth(request)
        self.connection.request("POST", "/", body, dict(request.headers.items()))
        answer = self.connection.getresponse()
        document = json.loads(answer.read())
        return answer.status, str(document["__type"]).rpartition("#")[2]


@pytest.fixture(name="raw")
def _raw(aws: LocalAws) -> Iterator[Raw]:
    raw = Raw(aws)
    yield raw
    raw.connection.close()


@pytest.mark.parametrize("service", OPERATIONS)
@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 2_000],
    ids=["cut", "array", "null", "text", "no UTF-8", "deep array", "deep object"],
)
def test_what_is_no_object_is_refused(raw: Raw, service: str, body: bytes) -> None:
    assert raw.call(service, body) == (400, "SerializationException")


@pytest.mark.parametrize("service", OPERATIONS)
@pytest.mark.parametrize("value", [1, True, [], {}, ["a"]], ids=str)
def test_wrong_type_is_refused(raw: Raw, service: str, value: object) -> None:
    assert raw.call(service, _only(service, value)) == (400, "SerializationException")


@pytest.mark.parametrize("service", OPERATIONS)
def test_missing_member_is_refused(raw: Raw, service: str) -> None:
    """Each service has its own word for it."""
    assert raw.call(service, b"{}") == (400, MISSING[service])


@pytest.mark.parametrize("service", OPERATIONS)
def test_half_a_surrogate_pair_is_refused(raw: Raw, service: str) -> None:
    status, _ = raw.call(service, _only(service, "\ud800"))

    assert status == 400


def test_part_that_is_no_base64_is_refused_by_ecr_itself(raw: Raw) -> None:
    """Moto's parser, which decodes whatever is in the model as a blob, never sees it."""
    blob = {"repositoryName": "a/b", "uploadId": "u", "partFirstByte": 0, "partLastByte": 2, "layerPartBlob": "*"}

    answer = raw.call("ecr", json.dumps(blob).encode(), OPERATIONS["ecr"][0].replace("PutImage", "UploadLayerPart"))

    assert answer == (400, "SerializationException")


def _only(service: str, value: object) -> bytes:
    """Return a body with all required members, of which the first has *value*."""
    others = {
        "dynamodb": {"Item": {"id": {"S": "1"}}},
        "ecr": {"imageManifest": "{}"},
        "events": {},
        "sqs": {"MessageBody": "m"},
    }[service]
    return json.dumps({**others, OPERATIONS[service][1]: value}).encode()
