"""The recursion guard, with functions that really queue their own messages through botocore."""

from __future__ import annotations

import json
import sysconfig
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.handlers import add_recursion_detection_header

from transship.local.functions.recursion import MAX_RUNS, TraceHeader

if TYPE_CHECKING:
    from tests.local.functions.conftest import Deployment, LogLines
    from transship.local.clock import ManualClock

POLLING = ("sqs:ReceiveMessage", "sqs:DeleteMessage")
ARN = "arn:aws:lambda:us-east-1:111122223333:function:one"
OTHER = "arn:aws:lambda:us-east-1:111122223333:function:other"


def test_runs_are_counted_by_function() -> None:
    header = TraceHeader.new()
    for _ in range(3):
        header = TraceHeader.parse(str(header.after(ARN).after(OTHER)))

    header = TraceHeader.parse(str(header.after(ARN)))

    assert (header.runs_of(ARN), header.runs_of(OTHER), header.runs_of("arn:third")) == (4, 3, 0)


def test_header_survives_the_quoting_of_botocore() -> None:
    header = TraceHeader.new().after(ARN).after(OTHER)
    params: dict[str, dict[str, str]] = {"headers": {}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_LAMBDA_FUNCTION_NAME", "one")
        patch.setenv("_X_AMZN_TRACE_ID", str(header))
        add_recursion_detection_header(params)

    sent = TraceHeader.parse(params["headers"]["X-Amzn-Trace-Id"])
    assert (sent.root, sent.runs) == (header.root, header.runs)


@pytest.mark.parametrize("text", [None, "", "nonsense", "Root=;Lineage=aaaaaaaa:3"])
def test_without_a_root_a_chain_begins(text: str | None) -> None:
    header = TraceHeader.parse(text)

    assert header.root.startswith("1-")
    assert header.runs == {}


REQUEUE = f"""
import os, sys
sys.path.append({sysconfig.get_paths()["purelib"]!r})  # boto3, which this zip does not carry
import boto3
sqs = boto3.client("sqs")

def handler(event, context):
    for record in event["Records"]:
        hop = int(record["body"])
        print("hop", hop)
        if hop < 20:
            sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=str(hop + 1))
"""


def deploy_loop(deployment: Deployment, name: str) -> tuple[str, str]:
    """Deploy a function that queues its own messages; return the URLs of its queue and its dead-letter queue."""
    dead_url, dead_arn = deployment.queue(f"{name}-dead")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1})
    url, arn = deployment.queue(name, VisibilityTimeout="30", RedrivePolicy=redrive)
    variables = {"QUEUE": url}
    actions = (*POLLING, "sqs:SendMessage")
    deployment.function(name, REQUEUE, actions=actions, Environment={"Variables": variables})
    deployment.mapping(arn, name, BatchSize=1)
    return url, dead_url


def test_loop_through_a_queue_is_stopped_and_its_message_becomes_a_dead_letter(
    deployment: Deployment, log: LogLines, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    url, dead_url = deploy_loop(deployment, "loop")

    deployment.client("sqs").send_message(QueueUrl=url, MessageBody="1")

    deployment.until(lambda: "being invoked in a recursive loop" in caplog.text)
    deployment.until_at_rest()
    assert deployment.messages(url) == (0, 1)
    clock.advance(31)

    deployment.until(lambda: deployment.messages(dead_url) == (1, 0))
    letters = deployment.client("sqs").receive_message(QueueUrl=dead_url)["Messages"]
    assert [letter["Body"] for letter in letters] == [str(MAX_RUNS + 1)]
    assert log.wait_for("loop", "hop ") == [f"hop {hop}" for hop in range(1, MAX_RUNS + 1)]


def test_function_may_be_allowed_to_loop(deployment: Deployment, log: LogLines) -> None:
    url, _ = deploy_loop(deployment, "allowed")
    functions = deployment.client("lambda")
    before = functions.get_function_recursion_config(FunctionName="allowed")["RecursiveLoop"]
    after = functions.put_function_recursion_config(FunctionName="allowed", RecursiveLoop="Allow")["RecursiveLoop"]

    deployment.client("sqs").send_message(QueueUrl=url, MessageBody="1")

    assert (before, after) == ("Terminate", "Allow")
    assert functions.get_function_recursion_config(FunctionName="allowed")["RecursiveLoop"] == "Allow"
    assert log.wait_for("allowed", "hop 20") == ["hop 20"]


def test_invoke_of_a_function_that_ran_too_often_is_refused(deployment: Deployment) -> None:
    arn = deployment.function("direct", "def handler(event, context): return 1")
    header = TraceHeader.new()
    for _ in range(MAX_RUNS):
        header = header.after(arn)
    session: Any = boto3.Session(region_name="us-east-1")
    functions = session.client(
        "lambda",
        endpoint_url=deployment.aws.endpoint_url,
        **deployment.aws.administrator("111122223333").for_boto3(),
    )
    functions.meta.events.register(
        "before-sign.lambda.Invoke", lambda request, **_: request.headers.add_header("X-Amzn-Trace-Id", str(header))
    )

    with pytest.raises(functions.exceptions.RecursiveInvocationException):
        functions.invoke(FunctionName="direct")
    functions.close()
