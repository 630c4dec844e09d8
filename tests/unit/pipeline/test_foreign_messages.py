"""Messages that somebody forged or misdirected: counted, dropped and logged; nothing is written, nothing dies."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.events import ForeignMessageError, parse_hint, parse_notifications
from chalicelib.names import CONFIRM, PUBLISH, PUSH, UPLOADS, Deployment
from chalicelib.oci.digest import Digest
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
