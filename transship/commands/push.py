"""`transship push`: an archive goes into the bucket, and with --wait to the end of its way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import click

from chalicelib.names import Deployment
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.state.upload import State, upload_id
from transship.aws import table
from transship.commands.options import json_option, stage_option
from transship.deployment import find_deployment
from transship.document import upload_document
from transship.following import follow, succeeded
from transship.keys import PREFIX, upload_key
from transship.observation import Observation, observe
from transship.receipts import describe_receipt, follow_receipt
from transship.sending import send
from transship.view.screen import print_json, say
from transship.view.transfer import transferring
from transship.view.upload import watching
from transship.workstation import deployed_settings


@click.command("push")
@click.argument("archive", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--bucket", help="The bucket of uploads.  [default: the deployment's]")
@click.option("--key", help="The object's key.  [default: uploads/<repository>/<file name>]")
@click.option("--repository", help="Where the image goes.  [default: vendor/<file name without its suffixes>]")
@click.option("--tag", help="Tag of an image to which the archive gives none; becomes part of the file name.")
@click.option("--wait", is_flag=True, help="Follow the upload until every destination is verified, or it has failed.")
@click.option(
    "--receipt", is_flag=True, help="Wait by reading the receipt; with --bucket that takes no rights but on the bucket."
)
@click.option("--timeout", type=float, default=7_500.0, show_default=True, help="Seconds to wait at most.")
@stage_option
@json_option
def command(
    archive: Path,
    *,
    bucket: str | None,
    key: str | None,
    repository: str | None,
    tag: str | None,
    wait: bool,
    receipt: bool,
    timeout: float,
    stage: str | None,
    as_json: bool,
) -> None:
    """
    Upload ARCHIVE to the bucket of a deployment; before a chart, the .prov beside it.

    Without --wait the command ends when the bucket has the archive; `transship status UPLOAD` shows how it goes on.
    With --wait the exit status is 0 only if every destination of every image was verified.
    """
    session = boto3.Session()
    place, s3 = upload_key(archive, key=key, repository=repository, tag=tag), session.client("s3")
    if receipt:
        target = bucket or find_deployment(session, stage=stage).bucket
        _follow_receipt(s3, _send(s3, archive, target, place), timeout, as_json=as_json)
        return
    deployment = find_deployment(session, stage=stage, bucket=bucket)
    sent = _send(s3, archive, bucket or deployment.bucket, place)
    number = upload_id(sent, _prefix(session, deployment, sent.key))
    if wait:
        _follow(deployment, number, timeout, as_json=as_json)
    else:
        _report_sent(sent, number, as_json=as_json)


def _prefix(session: boto3.Session, deployment: Deployment, key: str) -> str:
    """Return the prefix of all uploads; the deployment is asked for its own only where the usual one does not fit."""
    return PREFIX if key.startswith(PREFIX) else deployed_settings(session, deployment).prefix


def _send(s3: Any, archive: Path, bucket: str, key: str) -> ObjectVersion:
    with transferring(archive) as on_bytes:
        return send(s3, archive, bucket, key, on_bytes)


def _follow(deployment: Deployment, number: str, timeout: float, *, as_json: bool) -> None:
    records = table(deployment)
    with watching() as show:
        seen = follow(lambda: observe(records, number), show, patience=timeout)
    _report_end(seen, as_json=as_json)


def _follow_receipt(s3: Any, sent: ObjectVersion, timeout: float, *, as_json: bool) -> None:
    found = follow_receipt(s3, sent, lambda one: say(describe_receipt(one)), patience=timeout)
    if as_json:
        print_json(found)
    if found["state"] != State.AVAILABLE:
        raise SystemExit(1)


def _report_sent(sent: ObjectVersion, number: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"status": "uploaded", "upload": {"id": number, **_object(sent)}})
        return
    say(f"uploaded to s3://{sent.bucket}/{sent.key}")
    say(f"follow it with: transship status {number}")


def _object(sent: ObjectVersion) -> dict[str, str]:
    return {"bucket": sent.bucket, "key": sent.key, "version_id": sent.version_id}


def _report_end(seen: Observation, *, as_json: bool) -> None:
    if as_json:
        print_json(upload_document(seen))
    if not succeeded(seen):
        raise SystemExit(1)
