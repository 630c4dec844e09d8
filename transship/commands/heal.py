"""`transship heal`: what is missing where, and bringing it."""

from __future__ import annotations

import boto3
import click

from chalicelib.aws.session import Role
from chalicelib.oci.reference import Registry
from chalicelib.replicas.healing import HEALS, Way
from chalicelib.wiring import roles
from transship.aws import table
from transship.commands.options import json_option, stage_option
from transship.deployment import find_deployment
from transship.document import upload_document
from transship.errors import ArgumentsError
from transship.following import follow, succeeded
from transship.heal import Patient, examine, heal, remove_heal_tags
from transship.observation import Observation, observe
from transship.view.healing import describe, show_patient
from transship.view.screen import print_json, say
from transship.view.upload import watching
from transship.workstation import destination_client, outside_of

_EVERYTHING = "The backfill replicates every image of every repository that is configured for the destination."


def _registry(_ctx: click.Context, _param: click.Parameter, text: str | None) -> Registry | None:
    try:
        return Registry.parse(text) if text else None
    except ValueError as error:
        raise click.BadParameter("write ACCOUNT/REGION, as in 444455556666/eu-central-1") from error


@click.command("heal")
@click.argument("upload")
@click.option("--way", type=click.Choice([way.value for way in Way]), help="; ".join(map(": ".join, HEALS.items())))
@click.option(
    "--destination", callback=_registry, help="Only this one, as ACCOUNT/REGION.  [default: all that lack it]"
)
@click.option(
    "--role-arn",
    help="Role to push with; `transship policy --for heal` prints what it needs.  [default: that of TRANSSHIP_HEALERS]",
)
@click.option("--external-id", default="", help="What the role's trust policy asks for.")
@click.option("--create", is_flag=True, help="Let a push create a repository that is absent there.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--timeout", type=float, default=7_500.0, show_default=True, help="Seconds to wait for the read-back.")
@stage_option
@json_option
def command(
    upload: str,
    *,
    way: str | None,
    destination: Registry | None,
    role_arn: str | None,
    external_id: str,
    create: bool,
    yes: bool,
    timeout: float,
    stage: str | None,
    as_json: bool,
) -> None:
    """
    Show what is missing of the upload whose id is UPLOAD, and with --way bring it.

    What was done is judged by the deployment's own read-back: the exit status is 0 only if everything is verified then.
    """
    session = boto3.Session()
    deployment = find_deployment(session, stage=stage)
    outside = outside_of(session, deployment)
    patient = examine(outside, upload, destination)
    if way is None:
        _show(patient, as_json=as_json)
        return
    chosen = Way(way)
    _ask(patient, chosen, yes=yes)
    role, healers = Role(role_arn, external_id) if role_arn else None, roles(outside.settings.healers)
    reopened = heal(
        outside,
        patient,
        chosen,
        destination=lambda at: destination_client(at, deployment.account, role or healers.get(at.account)),
        create=create,
    )
    records = table(deployment)
    with watching() as show:
        seen = follow(lambda: observe(records, reopened.id), show, patience=timeout)
    if chosen is Way.RETAG:
        for tag in remove_heal_tags(outside, reopened):
            say(f"the tag {tag} stays: removing it could remove the image")
    _report(seen, as_json=as_json)


def _show(patient: Patient, *, as_json: bool) -> None:
    if as_json:
        print_json(describe(patient))
    else:
        show_patient(patient)


def _ask(patient: Patient, way: Way, *, yes: bool) -> None:
    where = ", ".join(map(str, patient.destinations))
    say(f"{way.value} for {where}: {HEALS[way]}")
    if way is Way.BACKFILL:
        say(_EVERYTHING)
    if not yes and not click.confirm("Do that?", err=True):
        raise ArgumentsError("Nothing was done.", "Say --yes where nobody can be asked.")


def _report(seen: Observation, *, as_json: bool) -> None:
    if as_json:
        print_json(upload_document(seen))
    if not succeeded(seen):
        raise SystemExit(1)
