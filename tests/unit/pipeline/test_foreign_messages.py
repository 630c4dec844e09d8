"""Messages that somebody forged or misdirected: counted, dropped and logged; nothing is written, nothing dies."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import handler
from chalicelib.events import ForeignMessageError, parse_hint, parse_notifications
from chalicelib.names import CONFIRM, PUBLISH, PUSH, QUEUES, UPLOADS, Deployment
from chalicelib.oci.digest import Digest
from chalicelib.outside import Outside
from chalicelib.replacing import replace
from tests.archives import docker_save, image
from tests.world import World

KEY: Final = "uploads/team/app/app-1.0.tar"
DEPLOYMENT: Final = Deployment("prod", "aws", "us-east-1", "111122223333")
ARRIVED: Final = {
    "source": "aws.ecr",
    "detail-type": "ECR Replication Action",
    "detail": {
        "source-account": "111122223333",
        "source-region": "us-east-1",
        "repository-name": "team/app",
        "image-digest": str(Digest.of(b"manifest")),
    },
}

Change = Callable[[dict[str, Any]], None]


def set_at(*path: str, to: Any) -> Change:
    def change(record: dict[str, Any]) -> None:
        *outer, name = path
        for step in outer:
            record = record[step]
        record[name] = to

    return change


def drop(*path: str) -> Change:
    def change(record: dict[str, Any]) -> None:
        *outer, name = path
        for step in outer:
            record = record[step]
        del record[name]

    return change


FORGED: Final = {
    "another service": set_at("eventSource", to="aws:sns"),
    "another bucket": set_at("s3", "bucket", "name", to="transship-prod-444455556666-us-east-1"),
    "a bucket that begins alike": set_at("s3", "bucket", "name", to="transship-prod-111122223333-us-east-1-2"),
    "another Region": set_at("awsRegion", to="eu-west-1"),
    "a form that nobody knows": set_at("eventVersion", to="3.0"),
    "a deletion": set_at("eventName", to="ObjectRemoved:Delete"),
    "an event that is no text": set_at("eventName", to=1),
    "no uploader": drop("userIdentity"),
    "an uploader that is no text": set_at("userIdentity", "principalId", to=["AWS:AROAEXAMPLEROLEID0001"]),
    "no key": drop("s3", "object", "key"),
    "a key that is no text": set_at("s3", "object", "key", to={"uploads": 1}),
    "a key of half a surrogate pair": set_at("s3", "object", "key", to="uploads/team/app/\ud800.tar"),
    "a version that is a number": set_at("s3", "object", "versionId", to=7),
    "a version that is nothing": set_at("s3", "object", "versionId", to=None),
    "a sequencer that is a list": set_at("s3", "object", "sequencer", to=[]),
    "an etag that is a number": set_at("s3", "object", "eTag", to=1),
    "a size below nothing": set_at("s3", "object", "size", to=-1),
    "a size that is a text": set_at("s3", "object", "size", to="12"),
    "a size that is true": set_at("s3", "object", "size", to=True),
    "a size that is a fraction": set_at("s3", "object", "size", to=1.5),
    "an object that is a list": set_at("s3", "object", to=[]),
    "nothing at all": lambda record: record.clear(),
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_a_forged_notification_is_counted_and_dropped(change: Change) -> None:
    world = World()
    message = world.notification(world.bucket.put(KEY, docker_save(image())))
    change(message["Records"][0])
    world.queues.deliver(UPLOADS, json.dumps(message))
    world.run()

    assert_dropped(world, UPLOADS)
    assert world.table.rows == {}


ELSEWHERE: Final = {
    "another service": {"eventSource": "aws:kinesis"},
    "another account's queue": {"eventSourceARN": "arn:aws:sqs:us-east-1:444455556666:transship-test-QUEUE"},
    "another Region's queue": {"eventSourceARN": "arn:aws:sqs:eu-west-1:111122223333:transship-test-QUEUE"},
    "another stage's queue": {"eventSourceARN": "arn:aws:sqs:us-east-1:111122223333:transship-prod-QUEUE"},
    "another function's queue": {"eventSourceARN": "arn:aws:sqs:us-east-1:111122223333:transship-test-QUEUE-dead"},
    "another Region": {"awsRegion": "eu-west-1"},
    "nowhere": {"eventSource": "", "eventSourceARN": "", "awsRegion": ""},
}


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("origin", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_message_that_came_from_elsewhere_is_counted_and_dropped(queue: str, origin: dict[str, str]) -> None:
    world = World()
    message = world.notification(world.bucket.put(KEY, docker_save(image())))
    world.queues.deliver(queue, json.dumps(message if queue == UPLOADS else {"v": 1, "upload": "u", "bundle": 0}))
    (sent,) = world.queues.messages[queue]
    sent.origin.update({name: value.replace("QUEUE", queue) for name, value in origin.items()})
    world.run()

    assert_dropped(world, queue)
    assert [reason for _, _, facts in world.log.lines if (reason := facts.get("reason"))] == ["not of our queue"]
    assert world.table.rows == {}
    assert "sqs.change_visibility" not in world.calls, "a receipt of another queue would be refused"


FIRED: Final = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "111122223333",
    "time": "2026-09-21T14:15:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:111122223333:rule/transship-test-sweep-event"],
    "detail": {},
}


@dataclass
class Warm:
    """A process that has begun, whose ports are a world's."""

    world: World

    @property
    def log(self) -> Warm:
        return self

    def begin(self, _: object) -> None:
        """Take the context of an invocation."""

    def outside(self, _: object, extend: Callable[[float], None]) -> Outside:
        return replace(self.world.outside(), extend=extend)


@pytest.fixture(name="warm")
def _warm(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(handler, "_process", Warm(world))
    return world


@pytest.mark.parametrize("event", [{}, {"Records": []}, {"Records": [{"EventSource": "aws:sns", "Sns": {}}]}, FIRED])
def test_an_event_that_is_none_of_a_queue_is_counted_and_dropped(warm: World, event: dict[str, Any]) -> None:
    handler.handle(UPLOADS, event, None)

    assert_dropped(warm, UPLOADS)


def test_our_own_schedule_is_heard(warm: World) -> None:
    handler.run_sweep(FIRED, None)

    assert (warm.metrics.numbers, bool(warm.calls)) == ([], True)


@pytest.mark.parametrize(
    "change",
    [
        {"source": "aws.ecr"},
        {"detail-type": "ECR Image Action"},
        {"account": "444455556666"},
        {"region": "eu-west-1"},
    ],
    ids=json.dumps,
)
def test_a_schedule_that_is_not_ours_is_counted_and_dropped(warm: World, change: dict[str, str]) -> None:
    handler.run_sweep({**FIRED, **change}, None)

    assert (warm.metrics.numbers, warm.calls) == ([("ForeignMessages", 1, {"queue": "sweep"})], [])


HINTS: Final = {
    "another account's registry": set_at("detail", "source-account", to="444455556666"),
    "another Region's registry": set_at("detail", "source-region", to="eu-west-1"),
    "another event": set_at("detail-type", to="ECR Image Action"),
    "no detail": drop("detail"),
    "a detail that is a list": set_at("detail", to=[]),
    "a detail that is a text": set_at("detail", to="x"),
    "a repository that can be none": set_at("detail", "repository-name", to="../other"),
    "a repository that is no text": set_at("detail", "repository-name", to=1),
    "a digest that is none": set_at("detail", "image-digest", to="latest"),
    "a digest that is no text": set_at("detail", "image-digest", to=None),
    "an account that is no text": set_at("detail", "source-account", to=111122223333),
}


@pytest.mark.parametrize("change", HINTS.values(), ids=HINTS)
def test_a_forged_hint_is_counted_and_dropped(change: Change) -> None:
    world = World()
    message = copy.deepcopy(ARRIVED)
    change(message)
    world.queues.deliver(CONFIRM, json.dumps(message))
    world.run()

    assert_dropped(world, CONFIRM)


@pytest.mark.parametrize("queue", [PUSH, PUBLISH, CONFIRM])
@pytest.mark.parametrize(
    "message",
    [
        {"v": 1},
        {"v": 1, "upload": 7},
        {"v": 1, "upload": ["u"]},
        {"v": True, "upload": None},
        {"v": "1", "upload": "u"},
    ],
    ids=json.dumps,
)
def test_a_forged_message_between_our_steps_is_counted_and_dropped(queue: str, message: dict[str, Any]) -> None:
    world = World()
    world.queues.deliver(queue, json.dumps(message))
    world.run()

    assert_dropped(world, queue)


@pytest.mark.parametrize(("queue", "name"), [(PUSH, "bundle"), (CONFIRM, "look")])
@pytest.mark.parametrize("value", ["1", None, [], {}, True, 1.5], ids=json.dumps)
def test_a_bundle_or_look_that_is_no_number_is_counted_and_dropped(queue: str, name: str, value: Any) -> None:
    world = World()
    world.queues.deliver(queue, json.dumps({"v": 1, "upload": "u", name: value}))
    world.run()

    assert_dropped(world, queue)


def assert_dropped(world: World, queue: str) -> None:
    assert not world.queues.messages[queue]
    assert not world.queues.dead[queue]
    assert ("ForeignMessages", 1, {"queue": queue}) in world.metrics.numbers
    assert world.bus.taken == []
    assert world.ecr.calls == []


LEAVES: Final = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.sampled_from(["aws:s3", DEPLOYMENT.bucket, "us-east-1", "2.1", "ObjectCreated:Put", "ECR Replication Action"]),
)  # fmt: skip
MEMBERS: Final = st.sampled_from(
    ["Records", "s3", "object", "bucket", "name", "key", "size", "eTag", "eventSource", "awsRegion", "eventVersion",
     "eventName", "userIdentity", "principalId", "detail", "detail-type", "source-account", "source-region"]
)  # fmt: skip
ANYTHING: Final = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(MEMBERS, inner, max_size=5), max_leaves=12
)


@given(ANYTHING)
def test_anything_is_a_message_or_foreign(body: Any) -> None:
    with suppress(ForeignMessageError):
        parse_notifications(json.dumps(body), DEPLOYMENT)
    with suppress(ForeignMessageError):
        parse_hint(body if isinstance(body, dict) else {"detail": body}, DEPLOYMENT)
