"""
The calls that functions make, as AWS's models name them.

Packages hold of botocore's models what these take (`transship/deploy/models.py`), so a call that is missing here does
not exist for a function. A test compares with what the adapters call.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from chalicelib.aws.session import Service

OPERATIONS: Final[Mapping[Service, AbstractSet[str]]] = {
    "dynamodb": {"BatchGetItem", "GetItem", "PutItem", "Query", "TransactWriteItems"},
    "ecr": {
        "BatchCheckLayerAvailability",
        "BatchDeleteImage",
        "BatchGetImage",
        "CompleteLayerUpload",
        "CreateRepository",
        "DescribeImageReplicationStatus",
        "DescribeImageScanFindings",
        "DescribeRegistry",
        "DescribeReplicationBackfillResults",
        "DescribeRepositories",
        "DescribeRepositoryCreationTemplates",
        "GetAuthorizationToken",
        "GetLifecyclePolicy",
        "GetRegistryPolicy",
        "GetRepositoryPolicy",
        "InitiateLayerUpload",
        "ListTagsForResource",
        "PutImage",
        "StartReplicationBackfill",
        "UploadLayerPart",
    },
    "events": {"PutEvents"},
    "iam": {"GetRole", "SimulatePrincipalPolicy"},
    "s3": {"GetObject", "HeadObject", "ListObjectVersions", "PutObject"},
    "sqs": {"ChangeMessageVisibility", "DeleteMessage", "GetQueueUrl", "ReceiveMessage", "SendMessage"},
    "sts": {"GetCallerIdentity"},
}
BY_BOTOCORE: Final[Mapping[Service, AbstractSet[str]]] = {"s3": {"HeadBucket"}, "sts": {"AssumeRole"}}
"""What botocore calls by itself: to find out where a bucket is, and for the credentials of a role."""
