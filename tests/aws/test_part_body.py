"""The hand-built body is the one that botocore would have sent, and it is signed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse, HTTPHeaders
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.session import Session

from chalicelib.aws.part_body import PartBody, part_body, send_parts_as_they_are

CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
CALL = {
    "registryId": "111122223333",
    "repositoryName": "team/app",
    "uploadId": "9f3b9d1e-0000-4000-8000-000000000000",
    "partFirstByte": 10,
    "partLastByte": 19,
}


CAPACITY = 6000


def filled(content: bytes, step: int = 1 << 20) -> PartBody:
    """Return the body of a part whose *content* came *step* bytes at a time."""
    part = PartBody(max(len(content), CAPACITY))
    for start in range(0, len(content), step):
        part.write(memoryview(content)[start : start + step])
    return part


class Wire:
    """Sees what would leave, and answers in ECR's stead."""

    def __init__(self, *statuses: int) -> None:
        self.requests: list[AWSPreparedRequest] = []
        self.bodies: list[bytes] = []
        self._statuses = iter(statuses)

    def __call__(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        self.requests.append(request)
        body: Any = request.body
        self.bodies.append(bytes(body))
        status = next(self._statuses, 200)
        body = b'{"lastByteReceived": 19}' if status == 200 else b'{"__type": "ServerException"}'
        return AWSResponse(request.url, status, HTTPHeaders(), Raw(body))


class Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self) -> Iterator[bytes]:
        yield self.body


def client(wire: Wire) -> Any:
    made = Session().create_client(
        "ecr",
        region_name="us-east-1",
        aws_access_key_id=CREDENTIALS.access_key,
        aws_secret_access_key=CREDENTIALS.secret_key,
        config=Config(retries={"mode": "standard", "total_max_attempts": 3}),
    )
    made.meta.events.register("before-send.ecr", wire)  # type: ignore[arg-type]  # answers, as its event may
    return made


def ours(wire: Wire) -> Any:
    made = client(wire)
    send_parts_as_they_are(made)
    return made


def test_body_says_what_botocores_would_say() -> None:
    mine, stock = Wire(), Wire()
    by_us, by_botocore = ours(mine), client(stock)
    for length in (1, 2, 3, 4, 1000, (768 << 10) - 1, 768 << 10, (768 << 10) + 1, (1 << 20) + 2):
        content = (bytes(range(256)) * (length // 256 + 1))[:length]
        by_botocore.upload_layer_part(**CALL, layerPartBlob=content)
        for step in (length, 1 << 18, 1000, 1):
            if length // step > 5_000:
                continue
            by_us.upload_layer_part(**CALL, layerPartBlob=filled(content, step))

            assert json.loads(mine.bodies[-1]) == json.loads(stock.bodies[-1]), (length, step)
            assert _header(mine.requests[-1], "Content-Length") == str(len(mine.bodies[-1]))
            assert _header(mine.requests[-1], "X-Amz-Content-SHA256") == hashlib.sha256(mine.bodies[-1]).hexdigest()


def test_bytes_are_left_to_botocore() -> None:
    mine, stock = Wire(), Wire()

    ours(mine).upload_layer_part(**CALL, layerPartBlob=b"ten bytes.")
    client(stock).upload_layer_part(**CALL, layerPartBlob=b"ten bytes.")

    assert mine.bodies == stock.bodies


def test_body_can_be_asked_for_again_with_other_members() -> None:
    wire = Wire()
    sender, part = ours(wire), filled(b"ten bytes.")
    for upload in ("short", "an id that is much longer than the one before", "short"):
        sender.upload_layer_part(**CALL | {"uploadId": upload}, layerPartBlob=part)

        assert json.loads(wire.bodies[-1])["uploadId"] == upload
        assert json.loads(wire.bodies[-1])["layerPartBlob"] == base64.b64encode(b"ten bytes.").decode()


def test_cleared_body_holds_nothing_of_the_part_before() -> None:
    part = filled(b"x" * CAPACITY)
    for content in (b"short", b"w" * (CAPACITY * 2 // 3), b"y" * CAPACITY, b"z" * (CAPACITY - 1), b""):
        part.request({"a": 1})
        part.clear()
        part.write(memoryview(content))

        body, digest = part.request({"a": 1})

        assert len(part) == len(content)
        assert json.loads(bytes(body)) == {"layerPartBlob": base64.b64encode(content).decode(), "a": 1}
        assert digest == hashlib.sha256(body).hexdigest()


def test_body_that_somebody_still_looks_at_is_left_alone() -> None:
    part = filled(b"x" * CAPACITY)
    body, _ = part.request({"a": 1})
    with memoryview(body) as view:
        before = bytes(view)
        again, _ = part.request({"a": 1, "b": 2})

        assert bytes(view) == before
        assert json.loads(bytes(again))["b"] == 2


def test_released_body_is_used_again_for_parts_of_its_size() -> None:
    first = part_body(CAPACITY + 1)
    first.write(memoryview(b"left over"))
    first.release()

    second, other = part_body(CAPACITY + 1), part_body(CAPACITY + 2)

    assert second is first
    assert not len(second)
    assert other.capacity == CAPACITY + 2


def test_signature_covers_the_body() -> None:
    wire = Wire()
    ours(wire).upload_layer_part(**CALL, layerPartBlob=filled(b"ten bytes."))
    sent = wire.requests[0]

    assert _signature(sent, wire.bodies[0]) == _header(sent, "Authorization")
    assert _signature(sent, wire.bodies[0] + b" ") != _header(sent, "Authorization")


def test_repeated_request_carries_the_part_again() -> None:
    wire = Wire(500, 500)

    answer = ours(wire).upload_layer_part(**CALL, layerPartBlob=filled(b"ten bytes."))

    assert answer["lastByteReceived"] == 19
    assert len(set(wire.bodies)) == 1
    assert len(wire.bodies) == 3


def test_other_calls_are_left_alone() -> None:
    wire = Wire()
    ours(wire).initiate_layer_upload(repositoryName="team/app")

    assert json.loads(wire.bodies[0]) == {"repositoryName": "team/app"}


def _signature(sent: AWSPreparedRequest, body: bytes) -> str:
    """Sign *body* under the headers of *sent*, at the time that they state."""
    signed = _header(sent, "Authorization").partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = {name: _header(sent, name) for name in signed if name != "host"}
    headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()  # the signer believes it
    request = AWSRequest("POST", sent.url, headers, body)
    request.context["timestamp"] = _header(sent, "X-Amz-Date")
    signer = SigV4Auth(CREDENTIALS, "ecr", "us-east-1")
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    return _header(sent, "Authorization").partition("Signature=")[0] + f"Signature={signature}"


def _header(sent: AWSPreparedRequest, name: str) -> str:
    value = sent.headers[name]
    return value.decode() if isinstance(value, bytes) else value
