"""Waiting for an upload to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from chalicelib.state.upload import State
from transship.errors import CommandError
from transship.observation import Observation

POLL_SECONDS: Final = 0.2
"""Between two looks at the record: one query of one collection."""


def follow(
    look: Callable[[], Observation | None],
    show: Callable[[Observation], None],
    *,
    patience: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Observation:
    """
    Look at an upload until it has ended, and return it as it was then.

    Args:
        look: Returns the upload, None as long as it has no record.
        show: Is given every look.
        patience: Seconds until giving up.
        clock: Seconds, from whenever.
        sleep: Waits.

    Raises:
        CommandError: *patience* is over; the upload goes on.
    """
    start = clock()
    while True:
        seen = look()
        if seen:
            show(seen)
            if seen.upload.state.terminal:
                return seen
        if clock() - start > patience:
            raise _given_up(seen, patience)
        sleep(POLL_SECONDS)


def _given_up(seen: Observation | None, patience: float) -> CommandError:
    if seen is None:
        return CommandError(
            f"Nothing is known of the upload after {patience:.0f} s.",
            "The bucket's notification has not arrived: the sweep finds the object later; see `transship status`.",
        )
    return CommandError(
        f"The upload {seen.upload.id} is still {seen.upload.state.value} after {patience:.0f} s.",
        f"It goes on; see `transship status {seen.upload.id}`.",
    )


def succeeded(seen: Observation) -> bool:
    """Whether every destination of every image of the upload has it, read back."""
    return seen.upload.state is State.AVAILABLE
