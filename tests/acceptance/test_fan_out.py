"""A large image through the deployed functions: pushed by several processes at once, joined once."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from chalicelib.names import PUBLISH, PUSH, RECEIVE, function_name
from chalicelib.state.upload import State
from tests import archives
from tests.acceptance.producer import Producer
from transship.local.functions.usage import InvocationRecord
from transship.local_stage import LocalStage

pytestmark = [pytest.mark.check, pytest.mark.timeout(300)]

MIB = 1 << 20
LAYERS = 4


@pytest.fixture(name="small_bundles")
def bundles_of_sixteen_mebibytes(producer: Producer) -> Iterator[None]:
    """Let `receive` cut an image into small bundles; it decides alone how many there are."""
    client, name = producer.stage.client("lambda"), function_name("local", RECEIVE)
    before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    small = {**before, "TRANSSHIP_BUNDLE_BYTES": str(16 * MIB)}
    client.update_function_configuration(FunctionName=name, Environment={"Variables": small})
    try:
        yield
    finally:
        client.update_function_configuration(FunctionName=name, Environment={"Variables": before})


@contextmanager
def meeting(stage: LocalStage, operation: str, count: int) -> Iterator[None]:
    """Let the first *count* calls of *operation* wait for each other at the door."""
    server = stage.aws._server  # the one place where every call passes
    app, barrier, calls = server.app, threading.Barrier(count, timeout=120), itertools.count()

    def door(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_X_AMZ_TARGET", "").endswith(f".{operation}") and next(calls) < count:
            barrier.wait()
        return app(environ, start)

    server.app = door
    try:
        yield
    finally:
        server.app = app
    assert not barrier.broken, "they never met"


@pytest.mark.usefixtures("small_bundles")
def test_several_functions_push_one_image_which_is_put_once(producer: Producer) -> None:
    layers = tuple(archives.layer(f"fan-out {number}", size=64 * MIB) for number in range(LAYERS))
    began = time.time()

    with meeting(producer.stage, "InitiateLayerUpload", 2):  # a bundle has one layer: two functions
        seen = producer.push("uploads/vendor/fan-out/app-1.tar", archives.docker_save(archives.Image(layers)))

    assert seen.upload.state is State.AVAILABLE
    assert [event.detail_type for event in seen.events].count("Image Pushed") == 1
    pushes = working(producer.stage.aws.functions.invocations(since=began, function=function_name("local", PUSH)))
    assert {bundle(one) for one in pushes} == set(range(LAYERS)), "a message for each bundle"
    assert any(later_began < ended for (_, ended), (later_began, _) in pairwise(sorted(map(span, pushes))))
    puts = producer.stage.aws.functions.invocations(since=began, function=function_name("local", PUBLISH))
    assert len([one for one in puts if not one.outcome.function_error and "published" in one.outcome.log]) == 1
    assert seen.upload.tally["layers"] == LAYERS
    producer.await_quiet()


def working(records: tuple[InvocationRecord, ...]) -> list[InvocationRecord]:
    return [one for one in records if not one.outcome.function_error]


def bundle(record: InvocationRecord) -> int:
    """Return the number in the message that an invocation was about."""
    (message,) = json.loads(record.invocation.payload)["Records"]
    return int(json.loads(message["body"])["bundle"])


def span(record: InvocationRecord) -> tuple[float, float]:
    """Return when an invocation began and ended."""
    return record.ended - record.outcome.usage.seconds, record.ended
