"""`transship export`: audit records as JSON lines."""

from __future__ import annotations

from datetime import UTC, datetime

import boto3
import click

from transship.audit import audit_records
from transship.aws import table
from transship.commands.options import json_option, stage_option
from transship.deployment import find_deployment
from transship.view.screen import print_json, say
from transship.view.text import plural


@click.command("export")
@click.option("--since", type=click.DateTime(), help="Only what has ended after it; UTC.")
@stage_option
@json_option
def command(*, since: datetime | None, stage: str | None, as_json: bool) -> None:
    """
    Print the audit record of every upload that has ended: who, what digest, when, where verified.

    One JSON object a line; with --json one array of them. Records are there as long as TRANSSHIP_AUDIT_DAYS says.
    """
    session = boto3.Session()
    deployment = find_deployment(session, stage=stage)
    after = since.replace(tzinfo=UTC) if since else None
    records = audit_records(table(deployment), since=after)
    if as_json:
        print_json(list(records))
        return
    count = 0
    for count, record in enumerate(records, 1):  # noqa: B007 - how many there were is said at the end
        print_json(record)
    say(plural(count, "record"))
