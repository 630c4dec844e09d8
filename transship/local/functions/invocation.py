"""
What goes into a function and what comes out: values without behaviour of their own.

The texts of failures are Lambda's, as it writes them into the payload of a failed invocation.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field

UNHANDLED = "Unhandled"
"""Value of X-Amz-Function-Error; managed runtimes send no other."""


def new_request_id() -> str:
    """Return a request id of the shape that Lambda gives."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Invocation:
    """
    One run of a function.

    Attributes:
        payload: The event, JSON.
        function_arn: ARN that was invoked, with its qualifier if one was given.
        trace_id: Value of `_X_AMZN_TRACE_ID` while the function runs.
        client_context: JSON that the caller of a synchronous invocation passed.
        request_id: The same for every retry of an asynchronous event.
    """

    payload: bytes
    function_arn: str
    trace_id: str
    client_context: str | None = None
    request_id: str = field(default_factory=new_request_id)


@dataclass(frozen=True, slots=True)
class InvocationUsage:
    """
    What one invocation took, initialisation included if it was the first of its environment.

    Attributes:
        seconds: From handing the event over to the answer.
        init_seconds: From process start until it asked for its first event; None in a warm environment.
        cpu_seconds: User and system time of the function's process (and children that it waited for).
        peak_rss_mib: Largest resident set of the process, MiB.
    """

    seconds: float = 0.0
    init_seconds: float | None = None
    cpu_seconds: float = 0.0
    peak_rss_mib: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How an invocation ended.

    Attributes:
        payload: The function's answer, or the JSON that describes the failure.
        function_error: None for success, else `UNHANDLED`.
        log: Everything logged from START to REPORT.
        usage: What it took.
    """

    payload: bytes
    function_error: str | None = None
    log: str = ""
    usage: InvocationUsage = InvocationUsage()

    @property
    def error_type(self) -> str | None:
        """Return `errorType` of a failure, None for success."""
        return json.loads(self.payload).get("errorType") if self.function_error else None


def failure_payload(error_type: str, message: str) -> bytes:
    """Return the JSON that Lambda answers for a failure of its own, not the function's."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


def timed_out(request_id: str, seconds: float) -> bytes:
    """Return the payload for a function that ran longer than its *seconds*."""
    return failure_payload(
        "Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
    )


def out_of_memory(request_id: str) -> bytes:
    """Return the payload for a function that was killed because it held more memory than configured."""
    return failure_payload(
        "Runtime.OutOfMemory", f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
    )


def exited(request_id: str, status: str) -> bytes:
    """Return the payload for a process that ended by itself; *status* is `exit status N` or `signal: NAME`."""
    reason = (
        "Runtime exited without providing a reason"
        if status == "exit status 0"
        else f"Runtime exited with error: {status}"
    )
    return failure_payload("Runtime.ExitError", f"RequestId: {request_id} Error: {reason}")
