"""The pipeline's own adapters, with the credentials of whoever runs the command."""

from __future__ import annotations

from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws.dynamodb import DynamoTable
from chalicelib.aws.ecr import EcrRegistries
from chalicelib.aws.s3 import S3Bucket
from chalicelib.aws.session import Session
from chalicelib.names import Deployment
from chalicelib.oci.reference import Registry
from chalicelib.ports.bucket import ObjectSource, ObjectVersion
from chalicelib.ports.registry import RegistryClient
from chalicelib.ports.table import Table
from transship.errors import ArgumentsError, CommandError


def table(deployment: Deployment) -> Table:
    """Return the deployment's table of state."""
    return DynamoTable(Session(), deployment.table)


def registry_client(registry: Registry) -> RegistryClient:
    """Return a client of *registry* with the caller's own rights."""
    return EcrRegistries(Session(), registry.account).client(registry)


def s3_source(url: str) -> ObjectSource:
    """
    Return the latest version of the object at *url* (`s3://BUCKET/KEY`) in a bucket of the caller's account.

    Raises:
        CommandError: The URL is none, or the object cannot be read.
    """
    parts = urlsplit(url)
    bucket, key = parts.netloc, parts.path.removeprefix("/")
    if not bucket or not key:
        raise ArgumentsError(f"{url} names no object.", "Write s3://BUCKET/KEY.")
    session = boto3.Session()
    try:
        owner = session.client("sts").get_caller_identity()["Account"]
        head = session.client("s3").head_object(Bucket=bucket, Key=key)
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"{url} cannot be read: {error}", "You need s3:GetObject on it.") from error
    version = ObjectVersion(
        bucket=bucket,
        key=key,
        version_id=head.get("VersionId", ""),
        etag=head["ETag"].strip('"'),
        size=head["ContentLength"],
    )
    return S3Bucket(Session(), bucket, owner).source(version)
