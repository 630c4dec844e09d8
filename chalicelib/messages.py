"""
The messages between the steps: which upload, for `push` which bundle, for `publish` from which image on it heals, for
`confirm` which look.

A message carries no state: what is to be done stands in the table, so that any message may arrive twice, late or out
of order. `drive` sends whatever the state of an upload calls for, and may be called at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from chalicelib.events import Notification, renotification
from chalicelib.names import CONFIRM, PUBLISH, PUSH, UPLOADS
from chalicelib.outside import Outside
from chalicelib.state.ledger import Ledger
from chalicelib.state.upload import State, Upload

SHAPE: Final = 1


def send_push(outside: Outside, upload: Upload, bundles: Iterable[int]) -> None:
    """Ask for the layers of *bundles* to be pushed."""
    for bundle in bundles:
        _send(outside, PUSH, upload, bundle=bundle)


def send_publish(outside: Outside, upload: Upload, *, first: int = 0) -> None:
    """Ask for the manifests to be put, or for what heals the images from *first* on."""
    _send(outside, PUBLISH, upload, **({"first": first} if first else {}))


def send_confirm(outside: Outside, upload: Upload, delay: float, *, numbered: bool = True) -> None:
    """Ask for the next look at the destinations in *delay* seconds; not *numbered*, for one in any case."""
    number = {"look": upload.looks} if numbered else {}
    _send(outside, CONFIRM, upload, delay=delay, **number)


def send_back(outside: Outside, upload: Upload) -> None:
    """Ask for an upload to be planned, now that `push` has opened its archive: the message is that of S3."""
    message = renotification(Notification.again(upload), outside.deployment)
    outside.queue.send(UPLOADS, message, group=_whose(outside, upload))


def drive(outside: Outside, upload: Upload) -> None:
    """Send what moves *upload* on from the state that it is in; nothing for one that has ended or is not planned."""
    if upload.state in {State.ACCEPTED, State.PUSHING}:
        layers = Ledger(outside).layers(upload.id)
        pending = sorted({row.record.bundle for row in layers if not row.record.stored})
        send_push(outside, upload, pending or [0])
    elif upload.state is State.RECEIVED and upload.opening and upload.opening.done:
        send_back(outside, upload)
    elif upload.state is State.PUBLISHING:
        send_publish(outside, upload)
    elif upload.state is State.CONFIRMING:
        send_confirm(outside, upload, 0)


def _send(outside: Outside, queue: str, upload: Upload, *, delay: float = 0, **body: Any) -> None:
    whose = _whose(outside, upload)
    message = {"v": SHAPE, "upload": upload.id, "tenant": whose, **body}
    # Fair queues keep such groups from starving each other.
    outside.queue.send(queue, message, delay=round(delay), group=whose)


def _whose(outside: Outside, upload: Upload) -> str:
    return upload.whose(outside.settings.prefix)
