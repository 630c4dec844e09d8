"""Messages that AWS itself puts on moto's queues: of S3, of EventBridge, of dead targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moto.sqs.models import sqs_backends

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moto.sqs.models import Queue


def send(queue: Queue, body: str, *, group_id: str | None = None, attributes: Mapping[str, str] | None = None) -> None:
    """Send *body* to *queue*, with string attributes."""
    typed = {name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()}
    sqs_backends[queue.account_id][queue.region].send_message(
        queue.name, body, message_attributes=typed, group_id=group_id
    )
