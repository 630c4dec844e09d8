"""
Every change made to moto's own behaviour, in one place (functions and IAM keep theirs in their own rooms).

| moto | becomes |
|---|---|
| S3's notifications and test events | `s3/notifications.py` |
| a notification configuration | is refused if its queue or function does not let S3 in |
| a notification filter named `Prefix` or `Suffix`, as Chalice sends it | is read in any case |
| a bucket's policy, whose conditions and principals moto does not read | is left to the front door |
| `EventsBackend.put_events` | `events/router.py` |
| `EventsBackend.put_rule` | refuses operators that do not exist, and keeps which account made the rule |
| `EventsBackend.put_targets` | refuses what AWS does (`events/target_checks.py`) |
| event source mappings listed by function | are found by name or ARN, however they were made |
| SQS's time | the stack's clock |
| SetQueueAttributes without a policy | leaves the queue's policy |
| a message's SenderId | its sender |
| system attributes of SendMessageBatch | are kept |
| a message that comes to a queue | remembers its first one, where a dead letter goes back to |
| ids of users | begin with AIDA |
| a long poll of SQS | ends when the stack does |
| under which name a dictionary holds a member of an answer | is remembered (`picker.py`) |
| which methods a class of answers has, looked up for each request | is remembered |
| which backend a host name means, looked up among moto's modules for each request | is remembered |
| warnings of error codes that no model lists | are not given |
| every instance of every model, kept for the data API | is not kept |
| DynamoDB's transactions and queries, which copy and sort whole tables | keep to what is meant (`dynamodb.py`) |

`installed` puts everything back.
What it leans on is named in tests/local/test_moto_contract.py, so that an upgrade of moto fails there first.
"""

from __future__ import annotations

import functools
import inspect
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from moto.awslambda.models import LambdaBackend
from moto.core import errors, responses, utils
from moto.core.common_models import BaseModel
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table
from moto.events.models import EventsBackend
from moto.iam import models as iam_models
from moto.iam.access_control import PermissionResult
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.s3 import notifications as s3_notifications
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response
from moto.sqs import models as sqs_models

from transship.local.accounts import new_user_id
from transship.local.context import current_caller
from transship.local.dynamodb import with_small_backup, within_collection
from transship.local.ecr.errors import ConnectionCut
from transship.local.events.patterns import check_pattern
from transship.local.events.target_checks import check_targets as check_event_targets
from transship.local.message_moves import remember_home
from transship.local.picker import RememberingPicker
from transship.local.s3.notifications import check_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transship.local.clock import Clock
    from transship.local.events.router import EventRouter
    from transship.local.s3.notifications import Notifier


_HOSTS = 256
"""Names of services in Regions that are remembered; a signature may name others."""


class _AnyCode:
    """Stands for the codes that no model lists: moto warns of them, though services do send such ("Common errors")."""

    def __contains__(self, code: object) -> bool:
        return True


@contextmanager
def installed(clock: Clock, notifier: Notifier, router: EventRouter, ending: threading.Event) -> Iterator[None]:
    """Change moto for this process, for as long as the context lasts; *ending* cuts the clients that wait."""
    with ExitStack() as stack:
        for owner, name, replacement in _replacements(clock, notifier, router, ending):
            stack.enter_context(patch.object(owner, name, replacement))
        yield


def _replacements(
    clock: Clock, notifier: Notifier, router: EventRouter, ending: threading.Event
) -> Iterator[tuple[Any, str, Any]]:
    yield errors, "COMMON_ERROR_CODES", _AnyCode()
    yield responses, "XFormedAttributePicker", RememberingPicker
    yield responses, "method_names_from_class", functools.cache(utils.method_names_from_class)
    yield BaseModel, "__new__", staticmethod(lambda cls, *_, **__: object.__new__(cls))
    yield DynamoDBBackend, "transact_write_items", with_small_backup(DynamoDBBackend.transact_write_items)
    yield Table, "query", within_collection(Table.query)
    found = functools.lru_cache(maxsize=_HOSTS)(DomainDispatcherApplication.get_backend_for_host)
    yield DomainDispatcherApplication, "get_backend_for_host", found
    yield s3_notifications, "send_event", lambda _, event, bucket, key: notifier.send(str(event.value), bucket, key)
    yield s3_notifications, "send_test_event", lambda account_id, bucket: notifier.send_test(bucket)  # noqa: ARG005
    yield FakeBucket, "set_notification_configuration", _checked_targets(FakeBucket.set_notification_configuration)
    yield FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL
    yield S3Response, "_notification_config_from_body", _lower_filters(S3Response._notification_config_from_body)  # noqa: SLF001
    yield (
        EventsBackend,
        "put_events",
        # The front door lets moto act in the name of the bus's owner; the event is the caller's.
        lambda backend, events: router.put_events(
            current_caller.get().account or backend.account_id, backend.region_name, events
        ),
    )
    yield EventsBackend, "put_rule", _rule_of_its_creator(EventsBackend.put_rule)
    yield EventsBackend, "put_targets", _checked_event_targets(EventsBackend.put_targets)
    listed = LambdaBackend.list_event_source_mappings
    yield LambdaBackend, "list_event_source_mappings", _by_name_or_arn(listed)
    yield iam_models.User, "__init__", _named_as_aws_does(iam_models.User.__init__)
    yield sqs_models.Queue, "add_message", _remembered(sqs_models.Queue.add_message)
    sqs = sqs_models.SQSBackend
    yield sqs, "receive_message", _cut_short(sqs.receive_message, ending)
    yield sqs, "set_queue_attributes", _keeping_the_policy(sqs.set_queue_attributes)
    yield sqs, "send_message", _from_its_sender(sqs.send_message)
    yield sqs, "send_message_batch", _with_system_attributes(sqs.send_message_batch)
    # moto hides a message for one instant too long, which a clock that stands still makes for ever.
    yield sqs_models.Message, "visible", property(lambda message: clock.now() * 1000 >= message.visible_at)
    yield sqs_models, "unix_time", clock.now
    yield sqs_models, "unix_time_millis", lambda: clock.now() * 1000


def _by_name_or_arn(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def mappings(backend: LambdaBackend, source_arn: str | None, function: str | None) -> list[Any]:
        found = original(backend, source_arn, None)
        return [one for one in found if function is None or _name(one.function_arn) == _name(function)]

    return mappings


def _name(function: str) -> str:
    return function.rpartition("function:")[2].partition(":")[0]


def _named_as_aws_does(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def init(user: iam_models.User, *args: Any, **kwargs: Any) -> None:
        original(user, *args, **kwargs)
        user.id = new_user_id()

    return init


def _keeping_the_policy(original: Callable[..., sqs_models.Queue]) -> Callable[..., sqs_models.Queue]:
    @functools.wraps(original)
    def set_attributes(backend: sqs_models.SQSBackend, queue_name: str, attributes: dict[str, Any]) -> sqs_models.Queue:
        policy = backend.get_queue(queue_name).policy
        return original(backend, queue_name, {"Policy": policy, **attributes})

    return set_attributes


def _from_its_sender(original: Callable[..., sqs_models.Message]) -> Callable[..., sqs_models.Message]:
    @functools.wraps(original)
    def send(backend: sqs_models.SQSBackend, queue_name: str, *args: Any, **kwargs: Any) -> sqs_models.Message:
        with backend.get_queue(queue_name)._messages_lock:  # noqa: SLF001 - nobody receives it half made
            message = original(backend, queue_name, *args, **kwargs)
            message.sender_id = current_caller.get().user_id or message.sender_id
        return message

    return send


def _remembered(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def add(queue: sqs_models.Queue, message: sqs_models.Message) -> None:
        remember_home(queue, message)
        original(queue, message)

    return add


def _with_system_attributes(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def send(backend: sqs_models.SQSBackend, queue_name: str, entries: dict[str, dict[str, Any]]) -> Any:
        given = {entry["Id"]: entry.get("MessageSystemAttributes") or {} for entry in entries.values()}
        with backend.get_queue(queue_name)._messages_lock:  # noqa: SLF001 - nobody receives one half made
            messages, failed = original(backend, queue_name, entries)
            for message in messages:
                message.system_attributes.update(given[message.user_id])
        return messages, failed

    return send


def _cut_short(original: Callable[..., Any], ending: threading.Event) -> Callable[..., Any]:
    @functools.wraps(original)
    def receive(*args: Any, **kwargs: Any) -> Any:
        if ending.is_set():
            raise ConnectionCut
        return original(*args, **kwargs)

    return receive


def _lower_filters(original: Callable[[S3Response], Any]) -> Callable[[S3Response], Any]:
    @functools.wraps(original)
    def read(response: S3Response) -> Any:
        for name in (b"Prefix", b"Suffix"):
            response.body = response.body.replace(b"<Name>%b</Name>" % name, b"<Name>%b</Name>" % name.lower())
        return original(response)

    return read


def _checked_targets(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def set_configuration(bucket: FakeBucket, configuration: dict[str, Any] | None) -> None:
        check_targets(bucket, configuration or {})
        original(bucket, configuration)

    return set_configuration


def _checked_event_targets(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def put_targets(
        backend: EventsBackend, name: str, event_bus_arn: str | None, targets: list[dict[str, Any]]
    ) -> None:
        check_event_targets(targets, backend.region_name)
        original(backend, name, event_bus_arn, targets)

    return put_targets


def _rule_of_its_creator(original: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def put_rule(backend: EventsBackend, *args: Any, **kwargs: Any) -> Any:
        given = signature.bind(backend, *args, **kwargs).arguments
        check_pattern(given.get("event_pattern"))
        bus = backend.event_buses.get((given.get("event_bus_arn") or "default").rpartition("/")[2])
        before = bus.rules.get(given["name"]) if bus else None
        rule = original(backend, *args, **kwargs)
        # The front door lets moto act in the name of the bus's owner; a rule is of the caller that made it first.
        rule.created_by = before.created_by if before else current_caller.get().account or backend.account_id
        return rule

    return put_rule
