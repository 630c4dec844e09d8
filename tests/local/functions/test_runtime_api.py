"""Answers of the Runtime API that AWS's own client never provokes."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

import pytest

from transship.local.functions.invocation import Invocation
from transship.local.functions.runtime_api import InitError, Reply, RuntimeApi

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "/2018-06-01/runtime"


@pytest.fixture(name="api")
def _api() -> Iterator[RuntimeApi]:
    api = RuntimeApi()
    api.start()
    yield api
    api.abort(RuntimeError("the test is over"))
    api.stop()


@pytest.fixture(name="client")
def _client(api: RuntimeApi) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(api.address, timeout=5)
    yield connection
    connection.close()


def call(client: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    client.request(method, BASE + path, body)
    response = client.getresponse()
    return response.status, response.read()


def test_event_and_its_headers(api: RuntimeApi, client: http.client.HTTPConnection) -> None:
    invocation = Invocation(b'{"n": 1}', "arn:f", "Root=1-a-b", '{"custom": 1}')
    reply = api.run(invocation, 3.0)

    client.request("GET", f"{BASE}/invocation/next")
    response = client.getresponse()

    assert response.read() == b'{"n": 1}'
    assert response.headers["Lambda-Runtime-Aws-Request-Id"] == invocation.request_id
    assert response.headers["Lambda-Runtime-Invoked-Function-Arn"] == "arn:f"
    assert response.headers["Lambda-Runtime-Trace-Id"] == "Root=1-a-b"
    assert response.headers["Lambda-Runtime-Client-Context"] == '{"custom": 1}'
    assert call(client, "POST", f"/invocation/{invocation.request_id}/response", b"7")[0] == 202
    assert reply.result(5) == Reply(b"7", failed=False)


def test_answer_to_another_request_is_refused(api: RuntimeApi, client: http.client.HTTPConnection) -> None:
    api.run(Invocation(b"{}", "arn:f", ""), 3.0)
    call(client, "GET", "/invocation/next")

    status, body = call(client, "POST", "/invocation/other/response", b"7")

    assert (status, json.loads(body)["errorType"]) == (400, "InvalidRequestID")


def test_stale_answer_does_not_take_the_place_of_the_right_one(
    api: RuntimeApi, client: http.client.HTTPConnection
) -> None:
    invocation = Invocation(b"{}", "arn:f", "")
    reply = api.run(invocation, 3.0)
    call(client, "GET", "/invocation/next")
    call(client, "POST", "/invocation/other/response", b"stale")

    assert call(client, "POST", f"/invocation/{invocation.request_id}/error", b"{}")[0] == 202
    assert reply.result(5) == Reply(b"{}", failed=True)


def test_unknown_path(client: http.client.HTTPConnection) -> None:
    assert call(client, "POST", "/restore/next", b"")[0] == 404


def test_init_error_fails_readiness(api: RuntimeApi, client: http.client.HTTPConnection) -> None:
    assert call(client, "POST", "/init/error", b'{"errorType": "X"}')[0] == 202

    with pytest.raises(InitError, match="X"):
        api.ready.result(5)


def test_abort_fails_what_is_awaited_and_what_comes_later(api: RuntimeApi) -> None:
    running = api.run(Invocation(b"{}", "arn:f", ""), 3.0)

    api.abort(EOFError("gone"))

    for future in (running, api.ready, api.run(Invocation(b"{}", "arn:f", ""), 3.0)):
        assert isinstance(future.exception(5), EOFError)
