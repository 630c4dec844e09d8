"""
What functions print: one file per function, and the part of it that belongs to an invocation.

A process writes its standard output and error into a pipe. START, END and REPORT go through the same pipe, so that
they stand where they belong and the end of an invocation's log is known without waiting for silence.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LineCallback = Callable[[str, str], None]
"""Called with a function's name and a line that it logged, without the line's end."""

LOOK_SECONDS = 5.0
"""How often who waits for a log looks whether its reader still lives; a busy machine may need longer."""


class LogLostError(Exception):
    """The reader of a log died; what an invocation printed is not known."""


class FunctionLogs:
    """Files `FUNCTION.log` in *directory*, each shared by the environments of a function."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._callbacks: list[LineCallback] = []
        self._lock = threading.Lock()

    def path(self, function: str) -> Path:
        """Return the file of *function*."""
        return self._directory / f"{function}.log"

    def subscribe(self, callback: LineCallback) -> None:
        """Call *callback* with every line from now on."""
        self._callbacks.append(callback)

    def write(self, function: str, line: str) -> None:
        """Append *line* to the file of *function* and tell those who subscribed."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with self._lock, self.path(function).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        for callback in self._callbacks:
            callback(function, line)


class LogPipe:
    """
    The pipe between one process and its function's log.

    Attributes:
        descriptor: Write end, for the process.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._source, self.descriptor = os.pipe()
        self._mark = f"\x1e{uuid.uuid4().hex}".encode()
        self._lines: list[str] = []
        self._finished: Future[str] | None = None
        self._reader = threading.Thread(target=self._read, name="function-log", daemon=True)
        self._reader.start()

    def begin(self, line: str) -> None:
        """Start the log of an invocation with *line*."""
        self._finished = Future()
        self._control(b"B", line)

    def finish(self, line: str) -> str:
        """
        End the log of the invocation with *line* and return all of it.

        Raises:
            LogLostError: It cannot come any more.
        """
        if self._finished is None:
            raise RuntimeError("no invocation has begun")
        self._control(b"E", line)
        while self._reader.is_alive():
            with suppress(TimeoutError):
                return self._finished.result(LOOK_SECONDS)
        raise LogLostError(line)

    def close(self) -> None:
        """Let go of the pipe; the process has ended."""
        os.close(self.descriptor)
        self._reader.join(LOOK_SECONDS)

    def _control(self, kind: bytes, line: str) -> None:
        os.write(self.descriptor, self._mark + kind + line.encode() + b"\n")

    def _read(self) -> None:
        with os.fdopen(self._source, "rb") as source:
            for raw in source:
                before, mark, control = raw.rstrip(b"\n").partition(self._mark)
                if before or not mark:
                    self._take(before)
                if mark:
                    self._obey(control[:1], control[1:])

    def _take(self, raw: bytes) -> None:
        # awslambdaric separates the lines of one log event by carriage returns.
        for line in raw.decode(errors="replace").split("\r"):
            self._lines.append(line)
            self._log(line)

    def _obey(self, kind: bytes, line: bytes) -> None:
        if kind == b"B":
            self._take(line)
            return
        self._take(line)
        text = "".join(f"{each}\n" for each in self._lines)
        self._lines.clear()
        if self._finished is not None and not self._finished.done():
            self._finished.set_result(text)
