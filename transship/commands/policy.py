"""`transship policy`: least-privilege policy documents, ready to paste."""

from __future__ import annotations

import json

import click

from chalicelib.names import FUNCTIONS
from transship.commands.options import json_option
from transship.policy_requests import PURPOSES, PolicyRequest, cloudformation_snippet, policy_document
from transship.view.screen import print_json

_PURPOSES = " ".join(f"{name}: {purpose.meaning};" for name, purpose in PURPOSES.items()).rstrip(";")


@click.command("policy")
@click.option(
    "--for", "purpose", type=click.Choice(list(PURPOSES)), default="push", show_default=True, help=f"{_PURPOSES}."
)
@click.option("--repository", "repositories", multiple=True, help="Name of a repository, * as wildcard. Repeatable.")
@click.option("--account", default="", help="Account of the repositories, or of the bus.")
@click.option("--region", default="", envvar="AWS_DEFAULT_REGION", help="Their Region.  [default: AWS_DEFAULT_REGION]")
@click.option("--partition", default="aws", show_default=True, help="aws, aws-cn, aws-us-gov ...")
@click.option("--principal", "principals", multiple=True, help="ARN of who is let in. Repeatable.")
@click.option("--source-account", default="", help="Account whose images are replicated.")
@click.option("--prefix", "prefixes", multiple=True, help="Beginning of repository names, or of keys. Repeatable.")
@click.option("--external-id", default="", help="What the trust policy asks for.")
@click.option("--role", default="", help="ARN of the role whose policy it is.")
@click.option("--heal-role", default="", help="ARN of the role that heals in that account: so it can be judged, too.")
@click.option("--bucket", default="", help="Name of the bucket of uploads.")
@click.option("--bus", default="", help="Name of the bus of events.")
@click.option(
    "--stage",
    default="",
    envvar="TRANSSHIP_STAGE",
    help="Stage of the function, or whose settings count: for uploaders receipts, for who pushes scans and healing.",
)
@click.option("--function", type=click.Choice(FUNCTIONS), default=None, help="Whose own policy.")
@click.option("--create", is_flag=True, help="Let the role create repositories.")
@click.option(
    "--format", "style", type=click.Choice(["json", "cloudformation"]), default="json", help="Form of output."
)
@json_option
def command(
    *,
    purpose: str,
    repositories: tuple[str, ...],
    account: str,
    region: str,
    partition: str,
    principals: tuple[str, ...],
    source_account: str,
    prefixes: tuple[str, ...],
    external_id: str,
    role: str,
    heal_role: str,
    bucket: str,
    bus: str,
    stage: str,
    function: str | None,
    create: bool,
    style: str,
    as_json: bool,
) -> None:
    """
    Print the least that a role or a resource needs, as a policy document.

    Without --repository the policy of a pusher speaks of all repositories, with it of these alone, both as the ECR
    user guide shows them: GetAuthorizationToken cannot be scoped and stands in a statement of its own.
    """
    request = PolicyRequest(
        account=account,
        region=region,
        partition=partition,
        repositories=repositories,
        principals=principals,
        source_account=source_account,
        prefixes=prefixes,
        external_id=external_id,
        role=role,
        heal_role=heal_role,
        bucket=bucket,
        bus=bus,
        stage=stage,
        function=function or "",
        create=create,
    )
    made = policy_document(purpose, request) if style == "json" else cloudformation_snippet(purpose, request)
    if as_json:
        print_json(made)
    else:
        click.echo(json.dumps(made, indent=2))
