"""`transship rules`: who may push what where."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import RefusedError
from chalicelib.names import RECEIVE, Deployment, function_name
from chalicelib.oci.strict_json import parse_json
from chalicelib.settings import Settings
from transship.access_rules import current_rules, put_rules, resolve
from transship.commands.options import json_option, stage_option
from transship.deployment import find_deployment
from transship.errors import CommandError
from transship.view.screen import print_json, say


@click.group("rules")
def command() -> None:
    """Show or replace the access rules of a deployment."""


@command.command("show")
@stage_option
@json_option
def show(*, stage: str | None, as_json: bool) -> None:
    """Print the access rules that are in force: the document in the bucket, or the default where there is none."""
    session = boto3.Session()
    deployment, settings = _deployed(session, stage)
    document, version = current_rules(session.client("s3"), deployment, settings)
    say(f"version {version} of {settings.rules_key}" if version else f"there is no {settings.rules_key}: the default")
    if as_json:
        print_json(document)
    else:
        click.echo(json.dumps(document, indent=2))


@command.command("put")
@click.argument("document", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@stage_option
@json_option
def put(document: Path, *, stage: str | None, as_json: bool) -> None:
    """
    Replace the access rules by DOCUMENT, a JSON file, with the ids of roles and accounts filled in.

    The old version stays in the bucket; uploads that are on their way are asked again before their images are put.
    """
    session = boto3.Session()
    deployment, settings = _deployed(session, stage)
    try:
        written = parse_json(document.read_bytes())
        resolved = resolve(written, session.client("iam"), deployment.account)
        version = put_rules(session.client("s3"), deployment, settings, resolved)
    except RefusedError as error:
        raise CommandError(f"{document}: {error.detail}.", "Correct it.") from error
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"AWS refused a call: {error}", "You need iam:GetRole and s3:PutObject.") from error
    if as_json:
        print_json({"status": "put", "version": version, "rules": resolved["rules"]})
    else:
        say(f"version {version} is in force within {settings.rules_age:.0f} seconds")


def _deployed(session: boto3.Session, stage: str | None) -> tuple[Deployment, Settings]:
    deployment = find_deployment(session, stage=stage)
    name = function_name(deployment.stage, RECEIVE)
    deployed = session.client("lambda").get_function_configuration(FunctionName=name)
    return deployment, Settings.from_environment(deployed.get("Environment", {}).get("Variables", {}))
