"""How a command that stays up ends: by Ctrl-C, a polite kill or a closed terminal, in one way, undisturbed."""

from __future__ import annotations

import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def until_stopped(tell: Callable[[str], None]) -> Iterator[None]:
    """Let any of the signals end the block, which is no failure: *tell* is told "stopped" once all is put away."""
    for number in ENDING_SIGNALS:  # a shell's `&` leaves SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        tell("stopped")


def stay() -> NoReturn:
    """
    Wait for one of the signals.

    By a socket that the interpreter writes to at each signal: a lock that is waited for can be left broken by a second
    signal, and then nothing ends the process any more.
    """
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            while True:
                reader.recv(1)
        finally:
            signal.set_wakeup_fd(before)


@contextmanager
def put_away_undisturbed() -> Iterator[None]:
    """Let what surrounds this block be put away without a second Ctrl-C cutting that off."""
    try:
        yield
    finally:
        ignore_endings()


def ignore_endings() -> None:
    """Ignore the signals: an end that is cut off leaves things behind."""
    for number in ENDING_SIGNALS:
        # Not SIG_IGN, which children would inherit, and for which Python complains of a signal that came just before.
        signal.signal(number, _ignore)


def _ignore(number: int, frame: object) -> None:
    del number, frame
