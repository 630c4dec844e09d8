"""A current AWS CLI, by `AWS_ENDPOINT_URL` alone: copies, stacks, queues, identities."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from transship.local.accounts import SOURCE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transship.local.stack import LocalAws

OLDEST = (1, 30)
"""AWS_ENDPOINT_URL came with 1.29.0 and, in the second series, 2.13.0; Debian 12's 2.9 ignores it."""


def current_cli() -> str | None:
    path = shutil.which("aws")
    if path is None:
        return None
    text = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = (int(number) for number in text.split("/")[1].split(".")[:2])
    return path if (major, minor) >= ((2, 13) if major == 2 else OLDEST) else None


CLI = current_cli()
pytestmark = [
    pytest.mark.check,
    pytest.mark.skipif(CLI is None, reason="no AWS CLI that knows AWS_ENDPOINT_URL on the PATH"),
]


@pytest.fixture(name="cli")
def _cli(aws: LocalAws) -> Callable[..., Any]:
    credentials = aws.administrator(SOURCE_ACCOUNT)
    environment = os.environ | {
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_PAGER": "",
    }

    def run(*arguments: str) -> Any:
        done = subprocess.run(
            [str(CLI), *arguments, "--output", "json"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout

    return run


def test_large_file_goes_up_in_parts_and_comes_down_the_same(cli: Callable[..., Any], tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    with source.open("wb") as file:
        file.writelines(hashlib.sha256(bytes([n % 256])).digest() * (1 << 15) for n in range(100))
    cli("s3", "mb", "s3://copied")

    cli("s3", "cp", "--quiet", str(source), "s3://copied/a b/source.tar")
    cli("s3", "cp", "--quiet", "s3://copied/a b/source.tar", str(copy))
    head = cli("s3api", "head-object", "--bucket", "copied", "--key", "a b/source.tar")

    assert copy.read_bytes() == source.read_bytes()
    assert head["ContentLength"] == 100 << 20
    assert head["ETag"].endswith('-13"')
    assert "a b/source.tar" in cli("s3", "ls", "--recursive", "s3://copied")


def test_stack_is_deployed_by_change_set(cli: Callable[..., Any], tmp_path: Path) -> None:
    template = tmp_path / "template.json"
    template.write_text(json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}))

    deploy = ("cloudformation", "deploy", "--stack-name", "by-cli", "--template-file", str(template))
    cli(*deploy)
    again = cli(*deploy, "--no-fail-on-empty-changeset")

    stack = cli("cloudformation", "describe-stacks", "--stack-name", "by-cli")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert "No changes to deploy" in again


def test_identity_queue_and_table(cli: Callable[..., Any], aws: LocalAws) -> None:
    # The first series of the CLI sends SQS to its old host name whatever AWS_ENDPOINT_URL says.
    sqs = ("sqs", "--endpoint-url", aws.endpoint_url)
    assert cli("sts", "get-caller-identity")["Account"] == SOURCE_ACCOUNT
    url = cli(*sqs, "create-queue", "--queue-name", "by-cli")["QueueUrl"]
    cli(*sqs, "send-message", "--queue-url", url, "--message-body", "hello")
    assert cli(*sqs, "receive-message", "--queue-url", url)["Messages"][0]["Body"] == "hello"
    schema = ["AttributeName=k,AttributeType=S"], ["AttributeName=k,KeyType=HASH"]
    table = cli(
        "dynamodb", "create-table", "--table-name", "t", "--billing-mode", "PAY_PER_REQUEST",
        "--attribute-definitions", *schema[0], "--key-schema", *schema[1],
    )  # fmt: skip
    assert table["TableDescription"]["TableStatus"] == "ACTIVE"
