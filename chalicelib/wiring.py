"""
The composition root: the only place that knows both the steps and AWS.

What costs time to make (clients) is made once per process and reused by every invocation; what belongs to one
invocation (its deadline, its message) is made for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, field

from chalicelib import spare_what_is_loaded
from chalicelib.at_once import at_once
from chalicelib.aws.dynamodb import DynamoTable
from chalicelib.aws.ecr import EcrRegistries
from chalicelib.aws.eventbridge import EventBridgeBus
from chalicelib.aws.s3 import S3Bucket
from chalicelib.aws.session import Role, Session
from chalicelib.aws.sqs import SqsQueues
from chalicelib.aws.sts_iam import AwsIdentity
from chalicelib.meter import Meter
from chalicelib.names import Deployment
from chalicelib.outside import Memory, Outside
from chalicelib.settings import Reader, Settings
from chalicelib.state.lease import Heartbeat
from chalicelib.telemetry import PowertoolsLog, PowertoolsMetrics


class SystemClock:
    """The clock of the machine; implements `Clock`."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()


class Process(Struct):
    """Everything that a warm function keeps."""

    settings: Settings
    deployment: Deployment
    session: Session
    log: PowertoolsLog
    queues: SqsQueues
    meter: Meter = field(default_factory=Meter)
    memory: Memory = field(default_factory=Memory)

    @classmethod
    def start(cls, context: Any) -> Process:
        """Make everything, from the environment and the context of the first invocation."""
        spare_what_is_loaded()
        settings = Settings.from_environment(os.environ)
        session = Session()
        return cls(
            settings=settings,
            deployment=Deployment.of_function(settings.stage, context.invoked_function_arn, settings.target_account),
            session=session,
            log=PowertoolsLog(context.function_name),
            queues=SqsQueues(session, settings.stage),
        )

    def outside(self, context: Any, extend: Callable[[float], None]) -> Outside:
        """Return what the steps of one invocation work with."""
        settings, deployment, session = self.settings, self.deployment, self.session
        readers, writers = roles(settings.readers), roles(settings.writers)
        return Outside(
            deployment=deployment,
            settings=settings,
            bucket=S3Bucket(session, deployment.bucket, deployment.account, self.meter),
            registries=EcrRegistries(session, deployment.account, readers, self.meter, writers=writers),
            identity=AwsIdentity(session, askers(settings)),
            table=DynamoTable(session, deployment.table),
            queue=self.queues,
            bus=EventBridgeBus(session, deployment.bus_arn),
            clock=SystemClock(),
            log=self.log,
            metrics=PowertoolsMetrics(settings.stage),
            meter=self.meter,
            remaining=lambda: context.get_remaining_time_in_millis() / 1000,
            extend=extend,
            alive=lambda beat: Heartbeat(settings.lease / 3, beat),
            each=at_once,
            memory=self.memory,
        )


def roles(configured: Mapping[str, Reader]) -> dict[str, Role]:
    """Return the roles of other accounts that are *configured*, by account."""
    return {account: Role(one.role_arn, one.external_id) for account, one in configured.items()}


def askers(settings: Settings) -> dict[str, Role]:
    """
    Return, by ARN, through which role each role of another account is simulated: mostly itself.

    A heal role trusts operators alone; the reader of its account is let ask about it.
    """
    assumed = [*roles(settings.readers).values(), *roles(settings.writers).values()]
    readers = roles(settings.readers)
    healers = {healer.role_arn: readers[at] for at, healer in settings.healers.items() if at in readers}
    return healers | {role.arn: role for role in assumed}
