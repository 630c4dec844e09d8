"""
Lambda's Runtime API: how a function's process asks for work and answers (version 2018-06-01).

Each process has an API of its own, on its own port, because the address in AWS_LAMBDA_RUNTIME_API carries no path.

- `GET  /runtime/invocation/next` blocks until there is an event; the first one says that initialisation is over;
- `POST /runtime/invocation/ID/response` and `…/error` end the invocation;
- `POST /runtime/init/error` says why there will be none.

Left out: response streaming, the Extensions, Telemetry and Logs APIs, SnapStart's restore.
"""

from __future__ import annotations

import json
import re
import threading
import time
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from transship.local.ecr.errors import ConnectionCut
from transship.local.server import WsgiServer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from transship.local.functions.invocation import Invocation

T = TypeVar("T")

MAX_RESPONSE = 6_291_556
"""Bytes of an answer that Lambda passes on (AWS Lambda developer guide, "Lambda quotas": 6 MB)."""

_BASE = "/2018-06-01/runtime"
_ANSWER = re.compile(re.escape(_BASE) + r"/invocation/(?P<id>[^/]+)/(?P<kind>response|error)")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the runtime posted for an invocation; *failed* if it posted an error."""

    payload: bytes
    failed: bool


class InitError(Exception):
    """The runtime could not load the function; *payload* is the JSON that it posted."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload.decode(errors="replace"))
        self.payload = payload


class RuntimeApi:
    """
    The API of one process.

    Attributes:
        ready: Done when the process asks for its first event; fails with `InitError`, or with what `abort` was given.
    """

    def __init__(self) -> None:
        self.ready: Future[None] = Future()
        self._server = WsgiServer(self._application)
        self._changed = threading.Condition()
        self._waiting: tuple[Invocation, float] | None = None
        self._running: tuple[str, Future[Reply]] | None = None
        self._ended: BaseException | None = None

    @property
    def address(self) -> str:
        """`HOST:PORT`, for AWS_LAMBDA_RUNTIME_API."""
        return self._server.host_port

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()

    def stop(self) -> None:
        """Cut the connection of a process that waits, and end the server; `abort` comes first."""
        self._server.stop()

    def run(self, invocation: Invocation, timeout: float) -> Future[Reply]:
        """Hand *invocation*, which may take *timeout* seconds, to the process; one at a time."""
        reply: Future[Reply] = Future()
        with self._changed:
            self._running = (invocation.request_id, reply)
            self._waiting = (invocation, timeout)
            if self._ended is not None:
                reply.set_exception(self._ended)
            self._changed.notify_all()
        return reply

    def abort(self, error: BaseException) -> None:
        """Fail whatever is awaited, now and later, with *error*: there is no process any more."""
        with self._changed:
            self._ended = error
            self._changed.notify_all()
            awaited: list[Future[Any]] = [self.ready, self._running[1]] if self._running else [self.ready]
        for future in awaited:
            _fail(future, error)

    def _application(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == f"{_BASE}/invocation/next":
            return self._answer_next(start_response)
        body = environ["wsgi.input"].read()
        if path == f"{_BASE}/init/error":
            _fail(self.ready, InitError(body))
            return _accepted(start_response)
        if answer := _ANSWER.fullmatch(path):
            return self._take_answer(answer["id"], Reply(body, answer["kind"] == "error"), start_response)
        return _refuse(start_response, "404 Not Found", "NotFound", f"there is no {path}")

    def _answer_next(self, start_response: StartResponse) -> Iterable[bytes]:
        if not self.ready.done():
            _settle(self.ready, None)
        invocation, timeout = self._next()
        headers = [
            ("Content-Type", "application/json"),
            ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(int((time.time() + timeout) * 1000))),
            ("Lambda-Runtime-Invoked-Function-Arn", invocation.function_arn),
            ("Lambda-Runtime-Trace-Id", invocation.trace_id),
        ]
        if invocation.client_context:
            headers.append(("Lambda-Runtime-Client-Context", invocation.client_context))
        start_response("200 OK", headers)
        return [invocation.payload]

    def _next(self) -> tuple[Invocation, float]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if self._ended is not None or self._waiting is None:
                raise ConnectionCut
            waiting, self._waiting = self._waiting, None
            return waiting

    def _take_answer(self, request_id: str, reply: Reply, start_response: StartResponse) -> Iterable[bytes]:
        with self._changed:
            running = self._running
            if running and running[0] == request_id:
                self._running = None
        if running is None or running[0] != request_id:
            return _refuse(start_response, "400 Bad Request", "InvalidRequestID", "Invalid request ID")
        if len(reply.payload) > MAX_RESPONSE:
            message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes)."
            error = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
            _settle(running[1], Reply(json.dumps(error).encode(), failed=True))
            return _refuse(start_response, "413 Payload Too Large", "RequestEntityTooLarge", message)
        _settle(running[1], reply)
        return _accepted(start_response)


def _settle(future: Future[T], result: T) -> None:
    with suppress(InvalidStateError):  # the process was given up in the same moment: its answer comes too late
        future.set_result(result)


def _fail(future: Future[Any], error: BaseException) -> None:
    with suppress(InvalidStateError):  # it was answered before
        future.set_exception(error)


def _accepted(start_response: StartResponse) -> Iterable[bytes]:
    start_response("202 Accepted", [("Content-Type", "application/json")])
    return [b'{"status":"OK"}']


def _refuse(start_response: StartResponse, status: str, error_type: str, message: str) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps({"errorType": error_type, "errorMessage": message}).encode()]
