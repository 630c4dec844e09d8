"""Waiting for the end of an upload."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.replacing import replace
from chalicelib.state.upload import State
from tests.app.cli.conftest import UPLOAD
from transship.errors import CommandError
from transship.following import POLL_SECONDS, follow, succeeded
from transship.observation import Observation


class _Time:
    """Passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _at(state: State) -> Observation:
    return Observation(replace(UPLOAD, state=state))


def _follow(looks: Iterator[Observation | None], patience: float = 10.0) -> tuple[Observation, list[State], float]:
    time, shown = _Time(), list[State]()
    last = follow(
        lambda: next(looks),
        lambda seen: shown.append(seen.upload.state),
        patience=patience,
        clock=lambda: time.now,
        sleep=time.sleep,
    )
    return last, shown, time.now


def test_returns_at_the_first_look_that_shows_an_end() -> None:
    looks = [None, _at(State.RECEIVED), _at(State.CONFIRMING), _at(State.AVAILABLE), _at(State.FAILED)]

    last, shown, took = _follow(iter(looks))

    assert last.upload.state is State.AVAILABLE
    assert shown == [State.RECEIVED, State.CONFIRMING, State.AVAILABLE]
    assert took == pytest.approx(3 * POLL_SECONDS)


@pytest.mark.parametrize(
    ("seen", "says"),
    [(None, "Nothing is known"), (_at(State.PUSHING), "still pushing")],
    ids=["no-record", "unfinished"],
)
def test_gives_up_when_patience_is_over(seen: Observation | None, says: str) -> None:
    def always() -> Iterator[Observation | None]:
        while True:
            yield seen

    with pytest.raises(CommandError, match=says):
        _follow(always())


@pytest.mark.parametrize("state", [state for state in State if state.terminal], ids=str)
def test_only_available_is_success(state: State) -> None:
    assert succeeded(_at(state)) == (state is State.AVAILABLE)
