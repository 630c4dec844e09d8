"""`transship deploy`: a stage into the account and Region of whoever calls it."""

from __future__ import annotations

import boto3
import click

from transship.commands.options import json_option
from transship.deploy import deploy
from transship.view.screen import print_json, say


@click.command("deploy")
@click.option("--stage", required=True, help="One of the stages in .chalice/config.json.")
@json_option
def command(stage: str, *, as_json: bool) -> None:
    """
    Deploy a stage: the foundation stack, the functions with their policies, their recursion settings, and a check.

    Every step may be repeated; what is there already is updated. The bucket and the table are never deleted.
    """
    deployment = deploy(stage, boto3.Session(), lambda step: say(f"{step} ..."))
    if as_json:
        print_json(
            {
                "status": "deployed",
                "stage": stage,
                "account": deployment.account,
                "region": deployment.region,
                "bucket": deployment.bucket,
                "table": deployment.table,
                "bus": deployment.bus_arn,
            }
        )
    else:
        say(f"deployed to account {deployment.account}, Region {deployment.region}")
        say(f"upload with: transship push ARCHIVE --stage {stage} --wait")
