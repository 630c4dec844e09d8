"""The pipeline's ports on a workstation: the deployment's own settings, the rights of whoever runs the command."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.at_once import at_once
from chalicelib.aws.dynamodb import DynamoTable
from chalicelib.aws.ecr import EcrRegistries
from chalicelib.aws.eventbridge import EventBridgeBus
from chalicelib.aws.s3 import S3Bucket
from chalicelib.aws.session import Role, Session
from chalicelib.aws.sqs import SqsQueues
from chalicelib.aws.sts_iam import AwsIdentity
from chalicelib.meter import Meter
from chalicelib.names import CONFIRM, Deployment, function_name
from chalicelib.oci.reference import Registry
from chalicelib.outside import Memory, Outside
from chalicelib.ports.registry import RegistryClient
from chalicelib.replacing import replace
from chalicelib.settings import Settings
from chalicelib.wiring import SystemClock, askers, roles
from transship.errors import CommandError
from transship.view.screen import say


@dataclass(frozen=True, slots=True)
class _ScreenLog:
    """Shows what an operator must look at; implements `Log`."""

    def keys(self, **keys: str) -> None:
        """Lines on a screen need no keys."""

    def info(self, message: str, **facts: Any) -> None:
        """What went as it should is not shown."""

    def warning(self, message: str, **facts: Any) -> None:
        """Show it."""
        say(": ".join([message, *(f"{name}={value}" for name, value in facts.items())]))


@dataclass(frozen=True, slots=True)
class _NoMetrics:
    """Numbers of commands are nobody's; implements `Metrics`."""

    def add(self, name: str, unit: str, value: float, **dimensions: str) -> None:
        """Drop it."""


def deployed_settings(session: boto3.Session, deployment: Deployment) -> Settings:
    """
    Return the settings that the functions of a deployment run with.

    Raises:
        CommandError: Lambda does not tell.
    """
    try:
        functions: Any = session.client("lambda")
        found = functions.get_function_configuration(FunctionName=function_name(deployment.stage, CONFIRM))
    except (BotoCoreError, ClientError) as error:
        raise CommandError(
            f"The settings of stage {deployment.stage} cannot be read: {error}",
            "You need lambda:GetFunctionConfiguration.",
        ) from error
    return Settings.from_environment(found.get("Environment", {}).get("Variables", {}))


def outside_of(session: boto3.Session, deployment: Deployment) -> Outside:
    """
    Return the ports of *deployment* for a command.

    Raises:
        CommandError: Its settings cannot be read.
    """
    settings = deployed_settings(session, deployment)
    placed = replace(deployment, target_account=settings.target_account)
    made, meter = Session(), Meter()
    readers, writers = roles(settings.readers), roles(settings.writers)
    return Outside(
        deployment=placed,
        settings=settings,
        bucket=S3Bucket(made, placed.bucket, placed.account, meter),
        registries=EcrRegistries(made, placed.account, readers, meter, writers=writers),
        identity=AwsIdentity(made, askers(settings)),
        table=DynamoTable(made, placed.table),
        queue=SqsQueues(made, placed.stage),
        bus=EventBridgeBus(made, placed.bus_arn),
        clock=SystemClock(),
        log=_ScreenLog(),
        metrics=_NoMetrics(),
        meter=meter,
        remaining=lambda: float("inf"),
        extend=lambda _: None,
        alive=lambda _: nullcontext(),
        each=at_once,
        memory=Memory(),
    )


def destination_client(registry: Registry, account: str, role: Role | None) -> RegistryClient:
    """Return a client that pushes into *registry*, through *role* if one is given; *account* is the caller's own."""
    return EcrRegistries(Session(), account, writers={registry.account: role} if role else {}).client(registry)
