"""
Queues as the pollers see them, and the one place that reads moto's SQS backend.

Only looked at: messages are received and deleted through the API, with the function's permissions.
"""

from __future__ import annotations

from dataclasses import dataclass

from moto.sqs import models as sqs_models

from transship.local.resources import find_queue


@dataclass(frozen=True, slots=True)
class Backlog:
    """
    What waits in a queue.

    Attributes:
        visible: Messages that could be received now.
        next_visible: Seconds until the next of the others can be; None: there is no other.
        visibility_timeout: Seconds that a message received now stays hidden.
    """

    visible: int
    next_visible: float | None
    visibility_timeout: float


def backlog(queue_arn: str) -> Backlog | None:
    """Return what waits in the queue that *queue_arn* names; None if there is none."""
    queue = find_queue(queue_arn)
    if queue is None:
        return None
    now = sqs_models.unix_time_millis()  # type: ignore[attr-defined] # the stack's clock: patches.py
    times = [max(message.visible_at, message.delayed_until) for message in list(queue._messages)]  # noqa: SLF001
    hidden = [time for time in times if time >= now]
    # moto compares with > and in milliseconds: one more makes sure that the message is visible then.
    wait = (min(hidden) - now + 1) / 1000 if hidden else None
    return Backlog(len(times) - len(hidden), wait, float(queue.visibility_timeout))  # type: ignore[attr-defined]
