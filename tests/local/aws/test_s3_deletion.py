"""DeleteObjects: each key has its own verdict."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transship.local.stack import LocalAws

    Clients = Callable[..., Any]


@pytest.fixture(name="s3", scope="module")
def _s3(clients: Clients) -> Any:
    s3 = clients("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    return s3


@pytest.fixture(name="cleaner", scope="module")
def _cleaner(aws: LocalAws, clients: Clients) -> Iterator[Any]:
    """May delete below `tmp/`, and no version."""
    iam = clients("iam")
    iam.create_user(UserName="cleaner")
    statement = {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::kept/tmp/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="cleaner", PolicyName="clean", PolicyDocument=document)
    key = iam.create_access_key(UserName="cleaner")["AccessKey"]
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    yield client
    client.close()


def test_what_may_be_deleted_is_gone_and_the_rest_is_listed(s3: Any, cleaner: Any) -> None:
    versions = {key: s3.put_object(Bucket="kept", Key=key, Body=b"x")["VersionId"] for key in ("tmp/a", "b&<c>")}
    objects = [{"Key": key} for key in versions] + [{"Key": "tmp/a", "VersionId": versions["tmp/a"]}]

    answer = cleaner.delete_objects(Bucket="kept", Delete={"Objects": objects})

    [deleted] = answer["Deleted"]
    assert (deleted["Key"], deleted["DeleteMarker"]) == ("tmp/a", True)
    assert [(one["Key"], one.get("VersionId"), one["Code"]) for one in answer["Errors"]] == [
        ("b&<c>", None, "AccessDenied"),
        ("tmp/a", versions["tmp/a"], "AccessDenied"),
    ]
    assert "s3:DeleteObjectVersion" in answer["Errors"][1]["Message"]
    assert s3.head_object(Bucket="kept", Key="b&<c>")
    assert s3.head_object(Bucket="kept", Key="tmp/a", VersionId=versions["tmp/a"])


def test_quiet_deletion_tells_of_errors_alone(s3: Any) -> None:
    version = s3.put_object(Bucket="kept", Key="quiet", Body=b"x")["VersionId"]

    answer = s3.delete_objects(
        Bucket="kept", Delete={"Objects": [{"Key": "quiet", "VersionId": version}], "Quiet": True}
    )

    assert "Deleted" not in answer
    assert "Errors" not in answer
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="kept", Key="quiet", VersionId=version)


def test_list_of_more_than_a_thousand_keys_is_refused(s3: Any) -> None:
    objects = [{"Key": str(number)} for number in range(1001)]

    with pytest.raises(ClientError, match="MalformedXML"):
        s3.delete_objects(Bucket="kept", Delete={"Objects": objects})
