"""Longer layers go first: how much a layer gives way, and that it does so alone."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from chalicelib.byte_range import ByteRange
from chalicelib.ports.bucket import ByteStream
from chalicelib.transfer.job import TransferOptions
from chalicelib.transfer.layers import store_layers
from chalicelib.transfer.precedence import give_way, niceness
from tests.unit.transfer.rig import PART
from tests.unit.transfer.test_layers import ManyLayers

MIB = 1 << 20
linux = pytest.mark.skipif(sys.platform != "linux", reason="niceness is the process's elsewhere")


@pytest.mark.parametrize(
    ("length", "longest", "by"),
    [
        (420 * MIB, 420 * MIB, 0),
        (400 * MIB, 420 * MIB, 0),
        (267 * MIB, 420 * MIB, 4),
        (210 * MIB, 420 * MIB, 6),
        (1, 420 * MIB, 10),
        (0, 420 * MIB, 0),
        (10, 0, 0),
        (0, 0, 0),
    ],
)
def test_shorter_layers_give_way(length: int, longest: int, by: int) -> None:
    assert niceness(length, longest) == by


@linux
def test_one_thread_gives_way_and_the_others_do_not() -> None:
    before = own_niceness()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(give_way, 3).result()
        assert pool.submit(own_niceness).result() == min(before + 3, 19)

    assert own_niceness() == before


def test_threads_give_way_elsewhere_by_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "nice", no_call)

    give_way(3)


def test_who_may_not_give_way_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def forbid(by: int) -> int:
        asked.append(by)
        raise PermissionError

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "nice", forbid)

    give_way(3)

    assert asked == [3]


@linux
def test_bytes_of_longer_layers_are_made_first() -> None:
    many = ManyLayers(3)
    seen: dict[int, int] = {}

    class Noting:
        def __init__(self) -> None:
            self.size = many.rig.source.size
            self.read: Callable[[ByteRange], bytes] = many.rig.source.read

        def open(self, span: ByteRange) -> AbstractContextManager[ByteStream]:
            seen[span.length // PART] = own_niceness() - before
            opened: AbstractContextManager[ByteStream] = many.rig.source.open(span)
            return opened

    before = own_niceness()
    store_layers(many.tasks(), many.route(source=Noting(), options=TransferOptions(layers_at_once=1)))

    assert seen == {3: 0, 2: niceness(2, 3), 1: niceness(1, 3)}
    assert own_niceness() == before


def own_niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def no_call(by: int) -> int:
    raise AssertionError(f"the process would give way by {by}")
