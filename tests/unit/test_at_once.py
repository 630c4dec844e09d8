"""Calls at the same time: their order, their errors, their number."""

from __future__ import annotations

import threading

import pytest

from chalicelib.at_once import Each, at_once, in_turn

PATIENCE = 10.0  # seconds until those who wait for each other give up


@pytest.mark.parametrize("each", [at_once, in_turn])
@pytest.mark.parametrize("count", [0, 1, 3, 9])
def test_results_come_in_the_order_of_things(each: Each, count: int) -> None:
    assert each(lambda number: number * number, range(count)) == [number * number for number in range(count)]


@pytest.mark.parametrize("each", [at_once, in_turn])
def test_the_first_error_in_order_is_raised(each: Each) -> None:
    def refuse(number: int) -> int:
        if number:
            raise ValueError(number)
        return number

    with pytest.raises(ValueError, match="1"):
        each(refuse, range(4))


def test_four_at_once() -> None:
    meeting = threading.Barrier(4)

    assert sorted(at_once(lambda _: meeting.wait(PATIENCE), range(4))) == [0, 1, 2, 3]


def test_no_more_than_four_threads() -> None:
    threads = at_once(lambda _: threading.current_thread().name, range(40))

    assert len(set(threads)) <= 4


def test_one_thing_needs_no_thread() -> None:
    assert at_once(lambda _: threading.current_thread(), range(1)) == [threading.current_thread()]
