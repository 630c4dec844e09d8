"""
A production in a thread of its own, so that reading and encoding go on while a part is sent.

Back-pressure: a production that is ahead waits for a buffer, and with it the source. There are only so many buffers
for all layers together; they are made once and used again, so that memory neither grows nor falls to pieces.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from chalicelib.ports.layers import PartBuffer
from chalicelib.transfer.precedence import give_way
from chalicelib.transfer.production import Part, Production


class StoppedError(Exception):
    """The parts are not wanted any more; seen only by the thread that makes them."""


class PartBuffers:
    """
    The buffers of all layers: at most *count*, which *new* makes, handed out to whoever needs one.

    A layer always gives back what it holds, whatever the others do, so nobody waits for ever. With the block that this
    is the context of they are released.
    """

    def __init__(self, count: int, new: Callable[[int], PartBuffer]) -> None:
        self._free: list[PartBuffer] = []
        self._unmade = count
        self._new = new
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._free:
            self._free.pop().release()

    def take(self, size: int, stop: threading.Event) -> PartBuffer:
        """
        Return an empty buffer for parts of *size* bytes, as soon as there is one.

        Raises:
            StoppedError: *stop* was set meanwhile.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._free or self._unmade or stop.is_set())
            if stop.is_set():
                raise StoppedError
            if self._free:
                found = self._free.pop()
                if found.capacity == size:
                    return found
                found.release()  # the new one takes its place
            else:
                self._unmade -= 1
        return self._new(size)

    def give_back(self, used: PartBuffer) -> None:
        """Let others have *used*."""
        used.clear()
        with self._changed:
            self._free.append(used)
            self._changed.notify_all()

    def wake(self) -> None:
        """Make those who wait look at their *stop*."""
        with self._changed:
            self._changed.notify_all()


class ReadAhead:
    """
    Runs one production, a part ahead of whoever takes its parts; it gives way to others by *niceness*.

    Attributes:
        stop: Set when the parts are not wanted any more.
    """

    def __init__(self, buffers: PartBuffers, part_size: int, niceness: int = 0) -> None:
        self._niceness = niceness
        self.stop = threading.Event()
        self._buffers = buffers
        self._part_size = part_size
        self._held: dict[int, PartBuffer] = {}
        self._changed = threading.Condition()
        self._ready: Part | None = None
        self._ended = False
        self._error: BaseException | None = None

    def new_buffer(self) -> PartBuffer:
        """Return a buffer for the production; waits until there is one."""
        taken = self._buffers.take(self._part_size, self.stop)
        self._held[id(taken)] = taken
        return taken

    @contextmanager
    def running(self, production: Production) -> Iterator[Iterator[Part]]:
        """
        Run *production* while the block lasts; its parts come from the iterator, each valid until the next.

        The iterator raises what the production raises.
        """
        thread = threading.Thread(target=self._run, args=(production,), name="read-ahead", daemon=True)
        thread.start()
        try:
            yield self._parts()
        finally:
            self._end(thread)

    def _end(self, thread: threading.Thread) -> None:
        self.stop.set()
        self._buffers.wake()
        with self._changed:
            self._changed.notify_all()
        thread.join()
        for held in self._held.values():
            self._buffers.give_back(held)

    def _parts(self) -> Iterator[Part]:
        while (part := self._next()) is not None:
            yield part
            self._buffers.give_back(self._held.pop(id(part.buffer)))

    def _next(self) -> Part | None:
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._ended)
            part, self._ready = self._ready, None
            self._changed.notify_all()
        if part is None and self._error is not None:
            raise self._error
        return part

    def _run(self, production: Production) -> None:
        try:
            give_way(self._niceness)
            for part in production.parts():
                self._hand_over(part)
        except BaseException as error:  # noqa: BLE001 - raised again where the parts are taken
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _hand_over(self, part: Part) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._ready is None or self.stop.is_set())
            if self.stop.is_set():
                raise StoppedError
            self._ready = part
            self._changed.notify_all()
