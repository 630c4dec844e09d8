"""
Leases: one function at a time works on one step of an upload.

A lease is short and its holder renews it while it works (`Heartbeat`), so that a killed function costs seconds and
not its whole timeout. A holder that could not renew in time stops by itself: `held` turns false before anybody else
may take over. A request of such a holder that is already on its way is settled by what it writes to: the table by
revisions, ECR by the order of parts and by the digest (docs/decisions/0002).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Self

from chalicelib.errors import ConflictError, LeaseHeld, TransshipError
from chalicelib.outside import Outside
from chalicelib.ports.table import Key, Put
from chalicelib.state.ledger import parts_expire
from chalicelib.state.upload import SHAPE, collection

_SAFETY: Final = 2.0  # seconds before the end at which the holder stops believing in its lease


class Lease:
    """
    The right to work on one step of one upload until `until`.

    Raises:
        LeaseHeld: On construction, when somebody else holds it.
    """

    def __init__(self, outside: Outside, upload_id: str, step: str) -> None:
        self._outside = outside
        self._key = Key(collection(upload_id), f"lease#{step}")
        self._lock = threading.Lock()
        stored = outside.table.get(self._key)
        if stored and stored.item["until"] > outside.clock.now():
            raise LeaseHeld(f"another function works on {step} of {upload_id}")
        self._revision = stored.revision if stored else 0
        self.until = 0.0
        try:
            self.renew()
        except ConflictError as error:
            raise LeaseHeld(f"another function took {step} of {upload_id}") from error

    def renew(self) -> None:
        """
        Hold on for another `settings.lease` seconds.

        Raises:
            ConflictError: Somebody else has taken over.
        """
        with self._lock:
            until = self._outside.clock.now() + self._outside.settings.lease
            self._outside.table.write([self._put(until)])
            self._revision += 1
            self.until = until

    @property
    def held(self) -> bool:
        """Whether nobody else can have it."""
        return self._outside.clock.now() < self.until - _SAFETY

    def give_up(self) -> Put:
        """
        Return the change that ends the lease, to be written with what was decided under it.

        The item stays: were it deleted, revisions would start again and a holder long dead could match one.
        """
        return self._put(0.0)

    def _put(self, until: float) -> Put:
        return Put(self._key, {"v": SHAPE, "until": until}, self._revision, expires=parts_expire(self._outside))

    def release(self) -> None:
        """End the lease now; one that was lost or given up with a decision is not ours to end."""
        try:
            self._outside.table.write([self.give_up()])
        except ConflictError:
            self.until = 0.0

    def beat(self) -> None:
        """Renew the lease, and keep the message that brought us here from coming back to somebody else."""
        self.renew()
        self._outside.extend(self._outside.settings.lease)

    @classmethod
    @contextmanager
    def hold(cls, outside: Outside, upload_id: str, step: str) -> Iterator[Self]:
        """Hold the lease, renewing it, for the length of a `with` block."""
        lease = cls(outside, upload_id, step)
        try:
            with outside.alive(lease.beat):
                yield lease
        finally:
            lease.release()


class Heartbeat:
    """
    Calls *beat* every *interval* seconds of real time from a thread of its own, until it fails or the block ends.

    A beat that fails is not repeated: what it should have prolonged runs out, and its holder sees that.
    """

    def __init__(self, interval: float, beat: Callable[[], None]) -> None:
        self._interval = interval
        self._beat = beat
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self._beat()
            except TransshipError:
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
