"""The steps of a deployment, in order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.names import Deployment, function_name
from transship.deploy.application import deploy_application
from transship.deploy.checks import SELF_QUEUEING, check
from transship.deploy.foundation import deploy_foundation
from transship.deploy.invocations import confine_invocations
from transship.deploy.project import Stage, write_project
from transship.errors import CommandError


def deploy(stage: str, session: boto3.Session, progress: Callable[[str], None] = lambda _: None) -> Deployment:
    """
    Deploy *stage* into the account and Region of *session*, and return where it lives.

    Args:
        stage: One of the stages of `.chalice/config.json`.
        session: Whoever may create all of it.
        progress: Is told what happens next.

    Raises:
        CommandError: A step failed, or something does not hold afterwards.
    """
    described = Stage.read(stage)
    try:
        deployment = _locate(stage, session)
        progress("foundation stack")
        deploy_foundation(deployment, described.foundation_parameters, session)
        with tempfile.TemporaryDirectory(prefix="transship-deploy-") as folder:
            write_project(Path(folder), described, deployment)
            progress("functions")
            deploy_application(Path(folder), deployment, session)
        progress("recursion settings")
        _allow_recursion(stage, session)
        progress("invocations")
        confine_invocations(deployment, session.client("lambda"))
        progress("checks")
        failed = [finding for finding in check(deployment, session) if not finding.holds]
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"AWS refused a call: {error}", "Give the deploying role that permission.") from error
    if failed:
        subjects = "".join(f"\n- {finding.subject}" for finding in failed)
        remedies = dict.fromkeys(finding.remedy for finding in failed)
        raise CommandError(f"The deployment was made, but this does not hold:{subjects}", "\n".join(remedies))
    return deployment


def _locate(stage: str, session: boto3.Session) -> Deployment:
    arn = session.client("sts").get_caller_identity()["Arn"]
    _, partition, _, _, account, *_ = arn.split(":")
    return Deployment(stage, partition, session.region_name or "", account)


def _allow_recursion(stage: str, session: boto3.Session) -> None:
    client = session.client("lambda")
    for function in SELF_QUEUEING:
        client.put_function_recursion_config(FunctionName=function_name(stage, function), RecursiveLoop="Allow")
