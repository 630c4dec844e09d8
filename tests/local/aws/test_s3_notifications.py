"""What a queue hears of a bucket: one record for one change, with version, sequencer and principal."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import pytest
from boto3.s3.transfer import TransferConfig

from transship.local.accounts import SOURCE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable

    Clients = Callable[..., Any]

QUEUE = f"arn:aws:sqs:us-east-1:{SOURCE_ACCOUNT}:heard"


@pytest.fixture(name="bucket")
def _bucket(clients: Clients) -> str:
    s3, sqs = clients("s3"), clients("sqs")
    name = f"told-{len(s3.list_buckets()['Buckets'])}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
        "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{name}"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.create_queue(QueueName="heard")
    url = sqs.get_queue_url(QueueName="heard")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    heard(clients)
    s3.put_bucket_notification_configuration(
        Bucket=name,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "Id": "uploads",
                    "QueueArn": QUEUE,
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "uploads/"}]}},
                }
            ]
        },
    )
    assert heard(clients) == [{"Event": "s3:TestEvent", "Bucket": name}]
    return name


def heard(clients: Clients) -> list[dict[str, Any]]:
    sqs = clients("sqs")
    url = sqs.get_queue_url(QueueName="heard")["QueueUrl"]
    received = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            body = json.loads(message["Body"])
            received.append({key: body[key] for key in ("Records", "Event", "Bucket") if key in body})
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return received


def test_put_is_told_once_with_all_that_identifies_it(clients: Clients, bucket: str) -> None:
    put = clients("s3").put_object(Bucket=bucket, Key="uploads/a b+c/ü.tar", Body=b"12345")
    clients("s3").put_object(Bucket=bucket, Key="elsewhere.tar", Body=b"12345")

    [message] = heard(clients)
    [record] = message["Records"]

    entity = record["s3"]["object"]
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["eventVersion"].startswith("2.")
    assert record["userIdentity"]["principalId"] == "AWS:" + clients("sts").get_caller_identity()["UserId"]
    assert record["userIdentity"]["principalId"].startswith("AWS:AIDA")
    assert record["requestParameters"]["sourceIPAddress"] == "127.0.0.1"
    assert unquote_plus(entity["key"]) == "uploads/a b+c/ü.tar"
    assert (entity["size"], entity["eTag"], entity["versionId"]) == (5, put["ETag"].strip('"'), put["VersionId"])
    assert record["s3"]["configurationId"] == "uploads"


def test_multipart_upload_is_told_once(clients: Clients, bucket: str) -> None:
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    clients("s3").upload_fileobj(io.BytesIO(bytes(6 << 20)), bucket, "uploads/big", Config=config)

    names = [record["eventName"] for message in heard(clients) for record in message["Records"]]

    assert names == ["ObjectCreated:CompleteMultipartUpload"]


def test_sequencers_of_a_key_grow(clients: Clients, bucket: str) -> None:
    for _ in range(3):
        clients("s3").put_object(Bucket=bucket, Key="uploads/k", Body=b"")

    sequencers = [message["Records"][0]["s3"]["object"]["sequencer"] for message in heard(clients)]

    assert sequencers == sorted(sequencers)
    assert len(set(sequencers)) == 3


def test_queue_that_lets_s3_in_no_more_hears_nothing(clients: Clients, bucket: str) -> None:
    url = clients("sqs").get_queue_url(QueueName="heard")["QueueUrl"]
    clients("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})

    clients("s3").put_object(Bucket=bucket, Key="uploads/a", Body=b"1")

    assert heard(clients) == []


def test_queue_that_does_not_let_s3_in_is_refused_at_configuration(clients: Clients) -> None:
    s3, sqs = clients("s3"), clients("sqs")
    s3.create_bucket(Bucket="closed")
    sqs.create_queue(QueueName="closed")
    configuration = {"QueueArn": QUEUE.replace("heard", "closed"), "Events": ["s3:ObjectCreated:*"]}

    with pytest.raises(s3.exceptions.ClientError, match="Unable to validate the following destination") as refused:
        s3.put_bucket_notification_configuration(
            Bucket="closed", NotificationConfiguration={"QueueConfigurations": [configuration]}
        )

    assert refused.value.response["Error"]["Code"] == "InvalidArgument"
