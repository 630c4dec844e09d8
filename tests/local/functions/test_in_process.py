"""Handlers of a Chalice project called in this process, by the deployed configuration."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from transship.local.accounts import SOURCE_ACCOUNT
from transship.local.functions.in_process import InProcess
from transship.local.stack import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.local.functions.conftest import Deployment

APP = """
import os

from chalice import Chalice

import helper

app = Chalice(app_name="sample")
seen = []


@app.on_sqs_message(queue="sample", name="take")
def take(event):
    for record in event:
        seen.append((record.body, os.environ["COLOUR"], event.context.function_name))
        if record.body == "bad":
            raise ValueError("bad")


@app.lambda_function(name="describe")
def describe(event, context):
    return {
        "event": event,
        "arn": context.invoked_function_arn,
        "remaining": context.get_remaining_time_in_millis(),
        "pid": os.getpid(),
        "helper": helper.VALUE,
    }
"""


@pytest.fixture(name="project", scope="module")
def _project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("project")
    (directory / "app.py").write_text(APP)
    (directory / "helper.py").write_text("VALUE = 7")
    yield directory
    for name in ("app", "helper"):
        sys.modules.pop(name, None)


@pytest.fixture(name="new_aws", scope="module")
def _new_aws(project: Path) -> Callable[[Path], LocalAws]:
    return lambda data_dir: LocalAws(data_dir, function_options={"launch": InProcess(project)})


def deploy(deployment: Deployment, name: str) -> None:
    deployment.function(f"sample-dev-{name}", "", Handler=f"app.{name}", Environment={"Variables": {"COLOUR": "red"}})


def test_handler_runs_here_with_a_context(deployment: Deployment) -> None:
    deploy(deployment, "describe")

    payload = deployment.invoke("sample-dev-describe", {"n": 1})[1]

    assert payload["pid"] == os.getpid()
    assert (payload["event"], payload["helper"]) == ({"n": 1}, 7)
    assert payload["arn"] == f"arn:aws:lambda:us-east-1:{SOURCE_ACCOUNT}:function:sample-dev-describe"
    assert 9_000 < payload["remaining"] <= 10_000
    assert "COLOUR" not in os.environ


def test_messages_reach_the_decorated_handler_and_come_back(deployment: Deployment) -> None:
    url, arn = deployment.queue("sample", VisibilityTimeout="10")
    deploy(deployment, "take")
    deployment.mapping(arn, "sample-dev-take", BatchSize=1)

    deployment.client("sqs").send_message(QueueUrl=url, MessageBody="good")
    deployment.until(lambda: len(deployment.aws.functions.invocations(function="sample-dev-take")) == 1)
    deployment.until_at_rest()
    assert deployment.messages(url) == (0, 0)
    deployment.client("sqs").send_message(QueueUrl=url, MessageBody="bad")
    deployment.until(lambda: len(deployment.aws.functions.invocations(function="sample-dev-take")) == 2)

    good, bad = deployment.aws.functions.invocations(function="sample-dev-take")
    assert (good.outcome.function_error, bad.outcome.error_type) == (None, "ValueError")
    assert sys.modules["app"].seen == [("good", "red", "sample-dev-take"), ("bad", "red", "sample-dev-take")]
    assert deployment.messages(url) == (0, 1)
