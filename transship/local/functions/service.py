"""
Lambda's data plane on this machine: invocations, synchronous and asynchronous, and what drives them.

`FunctionService` owns everything that runs: environments, pollers, schedules, retries. `stop` leaves no process and
no thread behind.

What a function is (code, configuration, mappings, rules) is moto's to keep; what of moto is replaced so that its APIs
come here is in `moto_hooks`.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from transship.local.clock import RealClock
from transship.local.functions.asynchronous import RETRY_SECONDS, AsynchronousQueue
from transship.local.functions.clients import RoleClients
from transship.local.functions.code import link_runtime, unpack
from transship.local.functions.concurrency import ACCOUNT_CONCURRENCY, Concurrency
from transship.local.functions.configuration import FunctionConfiguration, find_function
from transship.local.functions.credentials import CredentialSource
from transship.local.functions.destinations import Destinations
from transship.local.functions.environment import Environment, ProcessEnvironment
from transship.local.functions.errors import (
    InvalidRequestContentError,
    InvalidRuntimeError,
    RecursiveInvocationError,
    RequestTooLargeError,
)
from transship.local.functions.invocation import Invocation, Outcome
from transship.local.functions.log import FunctionLogs, LineCallback
from transship.local.functions.pool import IDLE_SECONDS, EnvironmentPool, Launch
from transship.local.functions.process import Places
from transship.local.functions.recursion import MAX_RUNS, TraceHeader
from transship.local.functions.schedule import Fire, Scheduler, send_to_targets
from transship.local.functions.sqs_poller import SqsPoller
from transship.local.functions.usage import FunctionUsage, InvocationRecord, UsageLedger
from transship.local.functions.workers import Workers
from transship.local.timer import Timer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transship.local.clock import Clock

MAX_PAYLOAD = {"RequestResponse": 6_291_456, "Event": 1_048_576, "DryRun": 6_291_456}
"""Bytes of an event by invocation type (developer guide, "Lambda quotas")."""

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True)
class InvokeResult:
    """
    The answer to an Invoke call.

    Attributes:
        status: 200 with an outcome, 202 for an accepted event, 204 for a dry run.
        version: Of the function that ran.
    """

    status: int
    request_id: str
    version: str
    outcome: Outcome | None = None


class FunctionService:
    """Runs functions for one local AWS."""

    def __init__(
        self,
        endpoint_url: str,
        data_dir: Path,
        *,
        credentials: CredentialSource,
        clock: Clock | None = None,
        fire: Fire = send_to_targets,
        launch: Launch | None = None,
        code_dir: Path | None = None,
        account_concurrency: int = ACCOUNT_CONCURRENCY,
        idle_seconds: float = IDLE_SECONDS,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        """
        Prepare to run functions; `start` begins.

        Args:
            endpoint_url: Of the local AWS; functions get it as AWS_ENDPOINT_URL.
            data_dir: Code, logs and scratch space of functions go to directories in it.
            credentials: Of function roles.
            clock: For retries and schedules. Time limits of functions are always real: their processes are.
            fire: Delivers a scheduled rule's event to its targets; by default moto does, which knows no functions.
            code_dir: Where zips are unpacked, by their sha256; by default in *data_dir*. A directory that outlives the
                local AWS saves the next one the unpacking and the compiling of what did not change.
            launch: Makes environments; by default processes.
            account_concurrency: Invocations at once per account and Region.
            idle_seconds: How long a warm environment is kept without work.
            retry_seconds: Waits before a failed asynchronous event is tried again.
        """
        self._endpoint_url = endpoint_url
        self._data_dir = data_dir
        self._code_dir = code_dir or data_dir / "code"
        self._runtime_root = data_dir / "runtime"
        self._logs = FunctionLogs(data_dir / "logs")
        self._credentials = credentials
        self._ledger = UsageLedger()
        self.clock = clock or RealClock()
        self.concurrency = Concurrency(account_concurrency)
        self.pool = EnvironmentPool(launch or self._launch, idle_seconds)
        self.workers = Workers(ACCOUNT_CONCURRENCY, thread_name_prefix="function-worker")
        self._timer = Timer(self.clock)
        clients = RoleClients(endpoint_url, self._credentials)
        self._events = AsynchronousQueue(
            self._run,
            Destinations(clients, self.invoke_async),
            clock=self.clock,
            timer=self._timer,
            workers=self.workers,
            retry_seconds=retry_seconds,
        )
        self.poller = SqsPoller(self, clients)
        self.scheduler = Scheduler(self.clock, fire)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to poll queues and to fire schedules."""
        link_runtime(self._runtime_root)
        (self._data_dir / "scratch").mkdir(parents=True, exist_ok=True)
        self.pool.start()
        self._timer.start()
        self.poller.start()
        self.scheduler.start()

    def stop(self) -> None:
        """End everything: running invocations fail, waiting events are forgotten, no process remains."""
        self.scheduler.stop()
        self.poller.stop()
        self._timer.stop()
        self.pool.close()
        self.workers.shutdown(wait=True, cancel_futures=True)

    def invoke(
        self,
        function_arn: str,
        payload: bytes,
        invocation_type: str = "RequestResponse",
        *,
        trace: str | None = None,
        client_context: str | None = None,
    ) -> InvokeResult:
        """
        Invoke a function as Lambda's Invoke does.

        Args:
            function_arn: With or without qualifier.
            payload: The event, JSON; nothing means `{}`.
            invocation_type: RequestResponse, Event or DryRun.
            trace: Trace header of whoever invokes.
            client_context: JSON for the context object, synchronous only.

        Raises:
            InvokeError: The invocation was refused; a function that fails is no error.
        """
        function = find_function(function_arn)
        _check_payload(payload, invocation_type)
        header = TraceHeader.parse(trace)
        invocation = Invocation(payload or b"{}", function_arn, str(header), client_context)
        if invocation_type == "DryRun":
            return InvokeResult(204, invocation.request_id, function.version)
        if invocation_type == "Event":
            self._events.put(invocation)
            return InvokeResult(202, invocation.request_id, function.version)
        return InvokeResult(200, invocation.request_id, function.version, self._run(invocation))

    def invoke_async(self, function_arn: str, event: Any) -> str:
        """Queue *event* for the function and return its request id."""
        return self.invoke(function_arn, json.dumps(event).encode(), "Event").request_id

    def kill(self, function_name: str) -> int:
        """Send SIGKILL to the processes of *function_name* that are in an invocation; return how many."""
        return self.pool.kill(function_name)

    def usage(self, function_name: str | None = None) -> FunctionUsage:
        """Return what the processes of *function_name*, or of all functions, took since the service began."""
        return self._ledger.usage(function_name)

    def invocations(self, since: float = 0.0, function: str | None = None) -> tuple[InvocationRecord, ...]:
        """
        Return finished invocations, oldest first.

        Args:
            since: Only those that ended after it; seconds since the epoch, of the machine's clock.
            function: Only those of the function with this name.
        """
        records = self._ledger.records(since)
        return tuple(record for record in records if function in {None, record.function})

    def on_log(self, callback: LineCallback) -> None:
        """Call *callback* with every line that a function logs from now on."""
        self._logs.subscribe(callback)

    def log_path(self, function_name: str) -> Path:
        """Return the file that holds what *function_name* logged."""
        return self._logs.path(function_name)

    def _run(self, invocation: Invocation) -> Outcome:
        function = find_function(invocation.function_arn)
        header = TraceHeader.parse(invocation.trace_id)
        check_recursion(function, header)
        counted = Invocation(
            invocation.payload,
            invocation.function_arn,
            str(header.after(str(function.arn))),
            invocation.client_context,
            invocation.request_id,
        )
        with self.concurrency.slot(function), self.pool.lend(function) as environment:
            outcome = environment.invoke(counted)
        self._ledger.record(InvocationRecord(function.name, counted, outcome, time.time()))
        return outcome

    def _launch(self, function: FunctionConfiguration) -> Environment:
        if function.runtime != RUNTIME:
            raise InvalidRuntimeError(f"{function.name} wants {function.runtime}, this machine runs {RUNTIME}")
        code = self._code_dir
        return ProcessEnvironment(
            function,
            self._credentials.for_function(function),
            places=Places(
                unpack(function.code, function.code_sha256, code),
                self._runtime_root,
                self._data_dir / "scratch",
                tuple(unpack(layer.content, layer.sha256, code) for layer in function.layers),
            ),
            endpoint_url=self._endpoint_url,
            log=partial(self._logs.write, function.name),
            clock=self.clock,
            ledger=self._ledger,
        )


def check_recursion(function: FunctionConfiguration, header: TraceHeader) -> None:
    """
    Let *function* run once more in the chain of *header*.

    Raises:
        RecursiveInvocationError: It ran `MAX_RUNS` times in it and may not recurse.
    """
    if not function.recursive and header.runs_of(str(function.arn)) >= MAX_RUNS:
        raise RecursiveInvocationError(
            f"Lambda has detected the function {function.name} being invoked in a recursive loop with other AWS "
            "resources and stopped it."
        )


def _check_payload(payload: bytes, invocation_type: str) -> None:
    limit = MAX_PAYLOAD.get(invocation_type, MAX_PAYLOAD["RequestResponse"])
    if len(payload) > limit:
        raise RequestTooLargeError(f"Request must be smaller than {limit} bytes for the InvokeFunction operation")
    if not payload:
        return
    try:
        json.loads(payload)
    except ValueError as error:
        raise InvalidRequestContentError(f"Could not parse request body into json: {error}") from error
