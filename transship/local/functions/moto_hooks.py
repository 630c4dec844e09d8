"""
What of moto is replaced while a `FunctionService` runs, so that moto's events reach it.

| moto | becomes |
|---|---|
| delivery inside `Queue.add_message` to mappings | nothing: the poller delivers, and is woken |
| changed visibility, mappings and rules | the poller or the scheduler is woken |
| mappings without checks | those of CreateEventSourceMapping |
| the trace header of SendMessage | is stored with the message, as SQS does |
| DeadLetterConfig | is kept |
| PutFunctionEventInvokeConfig | replaces what was there |
| a queue's messages, changed by several threads at once | are changed under the queue's lock |

`installed` puts everything back. The names relied on are those patched below; a moto that lost one fails here at once.
"""

from __future__ import annotations

import functools
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from moto.awslambda.exceptions import InvalidParameterValueException, LambdaClientError
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.events.models import EventsBackend
from moto.sqs import models as sqs_models
from moto.sqs.responses import SQSResponse

from transship.local.functions.configuration import find_function
from transship.local.resources import find_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transship.local.functions.service import FunctionService

_trace: ContextVar[str | None] = ContextVar("trace", default=None)


@contextmanager
def installed(service: FunctionService) -> Iterator[None]:
    """Let moto's events reach *service* for as long as the context lasts."""
    with ExitStack() as stack:
        for owner, name, around in _hooks(service):
            original = getattr(owner, name)
            stack.enter_context(patch.object(owner, name, _wrapped(original, around)))
        yield


def _wrapped(original: Callable[..., Any], around: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        return around(original, *args, **kwargs)

    return call


def _hooks(service: FunctionService) -> Iterator[tuple[type, str, Callable[..., Any]]]:
    queue, sqs, functions = sqs_models.Queue, sqs_models.SQSBackend, LambdaBackend
    yield LambdaFunction, "__init__", _keep_dead_letter_config
    yield LambdaFunction, "update_configuration", _update_dead_letter_config
    yield LambdaFunction, "get_configuration", _show_dead_letter_config
    yield functions, "put_function_event_invoke_config", _replace_invoke_config
    yield functions, "create_event_source_mapping", _create_mapping
    yield queue, "delete_message", _locked
    yield sqs, "receive_message", _receive
    yield sqs, "change_message_visibility", _locked_by_name
    yield SQSResponse, "send_message", _remember_trace
    yield SQSResponse, "send_message_batch", _remember_trace
    yield sqs, "send_message", _store_trace
    for owner, name in (
        (queue, "add_message"),
        (sqs, "change_message_visibility"),
        (functions, "create_event_source_mapping"),
        (functions, "update_event_source_mapping"),
        (functions, "delete_event_source_mapping"),
    ):
        yield owner, name, functools.partial(_then, service.poller.wake)
    for name in ("put_rule", "delete_rule", "enable_rule", "disable_rule"):
        yield EventsBackend, name, functools.partial(_then, service.scheduler.wake)


def _then(wake: Callable[[], None], original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    result = original(*args, **kwargs)
    wake()
    return result


def _locked(original: Callable[..., Any], queue: Any, *args: Any) -> Any:
    with queue._messages_lock:  # noqa: SLF001
        return original(queue, *args)


def _locked_by_name(original: Callable[..., Any], backend: Any, queue_name: str, *args: Any, **kwargs: Any) -> Any:
    with backend.get_queue(queue_name)._messages_lock:  # noqa: SLF001
        return original(backend, queue_name, *args, **kwargs)


def _receive(
    original: Callable[..., Any],
    backend: Any,
    queue_name: str,
    count: int,
    wait_seconds_timeout: int,
    *args: Any,
    **kwargs: Any,
) -> Any:
    queue = backend.get_queue(queue_name)
    clock: Any = sqs_models  # whose time functions are the stack's clock: patches.py
    end = clock.unix_time() + wait_seconds_timeout
    with queue._messages_lock:  # noqa: SLF001
        while True:
            messages = original(backend, queue_name, count, 0, *args, **kwargs)
            left = end - clock.unix_time()
            if messages or left <= 0:
                return messages
            queue._messages_lock.wait(min(left, 1.0))  # noqa: SLF001 - a hidden message may become visible unsaid


def _remember_trace(original: Callable[..., Any], response: Any) -> Any:
    token = _trace.set(response.headers.get("X-Amzn-Trace-Id"))
    try:
        return original(response)
    finally:
        _trace.reset(token)


def _store_trace(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    message = original(*args, **kwargs)
    trace = _trace.get()
    if trace and "AWSTraceHeader" not in message.system_attributes:
        message.system_attributes["AWSTraceHeader"] = {"StringValue": trace, "DataType": "String"}
    return message


def _create_mapping(original: Callable[..., Any], backend: Any, spec: dict[str, Any]) -> Any:
    if spec.get("FilterCriteria"):
        raise InvalidParameterValueException("FilterCriteria is not supported by the local AWS")
    queue = find_queue(spec["EventSourceArn"]) if ":sqs:" in spec.get("EventSourceArn", "") else None
    if queue is None:
        return original(backend, spec)
    function = find_function(backend.get_function(spec["FunctionName"]).function_arn)
    if queue.visibility_timeout < function.timeout:  # type: ignore[attr-defined]
        raise InvalidParameterValueException(
            f"Queue visibility timeout: {queue.visibility_timeout} seconds is less than Function timeout: "  # type: ignore[attr-defined]
            f"{function.timeout:.0f} seconds"
        )
    for mapping in backend.list_event_source_mappings(queue.queue_arn, None):
        if mapping.function_arn == str(function.arn):
            raise LambdaClientError(
                "ResourceConflictException",
                f"An event source mapping with SQS arn ({queue.queue_arn}) and function ({function.name}) already "
                f"exists. Please update or delete the existing mapping with UUID {mapping.uuid}",
            )
    mapping = original(backend, spec)
    queue.lambda_event_source_mappings.clear()
    return mapping


def _keep_dead_letter_config(
    original: Callable[..., Any], function: Any, account_id: str, spec: Any, *args: Any, **kwargs: Any
) -> None:
    original(function, account_id, spec, *args, **kwargs)
    function.dead_letter_config = spec.get("DeadLetterConfig")


def _update_dead_letter_config(original: Callable[..., Any], function: Any, updates: dict[str, Any]) -> Any:
    if "DeadLetterConfig" in updates:
        function.dead_letter_config = updates["DeadLetterConfig"]
    return original(function, updates)


def _show_dead_letter_config(original: Callable[..., Any], function: Any, *args: Any, **kwargs: Any) -> Any:
    configuration = original(function, *args, **kwargs)
    if getattr(function, "dead_letter_config", None):
        configuration["DeadLetterConfig"] = function.dead_letter_config
    return configuration


def _replace_invoke_config(original: Callable[..., Any], backend: Any, name: str, config: dict[str, Any]) -> Any:
    backend.get_function(name).event_invoke_config.clear()
    return original(backend, name, config)
