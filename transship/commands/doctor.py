"""`transship doctor`: what holds of a deployment, what does not, and how to mend it."""

from __future__ import annotations

from typing import Final

import boto3
import click

from chalicelib.errors import RefusedError
from chalicelib.oci.reference import RepositoryName
from transship.commands.options import json_option, stage_option
from transship.deployment import find_deployment
from transship.doctor import examine
from transship.errors import ArgumentsError
from transship.finding import Standing, worst
from transship.view.findings import show_findings
from transship.view.screen import print_json, say

_STATUS: Final = {Standing.UNSOUND: 1, Standing.UNKNOWN: 3}  # 2 is a wrong command line


@click.command("doctor")
@click.option(
    "--repository",
    "repositories",
    multiple=True,
    help="Ask about permissions and replication of this repository alone. Repeatable.  "
    "[default: those that the access rules speak of]",
)
@click.option("--all", "every", is_flag=True, help="Show one by one what holds, too.")
@stage_option
@json_option
def command(*, repositories: tuple[str, ...], every: bool, stage: str | None, as_json: bool) -> None:
    """
    Examine a deployment: functions, queues, table, bus, permissions, replication; each finding with how it is mended.

    Everything only reads. The exit status is by the worst: 0 if everything holds, 3 if nothing is known to be wrong
    but something could not be looked at, 1 if anything does not hold.
    """
    try:
        names = [RepositoryName(name) for name in repositories]
    except RefusedError as error:
        raise ArgumentsError(f"{error.code.name}: {error.detail}.", error.code.remedy) from error
    session = boto3.Session()
    deployment = find_deployment(session, stage=stage)
    say(f"examining stage {deployment.stage} in account {deployment.account}, Region {deployment.region} ...")
    findings = examine(deployment, session, names)
    standing = worst(findings)
    if as_json:
        described = [
            {"subject": one.subject, "holds": one.holds, "remedy": None if one.holds else one.remedy}
            for one in findings
        ]
        print_json({"status": standing.value, "findings": described})
    else:
        show_findings(findings, every=every)
    if standing is not Standing.SOUND:
        raise SystemExit(_STATUS[standing])
