"""A request is believed only if it was signed with the secret of the key that it names; botocore signs."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from transship.local.accounts import SOURCE_ACCOUNT
from transship.local.clock import ManualClock
from transship.local.stack import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Clients = Callable[..., Any]

HOUR = 3600
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "dynamodb": ("list_tables", {}),
    "ecr": ("describe_registry", {}),
    "events": ("list_rules", {}),
    "iam": ("list_users", {}),
    "lambda": ("list_functions", {}),
    "s3": ("list_buckets", {}),
    "sqs": ("list_queues", {}),
    "sts": ("get_caller_identity", {}),
}
MISMATCH = {
    "dynamodb": ("InvalidSignatureException", 400),
    "ecr": ("InvalidSignatureException", 400),
    "events": ("InvalidSignatureException", 400),
    "lambda": ("InvalidSignatureException", 403),
}
EXPIRED = {
    "dynamodb": ("ExpiredTokenException", 400),
    "ecr": ("ExpiredTokenException", 400),
    "events": ("ExpiredTokenException", 400),
    "lambda": ("ExpiredTokenException", 403),
    "s3": ("ExpiredToken", 400),
}
ONLY_TOKENS = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}],
    }
)
KEY = "uploads/a b/../ü+~(1)*'.tar"


@pytest.fixture(name="clock", scope="module")
def _clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(name="new_aws", scope="module")
def _new_aws(clock: ManualClock) -> Callable[[Path], LocalAws]:
    return lambda folder: LocalAws(folder, clock=clock, registries=[(SOURCE_ACCOUNT, "us-east-1")])


@pytest.fixture(name="role", scope="module")
def _role(clients: Clients) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": SOURCE_ACCOUNT}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = clients("iam")
    arn: str = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.attach_role_policy(RoleName="reader", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    return arn


@pytest.fixture(name="bucket", scope="module")
def _bucket(clients: Clients) -> str:
    clients("s3").create_bucket(Bucket="signed")
    return "signed"


def refusal(aws: LocalAws, service: str, access_key: str, secret: str, token: str | None = None) -> tuple[str, int]:
    client: Any = boto3.client(
        service,  # type: ignore[call-overload]
        region_name="us-east-1",
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )
    operation, arguments = CALLS[service]
    with pytest.raises(ClientError) as refused:
        getattr(client, operation)(**arguments)
    client.close()
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("service", CALLS)
def test_wrong_secret_is_refused_in_the_services_own_form(aws: LocalAws, service: str) -> None:
    key = aws.administrator(SOURCE_ACCOUNT).access_key

    expected = MISMATCH.get(service, ("SignatureDoesNotMatch", 403))
    assert refusal(aws, service, key, "wrong") == expected


@pytest.mark.parametrize("token", [None, "another"], ids=["none", "another"])
def test_session_without_its_token_is_refused(aws: LocalAws, clients: Clients, role: str, token: str | None) -> None:
    made = clients("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]

    given = refusal(aws, "ecr", made["AccessKeyId"], made["SecretAccessKey"], token)
    assert given == ("InvalidSignatureException", 400)


@pytest.mark.parametrize("service", CALLS)
def test_expired_session_is_said_to_be_expired(
    aws: LocalAws, clients: Clients, clock: ManualClock, role: str, service: str
) -> None:
    made = clients("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    clock.advance(HOUR)

    given = refusal(aws, service, made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    assert given == EXPIRED.get(service, ("ExpiredToken", 403))


def test_registry_token_outlives_the_session_that_asked_for_it(
    aws: LocalAws, clients: Clients, clock: ManualClock, role: str
) -> None:
    """It is good for 12 hours (ecr.md 1.6), with what the session was allowed."""
    made = clients("sts").assume_role(RoleArn=role, RoleSessionName="session", Policy=ONLY_TOKENS)["Credentials"]
    ecr = boto3.client(
        "ecr",
        region_name="us-east-1",
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=made["AccessKeyId"],
        aws_secret_access_key=made["SecretAccessKey"],
        aws_session_token=made["SessionToken"],
    )
    access = ecr.get_authorization_token()["authorizationData"][0]
    ecr.close()
    clients("ecr").create_repository(repositoryName="some/app")
    clock.advance(HOUR)

    login = {"Authorization": f"Basic {access['authorizationToken']}"}
    host = aws.registries[0].host
    assert call(f"http://{host}/v2/", headers=login)[0] == 200
    assert call(f"http://{host}/v2/some/app/tags/list", headers=login)[0] == 403


def call(
    url: str, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, headers or {}, method=method)  # noqa: S310 - of this test's own server
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.fixture(name="signer", params=["s3", "s3v4"], ids=["version 2", "version 4"])
def _signer(aws: LocalAws, request: pytest.FixtureRequest) -> Iterator[Any]:
    keys: dict[str, Any] = aws.administrator(SOURCE_ACCOUNT).for_boto3()
    config = Config(signature_version=request.param)
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=aws.endpoint_url, config=config, **keys)
    yield client
    client.close()


def test_presigned_addresses_put_and_get(signer: Any, bucket: str) -> None:
    put = signer.generate_presigned_url("put_object", {"Bucket": bucket, "Key": KEY, "ContentType": "text/plain"})
    get = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": KEY})

    assert call(put, "PUT", b"by address", {"Content-Type": "text/plain"})[0] == 200
    assert call(get) == (200, b"by address")
    assert call(put, "PUT", b"x", {"Content-Type": "text/html"})[0] == 403, "the content type was signed"
    assert call(get.replace("uploads", "other"))[0] == 403
    assert call(get, "DELETE")[0] == 403


def test_presigned_address_expires(signer: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    get = signer.generate_presigned_url("get_object", {"Bucket": bucket, "Key": KEY}, ExpiresIn=60)
    now = time.time()
    monkeypatch.setattr("transship.local.signatures.time.time", lambda: now + 62)

    status, text = call(get)

    assert (status, b"Request has expired" in text) == (403, True)


@pytest.mark.parametrize("seconds", ["604801", "-1", "soon"])
def test_presigned_address_lives_for_a_week_at_most(aws: LocalAws, bucket: str, seconds: str) -> None:
    keys: dict[str, Any] = aws.administrator(SOURCE_ACCOUNT).for_boto3()
    config = Config(signature_version="s3v4")
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=aws.endpoint_url, config=config, **keys)
    url = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": KEY})
    client.close()

    status, text = call(url.replace("X-Amz-Expires=3600", f"X-Amz-Expires={seconds}"))

    assert (status, b"AuthorizationQueryParametersError" in text) == (400, True)


def test_presigned_identity_is_believed(clients: Clients) -> None:
    """As clusters and vaults prove who a node is."""
    url = clients("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")

    status, text = call(url)

    assert (status, b":user/administrator" in text) == (200, True)
    assert call(url.replace("GetCallerIdentity", "GetSessionToken"))[0] == 403


@pytest.mark.parametrize("says_hash", [True, False], ids=["hash in a header", "no header"])
@pytest.mark.parametrize("altered", [True, False], ids=["altered", "as signed"])
def test_signature_covers_every_byte_of_a_layer_part(
    aws: LocalAws, clients: Clients, altered: bool, says_hash: bool
) -> None:
    ecr = clients("ecr")
    name = f"signed/{altered}-{says_hash}".lower()
    ecr.create_repository(repositoryName=name)
    upload = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
    part = bytes(10 << 20)
    about = {"repositoryName": name, "uploadId": upload, "partFirstByte": 0, "partLastByte": len(part) - 1}
    body = json.dumps({**about, "layerPartBlob": base64.b64encode(part).decode()}).encode()
    headers = {
        "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.UploadLayerPart",
        "Content-Type": "application/x-amz-json-1.1",
    }
    if says_hash:
        headers["X-Amz-Content-SHA256"] = hashlib.sha256(body).hexdigest()
    keys = aws.administrator(SOURCE_ACCOUNT)
    request = AWSRequest("POST", f"{aws.endpoint_url}/", headers, body)
    SigV4Auth(Credentials(keys.access_key, keys.secret_key), "ecr", "us-east-1").add_auth(request)

    sent = body[:-100] + b"B" + body[-99:] if altered else body
    status, text = call(f"{aws.endpoint_url}/", "POST", sent, dict(request.headers.items()))

    assert (status, b"InvalidSignatureException" in text) == ((400, True) if altered else (200, False))


@pytest.mark.parametrize("altered", ["body", "header", "neither"])
def test_signature_covers_body_and_headers(aws: LocalAws, altered: str) -> None:
    keys = aws.administrator(SOURCE_ACCOUNT)
    headers = {"X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": "application/x-amz-json-1.0", "X-Note": "1"}
    request = AWSRequest("POST", f"{aws.endpoint_url}/", headers, b"{}")
    SigV4Auth(Credentials(keys.access_key, keys.secret_key), "sqs", "us-east-1").add_auth(request)
    sent = dict(request.headers.items()) | ({"X-Note": "2"} if altered == "header" else {})

    status, _ = call(f"{aws.endpoint_url}/", "POST", b"{ }" if altered == "body" else b"{}", sent)

    assert status == (200 if altered == "neither" else 403)
