"""The pipeline's own adapters, with the credentials of whoever runs the command."""

from __future__ import annotations

from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws.dynamodb import DynamoTable
from chalicelib.aws.ecr import EcrRegistries
from chalicelib.aws.s3 import S3Bucket
from chalicelib.aws.session import Session
from chalicelib.errors import TransshipError
from chalicelib.names import Deployment
from chalicelib.oci.reference import Registry
from chalicelib.ports.bucket import ObjectSource
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
        CommandError: The URL is none, or the object is absent or cannot be read.
    """
    found = find_s3_source(url)
    if found is None:
        raise CommandError(f"{url}: there is no such object.", "Look what there is: aws s3 ls.")
    return found


def find_s3_source(url: str) -> ObjectSource | None:
    """
    Return the latest version of the object at *url*, as `s3_source`, or None if there is none.

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
        pipelines = S3Bucket(Session(), bucket, owner)
        found = pipelines.latest(key)
    except (BotoCoreError, ClientError, TransshipError) as error:
        # Without s3:ListBucket S3 calls an absent object forbidden.
        raise CommandError(
            f"{url} cannot be read: {error}", "You need s3:GetObject and s3:ListBucket on it."
        ) from error
    return pipelines.source(found.object) if found else None
