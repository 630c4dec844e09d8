"""
Functions inside this process, for the debugger and for fast tests.

`InProcess(directory)` takes the place of the process launcher: `FunctionService(…, launch=InProcess(directory))`.
Deployed functions are then looked up by their handler (`app.receive`) in the modules of *directory*, the project
itself, so that a breakpoint in it holds; queues, events and retries drive them as ever.

Left out, because threads have no such things: the deployed zip, isolation from installed packages, roles of their own
(clients use the credentials of this process), limits of time and memory, `kill`.
Handlers run one at a time, since each sees its own variables in `os.environ`; a handler that synchronously invokes
another function waits for ever.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from awslambdaric.lambda_context import LambdaContext
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

from transship.local.functions.environment import lambda_variables
from transship.local.functions.invocation import UNHANDLED, Invocation, InvocationUsage, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from transship.local.functions.configuration import FunctionConfiguration

_one_at_a_time = threading.RLock()


class InProcess:
    """Launches environments that call the handlers of the modules in a directory."""

    def __init__(self, directory: Path, variables: Mapping[str, str] | None = None) -> None:
        """
        Serve the modules of *directory*.

        Args:
            directory: Where `app.py` is.
            variables: Set while a handler runs, under its own: endpoint and credentials, say.
        """
        self._directory = directory
        self._variables = variables or {}

    def __call__(self, function: FunctionConfiguration) -> InProcessEnvironment:
        """Return an environment for *function*; its module is imported with the first invocation."""
        return InProcessEnvironment(function, self._directory, self._variables)


class InProcessEnvironment:
    """Calls one handler; see `environment.Environment`."""

    usable = True

    def __init__(self, function: FunctionConfiguration, directory: Path, variables: Mapping[str, str]) -> None:
        self.function = function
        self._directory = directory
        self._variables = {**variables, **function.variables, **lambda_variables(function)}

    def invoke(self, invocation: Invocation) -> Outcome:
        """Call the handler with the event and a context object, and return how it ended."""
        variables = self._variables | {"_X_AMZN_TRACE_ID": invocation.trace_id}
        with _one_at_a_time, patch.dict(os.environ, variables), _first_on_path(self._directory):
            began = time.monotonic()
            payload, error = self._call(invocation)
            used = InvocationUsage(seconds=time.monotonic() - began)
        return Outcome(payload, error, "", used)

    def kill(self) -> None:
        """Do nothing: a thread cannot be killed, it is waited for."""

    def close(self) -> None:
        """Do nothing: there is no process to end."""

    def _call(self, invocation: Invocation) -> tuple[bytes, str | None]:
        try:
            handler = load_handler(self._directory, self.function.handler)
            answer = handler(json.loads(invocation.payload), self._context(invocation))
            text, _ = LambdaMarshaller().marshal_response(answer)
        except Exception as error:  # noqa: BLE001 - whatever a function raises is its outcome
            return _describe(error, invocation), UNHANDLED
        return text if isinstance(text, bytes) else text.encode(), None

    def _context(self, invocation: Invocation) -> LambdaContext:
        client_context = json.loads(invocation.client_context) if invocation.client_context else None
        deadline = int((time.time() + self.function.timeout) * 1000)
        return LambdaContext(invocation.request_id, client_context, None, deadline, invocation.function_arn)


def load_handler(directory: Path, handler: str) -> Callable[[Any, Any], Any]:
    """
    Return the callable that *handler*, `MODULE.NAME`, is in *directory*, which is on the path.

    Raises:
        ImportError: There is no such module.
        AttributeError: It has no such attribute.
    """
    module_name, _, name = handler.rpartition(".")
    module_name = module_name.replace("/", ".")
    loaded = getattr(sys.modules.get(module_name), "__file__", None)
    if loaded and not Path(loaded).is_relative_to(directory):
        del sys.modules[module_name]  # another project's app.py
    found: Callable[[Any, Any], Any] = getattr(importlib.import_module(module_name), name)
    return found


@contextmanager
def _first_on_path(directory: Path) -> Iterator[None]:
    sys.path.insert(0, str(directory))
    try:
        yield
    finally:
        sys.path.remove(str(directory))


def _describe(error: Exception, invocation: Invocation) -> bytes:
    """Return what awslambdaric posts for *error*."""
    result = {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": invocation.request_id,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }
    return json.dumps(result).encode()
