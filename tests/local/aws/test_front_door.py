"""Every service that the pipeline uses answers real boto3 clients through one endpoint, in the caller's name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError

from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable
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


def test_operation_that_moto_has_not_is_said_to_be_absent(clients: Clients) -> None:
    with pytest.raises(ClientError, match="The local AWS has no ListServiceSpecificCredentials of iam") as refused:
        clients("iam").list_service_specific_credentials(UserName="administrator")

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


@pytest.mark.parametrize("operation", ["get_session_token", "get_federation_token"])
def test_credentials_that_nobody_would_know_are_not_handed_out(clients: Clients, operation: str) -> None:
    arguments = {"Name": "somebody"} if operation == "get_federation_token" else {}

    with pytest.raises(ClientError, match="use AssumeRole"):
        getattr(clients("sts"), operation)(**arguments)


def test_failure_inside_moto_is_an_internal_failure(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("unexpected")

    monkeypatch.setattr("moto.sqs.models.SQSBackend.list_queues", fail)

    with pytest.raises(ClientError, match="KeyError") as failed:
        clients("sqs").list_queues()

    assert failed.value.response["Error"]["Code"] == "InternalFailure"


def test_caller_without_rights_is_denied_in_each_protocol(aws: LocalAws, clients: Clients) -> None:
    iam = clients("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    calls = {
        "s3": ("list_buckets", {}, "AccessDenied", 403),
        "sqs": ("list_queues", {}, "AccessDenied", 403),
        "dynamodb": ("list_tables", {}, "AccessDeniedException", 400),
        "events": ("list_rules", {}, "AccessDeniedException", 400),
        "lambda": ("list_functions", {}, "AccessDeniedException", 403),
        "iam": ("list_users", {}, "AccessDenied", 403),
        "cloudformation": ("describe_stacks", {}, "AccessDenied", 403),
        "logs": ("describe_log_groups", {}, "AccessDeniedException", 400),
        "ecr": ("describe_registry", {}, "AccessDeniedException", 400),
    }
    for service, (operation, arguments, code, status) in calls.items():
        client = boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=aws.endpoint_url,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )
        with pytest.raises(ClientError, match="not authorized to perform") as denied:
            getattr(client, operation)(**arguments)
        response = denied.value.response
        assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status), service
        client.close()


def test_concurrent_conditional_writes_have_one_winner(clients: Clients) -> None:
    dynamodb = clients("dynamodb")
    dynamodb.create_table(
        TableName="race",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def put(number: int) -> bool:
        try:
            dynamodb.put_item(
                TableName="race",
                Item={"k": {"S": "one"}, "n": {"N": str(number)}},
                ConditionExpression="attribute_not_exists(k)",
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(put, range(32))) == 1
