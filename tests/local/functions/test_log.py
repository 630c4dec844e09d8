"""The pipe between a function's process and its log."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from transship.local.functions import log
from transship.local.functions.log import LogLostError, LogPipe


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "LOOK_SECONDS", 0.01)


@pytest.fixture(name="held")
def _held() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_slow_reader_is_waited_for(held: threading.Event) -> None:
    def take(line: str) -> None:
        if line == "END":
            threading.Timer(0.1, held.set).start()
            held.wait()

    pipe = LogPipe(take)
    pipe.begin("START")
    os.write(pipe.descriptor, b"hello\n")

    assert pipe.finish("END") == "START\nhello\nEND\n"
    pipe.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_died_is_not_waited_for() -> None:
    def take(line: str) -> None:
        if line == "END":
            raise OSError("no space left")

    pipe = LogPipe(take)
    pipe.begin("START")

    with pytest.raises(LogLostError):
        pipe.finish("END")
    pipe.close()
