"""Which deployment a command means, found with the caller's own credentials."""

from __future__ import annotations

import re

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.names import Deployment
from transship.errors import CommandError

_OWNER = re.compile(r"transship-.+-([0-9]{12})-[a-z]{2}(?:-[a-z]+)+-[0-9]+")
_NO_DEPLOYMENT = "Deploy one with `transship deploy --stage STAGE`, or name another Region with AWS_DEFAULT_REGION."


def find_deployment(session: boto3.Session, *, stage: str | None = None, bucket: str | None = None) -> Deployment:
    """
    Return the deployment of *stage*, or of *bucket*, or the only one in the caller's account and Region.

    Raises:
        CommandError: There are no credentials, there is none, or there are several.
    """
    try:
        identity = session.client("sts").get_caller_identity()
        region = session.region_name
        partition, account = identity["Arn"].split(":")[1], identity["Account"]
        chosen = stage or _stage_of_bucket(bucket, account, region) or _only_stage(session, account, region)
    except (BotoCoreError, ClientError) as error:
        raise CommandError(
            f"AWS does not answer: {error}", "Check AWS_PROFILE, AWS_DEFAULT_REGION and the network."
        ) from (error)
    return Deployment(chosen, partition, region, account)


def _stage_of_bucket(bucket: str | None, account: str, region: str) -> str | None:
    """Return the stage in a bucket's name; `names.Deployment.bucket` is the pattern."""
    found = re.fullmatch(f"transship-(.+)-{account}-{region}", bucket or "")
    return found[1] if found else None


def owned(bucket: str) -> dict[str, str]:
    """
    Return what makes S3 refuse a bucket of somebody else's, as far as the name says whose it must be.

    Names of buckets are global, and ours can be guessed: whoever made one of that name first would get our archives.
    """
    found = _OWNER.fullmatch(bucket)
    return {"ExpectedBucketOwner": found[1]} if found else {}


def _only_stage(session: boto3.Session, account: str, region: str) -> str:
    buckets = session.client("s3").list_buckets()["Buckets"]
    stages = sorted(filter(None, (_stage_of_bucket(bucket["Name"], account, region) for bucket in buckets)))
    if not stages:
        raise CommandError(f"There is no deployment in account {account}, Region {region}.", _NO_DEPLOYMENT)
    if len(stages) > 1:
        raise CommandError(f"There are several deployments: {', '.join(stages)}.", "Name one with --stage.")
    return stages[0]
