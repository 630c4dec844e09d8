"""`transship retry`: a new attempt on an upload that failed or was rejected."""

from __future__ import annotations

import time

import boto3
import click

from chalicelib.aws.session import Session
from chalicelib.aws.sqs import SqsQueues
from chalicelib.events import Notification, renotification
from chalicelib.names import UPLOADS
from transship.aws import table
from transship.commands.options import json_option, stage_option
from transship.deployment import find_deployment
from transship.retrying import begin_attempt
from transship.view.screen import print_json, say


@click.command("retry")
@click.argument("upload")
@stage_option
@json_option
def command(upload: str, *, stage: str | None, as_json: bool) -> None:
    """
    Try the upload whose id is UPLOAD again, after its cause was mended.

    A new attempt reads the same version of the object; what the last one has pushed already is not moved again.
    """
    deployment = find_deployment(boto3.Session(), stage=stage)
    fresh = begin_attempt(table(deployment), upload, time.time())
    message = renotification(Notification.again(fresh), deployment)
    SqsQueues(Session(), deployment.stage).send(UPLOADS, message)
    if as_json:
        print_json({"status": fresh.state.value, "upload": {"id": fresh.id, "attempt": fresh.attempt}})
    else:
        say(f"attempt {fresh.attempt} of {fresh.id} has begun; follow it with: transship status {fresh.id}")
