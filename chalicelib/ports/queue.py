"""The queues between the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct


class Queue(Protocol):
    """The queues between the steps, by their name in `settings`."""

    def send(self, queue: str, body: Mapping[str, Any], *, delay: int = 0, group: str = "") -> None:
        """Send *body* to be delivered after *delay* seconds (0 to 900); *group* keeps tenants apart."""

    def dead_letters(self, queue: str) -> Sequence[DeadLetter]:
        """Take up to 10 messages from the queue's dead-letter queue; they come back unless `bury` follows."""

    def bury(self, letter: DeadLetter) -> None:
        """Delete a dead letter that was dealt with."""


class DeadLetter(Struct, frozen=True):
    """A message that failed too often."""

    queue: str
    body: str
    receipt: str
