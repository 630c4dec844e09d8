"""`transship status`: recent uploads, or one in full."""

from __future__ import annotations

import boto3
import click

from transship.aws import table
from transship.commands.options import json_option, stage_option
from transship.deployment import find_deployment
from transship.document import upload_document
from transship.errors import CommandError
from transship.observation import Observation, observe
from transship.recent import recent_uploads
from transship.view.recent import show_recent
from transship.view.screen import print_json
from transship.view.upload import show_upload


@click.command("status")
@click.argument("upload", required=False)
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="Uploads to list.")
@stage_option
@json_option
def command(upload: str | None, *, limit: int, stage: str | None, as_json: bool) -> None:
    """
    List recent uploads, or show the one whose id is UPLOAD in full.

    An object that has no record yet is listed as `unknown`: its notification has not arrived.
    """
    session = boto3.Session()
    deployment = find_deployment(session, stage=stage)
    records = table(deployment)
    if upload:
        _one(observe(records, upload), upload, as_json=as_json)
        return
    found = recent_uploads(session.client("s3"), records, deployment.bucket, limit)
    if as_json:
        print_json([one.to_json() for one in found])
    else:
        show_recent(found, deployment)


def _one(seen: Observation | None, upload: str, *, as_json: bool) -> None:
    if seen is None:
        raise CommandError(f"There is no upload {upload}.", "List the recent ones with `transship status`.")
    if as_json:
        print_json(upload_document(seen))
    else:
        show_upload(seen)
