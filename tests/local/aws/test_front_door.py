"""Every service that the pipeline uses answers real boto3 clients through one endpoint, in the caller's name."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError

from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from transship.local.stack import LocalAws

    Clients = Callable[..., Any]


@pytest.mark.parametrize("account", [SOURCE_ACCOUNT, OTHER_ACCOUNT])
def test_administrator_is_who_their_key_says(clients: Clients, account: str) -> None:
    identity = clients("sts", account=account).get_caller_identity()

    assert identity["Account"] == account
    assert identity["Arn"] == f"arn:aws:iam::{account}:user/administrator"


def test_accounts_do_not_see_each_other(clients: Clients) -> None:
    clients("sqs").create_queue(QueueName="mine")

    assert "QueueUrls" not in clients("sqs", account=OTHER_ACCOUNT).list_queues()


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("s3", "list_buckets", "InvalidAccessKeyId"),
        ("sqs", "list_queues", "InvalidClientTokenId"),
        ("dynamodb", "list_tables", "UnrecognizedClientException"),
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
        ("lambda", "list_functions", "UnrecognizedClientException"),
    ],
)
def test_unknown_key_is_refused(aws: LocalAws, service: str, operation: str, code: str) -> None:
    client = boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=aws.endpoint_url,
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="no",
    )

    with pytest.raises(ClientError) as refused:
        getattr(client, operation)()

    assert refused.value.response["Error"]["Code"] == code
    client.close()


def test_stack_is_ready_within_two_seconds_and_leaves_no_thread(
    new_aws: Callable[[Path], LocalAws], tmp_path: Path
) -> None:
    before = set(threading.enumerate())
    started = time.perf_counter()

    with new_aws(tmp_path) as aws:
        ready = time.perf_counter() - started
        keys = aws.administrator(SOURCE_ACCOUNT).for_boto3()
        client = boto3.client("sqs", region_name="us-east-1", endpoint_url=aws.endpoint_url, **keys)
        client.list_queues()

    client.close()
    assert ready < 2
    assert set(threading.enumerate()) <= before
