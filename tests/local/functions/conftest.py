"""A local AWS per test module, and functions deployed into it by boto3 from zips that the tests write."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from transship.local.accounts import SOURCE_ACCOUNT
from transship.local.clock import ManualClock
from transship.local.functions.service import RUNTIME
from transship.local.stack import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

REGION = "us-east-1"
TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}

POLLING = ("sqs:ReceiveMessage", "sqs:DeleteMessage")
"""What a mapping does with its function's role."""


class LogLines:
    """Collects what functions log; a test waits for a line instead of for a time."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []
        self._changed = threading.Condition()

    def __call__(self, function: str, line: str) -> None:
        with self._changed:
            self._lines.append((function, line))
            self._changed.notify_all()

    def wait_for(self, function: str, text: str, *, count: int = 1, timeout: float = 20.0) -> list[str]:
        """Return the lines of *function* with *text* in them, once there are *count*."""

        def found() -> list[str]:
            return [line for name, line in self._lines if name == function and text in line]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count, timeout), found()
            return found()


class Deployment:
    """Makes functions and queues in the local AWS."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self._session: Any = boto3.Session(region_name=REGION)
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service,
                endpoint_url=self.aws.endpoint_url,
                config=Config(retries={"max_attempts": 0}, read_timeout=60),
                **self.aws.administrator(SOURCE_ACCOUNT).for_boto3(),
            )
        return self._clients[service]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def role(self, name: str, actions: Sequence[str]) -> str:
        """Make a role that Lambda may assume and that may do *actions* on everything; return its ARN."""
        iam = self.client("iam")
        answer = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName=name, PolicyName="actions", PolicyDocument=document)
        return str(answer["Role"]["Arn"])

    def function(self, name: str, code: str, *, actions: Sequence[str] = POLLING, **settings: Any) -> str:
        """Deploy *code* as `app.py` with the handler `app.handler`, and return the function's ARN."""
        answer = self.client("lambda").create_function(
            **{
                "FunctionName": name,
                "Runtime": RUNTIME,
                "Handler": "app.handler",
                "Role": self.role(f"role-{name}", actions),
                "Code": {"ZipFile": zipped({"app.py": code})},
                "Timeout": 10,
                "MemorySize": 256,
            }
            | settings
        )
        return str(answer["FunctionArn"])

    def update(self, name: str, code: str) -> None:
        self.client("lambda").update_function_code(FunctionName=name, ZipFile=zipped({"app.py": code}))

    def invoke(self, name: str, event: Any = None, **settings: Any) -> tuple[dict[str, Any], Any]:
        """Return the answer of Invoke and its payload, read."""
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), **settings)
        payload = answer["Payload"].read()
        return answer, json.loads(payload) if payload else None

    def queue(self, name: str, **attributes: str) -> tuple[str, str]:
        """Make a queue and return its URL and ARN."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def mapping(self, queue_arn: str, function: str, **settings: Any) -> str:
        answer = self.client("lambda").create_event_source_mapping(
            EventSourceArn=queue_arn, FunctionName=function, **settings
        )
        return str(answer["UUID"])

    def messages(self, url: str) -> tuple[int, int]:
        """Return visible and invisible messages of a queue."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return int(attributes[names[0]]), int(attributes[names[1]])

    def until(self, condition: Callable[[], bool], timeout: float = 20.0) -> None:
        """Wait until *condition* holds."""
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, "it did not come to pass"
            time.sleep(0.03)

    def until_at_rest(self) -> None:
        """Wait until no batch is being handled."""
        self.until(lambda: not self.aws.functions.poller.in_flight())


def zipped(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


@pytest.fixture(name="clock", scope="module")
def _clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(name="new_aws", scope="module")
def _new_aws(clock: ManualClock) -> Callable[[Path], LocalAws]:
    return lambda data_dir: LocalAws(data_dir, clock=clock)


@pytest.fixture(name="deployment", scope="module")
def _deployment(new_aws: Callable[[Path], LocalAws], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with new_aws(tmp_path_factory.mktemp("aws")) as aws:
        deployment = Deployment(aws)
        yield deployment
        deployment.close()


@pytest.fixture(name="log", scope="module")
def _log(deployment: Deployment) -> LogLines:
    lines = LogLines()
    deployment.aws.functions.on_log(lines)
    return lines
