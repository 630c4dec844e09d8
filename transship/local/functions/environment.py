"""
An execution environment: one process that runs a function's invocations one after the other.

It keeps the limits that Lambda keeps from outside, by its own clock and its own look at the process:
- initialisation has 10 s to itself, what it takes longer counts as time of the invocation;
- an invocation that outlasts the function's timeout is killed;
- a process that holds more memory than configured is killed, or its answer is thrown away if it was faster;
- a process that ends by itself is reported at once, with its status.

Left out: `/tmp` quota, CPU share by memory, memory of processes that the function starts.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Protocol, TypeVar

from transship.local.functions.invocation import (
    UNHANDLED,
    Invocation,
    InvocationUsage,
    Outcome,
    exited,
    out_of_memory,
    timed_out,
)
from transship.local.functions.log import LogPipe
from transship.local.functions.process import FunctionProcess, ProcessExitedError
from transship.local.functions.runtime_api import InitError, RuntimeApi

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transship.local.clock import Clock
    from transship.local.functions.configuration import FunctionConfiguration
    from transship.local.functions.credentials import RoleCredentials
    from transship.local.functions.process import Places
    from transship.local.functions.usage import UsageLedger

T = TypeVar("T")

INIT_SECONDS = 10.0
"""AWS Lambda developer guide, "Lambda execution environment lifecycle"."""

SAMPLE_SECONDS = 0.025
"""How often the memory of a busy process is looked at."""


class Environment(Protocol):
    """Runs invocations of one function, one at a time."""

    function: FunctionConfiguration

    @property
    def usable(self) -> bool:
        """Whether it can take another invocation."""

    def invoke(self, invocation: Invocation) -> Outcome:
        """Run *invocation* and return how it ended."""

    def kill(self) -> None:
        """End it in the middle of whatever it does."""

    def close(self) -> None:
        """End it and free what it has; it is idle or was killed."""


class _TimeIsUpError(Exception):
    """The invocation took longer than it may."""


class _OutOfMemoryError(Exception):
    """The process holds more memory than it may."""


class ProcessEnvironment:
    """
    An environment around a real process.

    Attributes:
        function: The configuration that the process was started with.
    """

    def __init__(
        self,
        function: FunctionConfiguration,
        credentials: RoleCredentials,
        *,
        places: Places,
        endpoint_url: str,
        log: Callable[[str], None],
        clock: Clock,
        ledger: UsageLedger,
    ) -> None:
        self.function = function
        self._credentials = credentials
        self._clock = clock
        self._api = RuntimeApi()
        self._api.start()
        self._log = LogPipe(log)
        self._started = time.monotonic()
        self._warm = False
        self._broken = False
        self.process = FunctionProcess(
            function.handler,
            places,
            function_variables(function, credentials, endpoint_url) | {"AWS_LAMBDA_RUNTIME_API": self._api.address},
            output=self._log.descriptor,
            on_exit=self._api.abort,
        )
        ledger.track(function.name, self.process.usage)

    @property
    def usable(self) -> bool:
        """Whether the process lives, behaved, and holds credentials for another invocation."""
        alive = not (self._broken or self.process.ended.is_set())
        return alive and self._credentials.outlive(self._clock.now() + self.function.timeout)

    def invoke(self, invocation: Invocation) -> Outcome:
        """Run *invocation*; the environment is not `usable` any more if the process failed."""
        usage = self.process.usage
        cpu_before = usage.cpu_seconds() if self._warm else 0.0
        if self._warm:
            usage.begin()
        self._log.begin(f"START RequestId: {invocation.request_id} Version: {self.function.version}")
        began = time.monotonic()
        payload, failed, init_seconds = self._run(invocation)
        used = InvocationUsage(
            seconds=time.monotonic() - began - (init_seconds or 0.0),
            init_seconds=init_seconds,
            cpu_seconds=usage.cpu_seconds() - cpu_before,
            peak_rss_mib=usage.peak_rss_mib(),
        )
        log = self._log.finish(_report(invocation, used, self.function.memory_mib))
        return Outcome(payload, UNHANDLED if failed else None, log, used)

    def kill(self) -> None:
        """End the process in the middle of whatever it does."""
        self._broken = True
        self.process.kill()

    def close(self) -> None:
        """End the process, its API and its log."""
        self.kill()
        self.process.ended.wait()
        self._api.stop()
        self._log.close()

    def _run(self, invocation: Invocation) -> tuple[bytes, bool, float | None]:
        """Return the payload, whether it is a failure, and the time of initialisation."""
        init_seconds = None
        try:
            deadline = time.monotonic() + self.function.timeout
            if not self._warm:
                init_seconds = self._initialise()
                deadline = min(time.monotonic(), self._started + INIT_SECONDS) + self.function.timeout
            reply = self._await(self._api.run(invocation, deadline - time.monotonic()), deadline)
        except (InitError, ProcessExitedError, _TimeIsUpError, _OutOfMemoryError) as error:
            self.kill()
            self.process.ended.wait()
            return self._explain(invocation, error), True, init_seconds
        return reply.payload, reply.failed, init_seconds

    def _initialise(self) -> float:
        self._await(self._api.ready, self._started + INIT_SECONDS + self.function.timeout)
        self._warm = True
        return time.monotonic() - self._started

    def _await(self, future: Future[T], deadline: float) -> T:
        while True:
            left = deadline - time.monotonic()
            try:
                result = future.result(max(0.0, min(left, SAMPLE_SECONDS)))
            except FutureTimeoutError:
                if left <= 0:
                    raise _TimeIsUpError from None
                self._check_memory()
            else:
                self._check_memory()
                return result

    def _check_memory(self) -> None:
        if self.process.usage.peak_rss_mib() > self.function.memory_mib:
            raise _OutOfMemoryError

    def _explain(self, invocation: Invocation, error: Exception) -> bytes:
        match error:
            case InitError():
                return error.payload
            case _TimeIsUpError():
                return timed_out(invocation.request_id, self.function.timeout)
            case _OutOfMemoryError():
                return out_of_memory(invocation.request_id)
        return exited(invocation.request_id, str(error))


def function_variables(
    function: FunctionConfiguration, credentials: RoleCredentials, endpoint_url: str
) -> dict[str, str]:
    """Return the environment variables of a function: its own, and those that Lambda defines over them."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        **function.variables,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        **lambda_variables(function),
    }


def lambda_variables(function: FunctionConfiguration) -> Mapping[str, str]:
    """Return what tells a function what it is (developer guide, "Defined runtime environment variables")."""
    return {
        "_HANDLER": function.handler,
        "AWS_REGION": function.arn.region,
        "AWS_DEFAULT_REGION": function.arn.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mib),
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
    }


def _report(invocation: Invocation, used: InvocationUsage, memory_mib: int) -> str:
    parts = [
        f"REPORT RequestId: {invocation.request_id}",
        f"Duration: {used.seconds * 1000:.2f} ms",
        f"Memory Size: {memory_mib} MB",
        f"Max Memory Used: {used.peak_rss_mib:.0f} MB",
    ]
    if used.init_seconds is not None:
        parts.append(f"Init Duration: {used.init_seconds * 1000:.2f} ms")
    return "\t".join(parts)
