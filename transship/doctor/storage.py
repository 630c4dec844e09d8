"""Where uploads and state lie: the bucket, the table, and the messages that nobody could take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import boto3

from chalicelib.names import QUEUES, UPLOADS, Deployment, queue_name
from chalicelib.outside import Outside
from transship.finding import Finding

_EXPIRY: Final = "expires"
_INDEX: Final = "due"
_FOUNDATION: Final = "Deploy again: the foundation stack was changed by hand or is incomplete."


def examine_bucket(outside: Outside, session: boto3.Session) -> Iterator[Finding]:
    """Look at what an upload's identity rests on, the version, and at which keys the notification tells of."""
    s3: Any = session.client("s3")
    named = {"Bucket": outside.deployment.bucket, "ExpectedBucketOwner": outside.deployment.account}
    bucket, prefix = named["Bucket"], outside.settings.prefix
    versions = s3.get_bucket_versioning(**named).get("Status") == "Enabled"
    yield Finding(f"bucket {bucket} keeps versions", versions, _FOUNDATION)
    told = s3.get_bucket_notification_configuration(**named).get("QueueConfigurations", ())
    queue = f":{queue_name(outside.deployment.stage, UPLOADS)}"
    filters = [_filters(entry) for entry in told if entry["QueueArn"].endswith(queue)]
    # A wider one only wakes receive for nothing; a suffix, or a longer prefix, leaves uploads lying.
    whole = any(not found.get("suffix") and prefix.startswith(found.get("prefix", "")) for found in filters)
    shown = ", ".join(str(found) for found in filters) or "none"
    yield Finding(
        f"bucket {bucket} tells of every key below {prefix}",
        whole,
        f"Make Prefix of the foundation stack and TRANSSHIP_PREFIX equal by deploying again; its filters are {shown}.",
    )


def _filters(entry: Mapping[str, Any]) -> dict[str, str]:
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    return {rule["Name"].lower(): rule["Value"] for rule in rules}


def examine_table(deployment: Deployment, session: boto3.Session) -> Iterator[Finding]:
    """Look at the table, the index that the sweep reads, and what keeps the table from growing and from being lost."""
    dynamodb: Any = session.client("dynamodb")
    name = deployment.table
    try:
        table = dynamodb.describe_table(TableName=name)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        yield Finding(f"table {name} is ready", holds=False, remedy=_FOUNDATION)
        return
    yield Finding(f"table {name} is ready", table["TableStatus"] == "ACTIVE", "Wait, or deploy again.")
    indexes = {index["IndexName"]: index["IndexStatus"] for index in table.get("GlobalSecondaryIndexes", ())}
    ready = indexes.get(_INDEX) == "ACTIVE"
    yield Finding(f"table {name} has its index of what is due: lost messages are found by it", ready, _FOUNDATION)
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    expires = expiry.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"} and expiry.get("AttributeName") == _EXPIRY
    yield Finding(
        f"table {name} lets items expire",
        expires,
        f"Old uploads are never removed: aws dynamodb update-time-to-live --table-name {name} "
        f"--time-to-live-specification Enabled=true,AttributeName={_EXPIRY} (at most once an hour).",
    )
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    restorable = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED"
    yield Finding(f"table {name} can be restored to any second of the last days", restorable, _FOUNDATION)


def examine_dead_letters(deployment: Deployment, session: boto3.Session) -> Iterator[Finding]:
    """Count what could not be taken."""
    sqs: Any = session.client("sqs")
    wanted = "ApproximateNumberOfMessages"
    for queue in QUEUES:
        name = f"{queue_name(deployment.stage, queue)}-dead"
        try:
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        except sqs.exceptions.QueueDoesNotExist:
            yield Finding(f"queue {name} exists", holds=False, remedy=_FOUNDATION)
            continue
        count = int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[wanted])["Attributes"][wanted])
        yield Finding(
            f"queue {name} is empty",
            count == 0,
            f"It holds {count} messages: the sweep closes their uploads within minutes; see the log of {queue}.",
        )
