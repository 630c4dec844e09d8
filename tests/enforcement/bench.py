"""
The pipeline under the policies of `.chalice`, one message at a time, in this process.

The foundation is deployed, every role has its narrowed policy, and each step runs with the credentials of its own
role against the local AWS, which enforces IAM. There is no Lambda: `step` does what its poller does, with the
function's role, so that queues, table, bucket, bus and registries are asked exactly as they are in a deployment.
What IAM denies is noted as AWS words it.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.access.needs import LOOKERS
from chalicelib.at_once import at_once
from chalicelib.aws import failures
from chalicelib.aws.dynamodb import DynamoTable
from chalicelib.aws.ecr import EcrRegistries
from chalicelib.aws.eventbridge import EventBridgeBus
from chalicelib.aws.s3 import S3Bucket
from chalicelib.aws.session import Session
from chalicelib.aws.sqs import SqsQueues
from chalicelib.aws.sts_iam import AwsIdentity
from chalicelib.errors import TransshipError
from chalicelib.handler import take
from chalicelib.meter import Meter
from chalicelib.names import (
    CONFIRM,
    FUNCTIONS,
    PUBLISH,
    PUSH,
    QUEUES,
    RECEIVE,
    UPLOADS,
    Deployment,
    function_name,
    queue_name,
    role_name,
)
from chalicelib.outside import Memory, Outside
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.replacing import replace
from chalicelib.state.upload import State, Upload, collection, upload_id
from chalicelib.sweep import sweep
from chalicelib.wiring import askers, roles
from tests.fakes.queues import origin
from tests.fakes.small import FakeLog, FakeMetrics
from tests.policies import without
from transship.deploy.foundation import deploy_foundation
from transship.deploy.policies import narrow
from transship.deploy.project import Stage, read_policy
from transship.local.accounts import SOURCE_ACCOUNT
from transship.local.clock import ManualClock
from transship.local.stack import LocalAws
from transship.local_world import HOME, configure_replication, grant_read_back

CONSUMERS: Final = {UPLOADS: RECEIVE, PUSH: PUSH, PUBLISH: PUBLISH, CONFIRM: CONFIRM}
_DENIED: Final = re.compile(r"not authorized to perform: (\S+)")
_POLICY: Final = "own"
_LONGEST_SESSION: Final = 43_200
_SHORTEST_SESSION: Final = 3_600
_PATIENCE: Final = 40  # looks at all queues

Denial = tuple[str, str]
"""Whose role it was, and the action."""


@dataclass
class Bench:
    """One deployment without functions; *denials* are noted in their order."""

    aws: LocalAws
    clock: ManualClock
    stage: Stage = field(default_factory=lambda: Stage.read("local"))
    denials: list[Denial] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deployment = Deployment("local", "aws", HOME, SOURCE_ACCOUNT)
        self.settings = replace(self.stage.settings, confirm_first=1, preflight_again=0)
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._sessions: dict[str, Session] = {}
        self._memories: dict[str, Memory] = {}
        self._policies: dict[str, str] = {}
        self._urls: dict[str, str] = {}
        self._fresh_until = 0.0
        self._running = ""
        self._names = 0

    # --- what an operator does ---

    def furnish(self) -> None:
        """Deploy the foundation and make the roles."""
        configure_replication(self.admin)
        key = self.aws.administrator(SOURCE_ACCOUNT)
        session = boto3.Session(key.access_key, key.secret_key, region_name=HOME)
        deploy_foundation(self.deployment, self.stage.foundation_parameters, session)
        trust = {"Effect": "Allow", "Principal": {"AWS": SOURCE_ACCOUNT}, "Action": "sts:AssumeRole"}
        for function in FUNCTIONS:
            document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
            self.admin("iam").create_role(
                RoleName=role_name("local", function),
                AssumeRolePolicyDocument=document,
                MaxSessionDuration=_LONGEST_SESSION,
            )
            self.put_policy(function, self.policy(function))
        place = f"arn:aws:iam::{SOURCE_ACCOUNT}:role"
        grant_read_back(self.admin, *(f"{place}/{role_name('local', function)}" for function in LOOKERS))

    def policy(self, function: str) -> dict[str, Any]:
        """Return a function's policy as `transship deploy` writes it."""
        return narrow(read_policy(function), self.deployment, self.settings)

    def put_policy(self, function: str, document: Mapping[str, Any]) -> None:
        text = json.dumps(document)
        if self._policies.get(function) != text:
            self.admin("iam").put_role_policy(
                RoleName=role_name("local", function), PolicyName=_POLICY, PolicyDocument=text
            )
            self._policies[function] = text

    @contextmanager
    def without(self, function: str, action: str) -> Iterator[None]:
        """Take one action out of a function's policy for the length of a block, and forget what was remembered."""
        self.put_policy(function, without(self.policy(function), action))
        if action == "sts:AssumeRole":
            self.forget_sessions()  # with one at hand nobody asks
        try:
            yield
        finally:
            self.put_policy(function, self.policy(function))
            self.forget()

    def admin(self, service: str, account: str = SOURCE_ACCOUNT, region: str = HOME) -> Any:
        """Return a client of an account's administrator, always the same one."""
        key = (service, account, region)
        if key not in self._clients:
            own = self.aws.administrator(account)
            session = boto3.Session(own.access_key, own.secret_key, region_name=region)
            self._clients[key] = session.client(service, endpoint_url=self.aws.endpoint_url)  # type: ignore[call-overload]
        return self._clients[key]

    # --- what a producer does ---

    def upload(self, content: bytes, name: str = "") -> str:
        """Put an object, below a repository that nobody used before unless *name* says which, and return its upload."""
        self._names += 1
        key = f"uploads/vendor/{name or f'app{self._names}'}/app-1.0.tar"
        answer = self.admin("s3").put_object(Bucket=self.deployment.bucket, Key=key, Body=content)
        version = ObjectVersion(
            bucket=self.deployment.bucket, key=key, version_id=answer["VersionId"], etag="", size=len(content)
        )
        return upload_id(version, "uploads/")

    def record(self, upload: str) -> Upload | None:
        """Return the record of an upload."""
        found = self.outside(RECEIVE, admin=True).table.query(collection(upload), "upload")
        return Upload.from_item(found[0].item) if found else None

    # --- what Lambda does ---

    def run(self, upload: str, *, until_denied: bool = False, until: State | None = None) -> Upload | None:
        """Let messages be taken until *upload* has ended, or is in a state, or anything was denied."""
        record = self.record(upload)
        for _ in range(_PATIENCE):
            took = False
            for queue in QUEUES:
                if not self.step(queue):
                    continue
                took, record = True, self.record(upload)
                if (until_denied and self.denials) or (record and (record.state.terminal or record.state is until)):
                    return record
            if until_denied and self.denials:
                return record
            if not took:
                self.clock.advance(2)
        return record

    def await_that(self, holds: Callable[[], object], *not_yet: type[Exception]) -> None:
        """Let time go on until *holds* is true; what raises one of *not_yet* is not so yet."""
        for _ in range(_PATIENCE):
            with suppress(*not_yet):
                if holds():
                    return
            self.clock.advance(1)
        raise AssertionError("it never came")

    def step(self, queue: str) -> bool:
        """Poll a queue once as its function, and take the message that came."""
        function = CONSUMERS[queue]
        self._running = function
        sqs = self._session(function).client("sqs")
        name = queue_name("local", queue)
        try:
            url = self._url(name)
            sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
            messages = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=1, WaitTimeSeconds=0, AttributeNames=["All"]
            ).get("Messages", [])
            for message in messages:
                self.taken.append(function)
                self._take(queue, function, message)
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        except ClientError as refused:
            self._note(str(refused))
            return False
        except TransshipError:
            return True  # the message comes again
        return bool(messages)

    def _take(self, queue: str, function: str, message: Mapping[str, Any]) -> None:
        outside = self.outside(function, message["ReceiptHandle"])
        record = {
            "body": message["Body"],
            "attributes": {"ApproximateReceiveCount": "1"},
            **origin(self.deployment, queue),
        }
        with _overheard(self._note):
            take(queue, record, outside)

    def sweep(self) -> None:
        """Run the sweep."""
        self._running = "sweep"
        with _overheard(self._note), suppress(TransshipError):
            sweep(self.outside("sweep"))

    def outside(self, function: str, receipt: str = "", *, admin: bool = False) -> Outside:
        """Return what a step of *function* works with, under its own role."""
        session = self._session("" if admin else function)
        queues = SqsQueues(session, "local")
        readers, writers = roles(self.settings.readers), roles(self.settings.writers)
        queue = next((queue for queue, consumer in CONSUMERS.items() if consumer == function), UPLOADS)
        here = self.deployment
        return Outside(
            deployment=replace(
                here, function=function_name("local", function), target_account=self.settings.target_account
            ),
            settings=self.settings,
            bucket=S3Bucket(session, here.bucket, here.account),
            registries=EcrRegistries(session, here.account, readers, writers=writers),
            identity=AwsIdentity(session, askers(self.settings)),
            table=DynamoTable(session, here.table),
            queue=queues,
            bus=EventBridgeBus(session, here.bus_arn),
            clock=self.clock,
            log=FakeLog(),
            metrics=FakeMetrics(),
            meter=Meter(),
            remaining=lambda: 100.0,
            extend=lambda seconds: queues.keep_invisible(queue, receipt, seconds),
            alive=lambda _: nullcontext(),
            each=at_once,
            memory=self._memories.setdefault(function, Memory()),
        )

    def forget(self) -> None:
        """Start every function anew, with empty queues, and forget the denials."""
        self._memories.clear()
        self.denials.clear()
        if self.clock.now() > self._fresh_until:
            self.forget_sessions()
        self.clock.advance(61)  # SQS purges a queue once a minute
        for queue in QUEUES:
            self.admin("sqs").purge_queue(QueueUrl=self._url(queue_name("local", queue)))

    def forget_sessions(self) -> None:
        """Let every function assume roles anew; those elsewhere are theirs for an hour of the bench's clock."""
        for function in FUNCTIONS:
            if function in self._sessions:
                self._sessions.pop(function).close()
        self._fresh_until = self.clock.now() + _SHORTEST_SESSION / 2

    def _url(self, name: str) -> str:
        if name not in self._urls:
            self._urls[name] = self.admin("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        return self._urls[name]

    def _session(self, function: str) -> Session:
        if function not in self._sessions:
            session = Session()
            own = self.aws.administrator(SOURCE_ACCOUNT)
            token = None
            access, secret = own.access_key, own.secret_key
            if function:
                arn = f"arn:aws:iam::{SOURCE_ACCOUNT}:role/{role_name('local', function)}"
                name = function_name("local", function)
                given = self.admin("sts").assume_role(
                    RoleArn=arn, RoleSessionName=name, DurationSeconds=_LONGEST_SESSION
                )["Credentials"]
                access, secret, token = given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
            session._session.set_credentials(access, secret, token)
            self._sessions[function] = session
        return self._sessions[function]

    def _note(self, words: str) -> None:
        if found := _DENIED.search(words):
            self.denials.append((self._running, found[1]))

    def close(self) -> None:
        """Close all clients."""
        for session in self._sessions.values():
            session.close()
        for client in self._clients.values():
            client.close()


@contextmanager
def furnished_bench() -> Iterator[Bench]:
    """Start a local AWS with a bench on it, make this process the administrator's, and end both with the block."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        clock = ManualClock(time.time())  # botocore compares the ends of sessions with the machine's clock
        with LocalAws(Path(folder), clock=clock) as aws, closing(Bench(aws, clock)) as bench:
            key = aws.administrator(SOURCE_ACCOUNT)
            environment.setenv("AWS_ENDPOINT_URL", aws.endpoint_url)
            environment.setenv("AWS_DEFAULT_REGION", HOME)
            environment.setenv("AWS_ACCESS_KEY_ID", key.access_key)
            environment.setenv("AWS_SECRET_ACCESS_KEY", key.secret_key)
            bench.furnish()
            yield bench


@contextmanager
def _overheard(note: Any) -> Iterator[None]:
    """Note what AWS says to every call that fails within the block."""
    fate = failures.fate

    def listening(refusal: failures.Refusal) -> TransshipError:
        note(refusal.words)
        return fate(refusal)

    failures.fate = listening
    try:
        yield
    finally:
        failures.fate = fate
