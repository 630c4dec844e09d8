"""
The local stage: AWS on this machine, the world around it, and Transship deployed into it by the same tool as on AWS.

    with local_stage() as stage:
        stage.client("s3", SOURCE_ACCOUNT).upload_file(...)

Everything ends with the block: servers, threads, function processes and files.
"""

from __future__ import annotations

import gc
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3

from chalicelib.access.needs import LOOKERS
from chalicelib.names import Deployment, role_name
from transship.deploy import deploy
from transship.local.accounts import SOURCE_ACCOUNT
from transship.local.ecr import EcrOptions, FaultRules
from transship.local.endings import ENDING_SIGNALS, ignore_endings
from transship.local.stack import LocalAws
from transship.local_world import (
    HOME,
    REGISTRIES,
    Subscriber,
    configure_replication,
    grant_read_back,
    subscribe,
)

STAGE: Final = "local"
DATA_FOLDER: Final = Path(__file__).resolve().parent.parent / ".local-aws"
"""Bytes of objects and layers go below it: a disk, where /tmp may be memory."""


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """A registry as docker, skopeo or oras reach it: *host* is `127.0.0.1:PORT`, plain HTTP."""

    account: str
    region: str
    host: str
    username: str
    password: str


class LocalStage:
    """The running local stage."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.deployment = Deployment(STAGE, "aws", HOME, SOURCE_ACCOUNT)
        self.subscriber: Subscriber
        self._clients: dict[tuple[str, str, str], Any] = {}

    @property
    def endpoint_url(self) -> str:
        """What `AWS_ENDPOINT_URL` takes."""
        return self.aws.endpoint_url

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make any AWS client one of the source account's administrator, but for the endpoint."""
        credentials = self.aws.administrator(SOURCE_ACCOUNT)
        return {
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
            "AWS_DEFAULT_REGION": self.deployment.region,
        }

    def client(self, service: str, account: str = SOURCE_ACCOUNT, region: str = HOME) -> Any:
        """Return a client with the rights of *account*'s administrator, always the same one."""
        key = (service, account, region)
        if key not in self._clients:
            self._clients[key] = self._make_client(*key)
        return self._clients[key]

    def _make_client(self, service: str, account: str, region: str) -> Any:
        credentials = self.aws.administrator(account)
        session: Any = boto3.Session(
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            region_name=region,
        )
        return session.client(service, endpoint_url=self.endpoint_url)

    def registries(self) -> list[RegistryAccess]:
        """Return how to reach each registry, the source first; the passwords are good for 12 hours."""
        return [
            RegistryAccess(found.account, found.region, found.host, **self.aws.login(found))
            for found in self.aws.registries
        ]


@contextmanager
def local_stage(
    *,
    faults: Sequence[str] = (),
    ecr_options: EcrOptions | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> Iterator[LocalStage]:
    """
    Start the local stage, and end it with the block.

    Args:
        faults: Rules of `transship.local.ecr.faults`.
        ecr_options: Switches for what is unknown about ECR.
        on_step: Is told what happens next.

    Raises:
        ValueError: A fault rule is none.
    """
    rules = FaultRules.parse(faults)
    DATA_FOLDER.mkdir(exist_ok=True)
    with ExitStack() as running:  # ends from below
        running.callback(_heed_endings, {number: signal.getsignal(number) for number in ENDING_SIGNALS})
        folder = running.enter_context(tempfile.TemporaryDirectory(dir=DATA_FOLDER, prefix="run-"))
        on_step("starting AWS on this machine")
        aws = LocalAws(Path(folder), registries=REGISTRIES, faults=rules, ecr_options=ecr_options)
        running.callback(aws.stop)
        running.callback(ignore_endings)
        aws.start()
        stage = LocalStage(aws)
        running.enter_context(_inhabited({**stage.environment, "AWS_ENDPOINT_URL": stage.endpoint_url}))
        _furnish(stage, on_step)
        # What moto and botocore have loaded by now stays: each full look of the collector at it stops every request
        # for a third of a second.
        gc.freeze()
        running.callback(gc.unfreeze)
        yield stage


def _furnish(stage: LocalStage, on_step: Callable[[str], None]) -> None:
    on_step("configuring five registries and their replication")
    configure_replication(stage.client)
    deploy(STAGE, boto3.Session(), lambda step: on_step(f"deploying Transship: {step}"))
    on_step("subscribing the other account to the events")
    iam = stage.client("iam")
    ours = [iam.get_role(RoleName=role_name(STAGE, function))["Role"]["Arn"] for function in LOOKERS]
    operator = stage.client("sts").get_caller_identity()
    grant_read_back(stage.client, *ours, operator["Arn"])
    stage.subscriber = subscribe(stage.client, stage.deployment.bus_arn)


@contextmanager
def _inhabited(variables: Mapping[str, str]) -> Iterator[None]:
    """Make this process a client of the local AWS alone: its tools must not find anybody's real credentials."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    _replace_aws_variables(variables)
    try:
        yield
    finally:
        _replace_aws_variables(kept)


def _replace_aws_variables(variables: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(variables)


def _heed_endings(handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
