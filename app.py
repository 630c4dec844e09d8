"""Transship on AWS Lambda: one function a step, each behind its queue. What a step does is in `chalicelib`."""

import os
from typing import Any

from chalice import Chalice, Rate

from chalicelib import handler, names
from chalicelib.rates import CONCURRENCY

app = Chalice(app_name="transship")
_STAGE = os.environ.get("TRANSSHIP_STAGE", "dev")


def _queue(queue: str) -> str:
    return names.queue_name(_STAGE, queue)


@app.on_sqs_message(
    queue=_queue(names.UPLOADS), name=names.RECEIVE, batch_size=1, maximum_concurrency=CONCURRENCY[names.RECEIVE]
)
def receive(event: Any) -> None:
    """Step 1: a notification of S3 becomes a plan or a refusal."""
    handler.handle(names.UPLOADS, event.to_dict(), event.context)


@app.on_sqs_message(
    queue=_queue(names.PUSH), name=names.PUSH, batch_size=1, maximum_concurrency=CONCURRENCY[names.PUSH]
)
def push(event: Any) -> None:
    """Step 2: store a bundle of layers."""
    handler.handle(names.PUSH, event.to_dict(), event.context)


@app.on_sqs_message(
    queue=_queue(names.PUBLISH), name=names.PUBLISH, batch_size=1, maximum_concurrency=CONCURRENCY[names.PUBLISH]
)
def publish(event: Any) -> None:
    """Step 3: config, manifests, index, tags."""
    handler.handle(names.PUBLISH, event.to_dict(), event.context)


@app.on_sqs_message(
    queue=_queue(names.CONFIRM), name=names.CONFIRM, batch_size=1, maximum_concurrency=CONCURRENCY[names.CONFIRM]
)
def confirm(event: Any) -> None:
    """Step 4: look at the destinations."""
    handler.handle(names.CONFIRM, event.to_dict(), event.context)


@app.schedule(Rate(5, unit=Rate.MINUTES), name=names.SWEEP)
def sweep(event: Any) -> None:
    """What got lost."""
    handler.run_sweep(event.to_dict(), event.context)
