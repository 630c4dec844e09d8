"""Points that many operations share: a 5xx, a parameter out of its bounds, an absent repository."""

from __future__ import annotations

from typing import Any

from botocore import xform_name

from tests.local.ecr.points import POINTS, Point, cannot, errors_of
from tests.local.ecr.world import ACCOUNT, World, manifest_of
from transship.local.ecr.operations import OPERATIONS

DIGEST = "sha256:" + 64 * "0"
UUID = "00000000-0000-4000-8000-000000000000"
ARN = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/no/such"
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"ecr:BatchGetImage"}]}'
REGISTRY_POLICY = POLICY.replace('"Action"', '"Resource":"*","Action"')
LIFECYCLE_POLICY = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"imageCountMoreThan",'
    '"countNumber":1},"action":{"type":"expire"}}]}'
)

# Valid parameters of every operation; the repository that they name is absent.
MINIMAL: dict[str, dict[str, Any]] = {
    "BatchCheckLayerAvailability": {"repositoryName": "no/such", "layerDigests": [DIGEST]},
    "InitiateLayerUpload": {"repositoryName": "no/such"},
    "UploadLayerPart": {
        "repositoryName": "no/such",
        "uploadId": UUID,
        "partFirstByte": 0,
        "partLastByte": 0,
        "layerPartBlob": b"x",
    },
    "CompleteLayerUpload": {"repositoryName": "no/such", "uploadId": UUID, "layerDigests": [DIGEST]},
    "PutImage": {"repositoryName": "no/such", "imageManifest": manifest_of(b"{}", [b"x"])},
    "BatchGetImage": {"repositoryName": "no/such", "imageIds": [{"imageTag": "1"}]},
    "DescribeImages": {"repositoryName": "no/such"},
    "ListImages": {"repositoryName": "no/such"},
    "ListImageReferrers": {"repositoryName": "no/such", "subjectId": {"imageDigest": DIGEST}},
    "GetDownloadUrlForLayer": {"repositoryName": "no/such", "layerDigest": DIGEST},
    "BatchDeleteImage": {"repositoryName": "no/such", "imageIds": [{"imageTag": "1"}]},
    "UpdateImageStorageClass": {
        "repositoryName": "no/such",
        "imageId": {"imageTag": "1"},
        "targetStorageClass": "ARCHIVE",
    },
    "CreateRepository": {"repositoryName": "no/such"},
    "DescribeRepositories": {"repositoryNames": ["no/such"]},
    "DeleteRepository": {"repositoryName": "no/such"},
    "PutImageTagMutability": {"repositoryName": "no/such", "imageTagMutability": "IMMUTABLE"},
    "PutImageScanningConfiguration": {"repositoryName": "no/such", "imageScanningConfiguration": {}},
    "SetRepositoryPolicy": {"repositoryName": "no/such", "policyText": POLICY},
    "GetRepositoryPolicy": {"repositoryName": "no/such"},
    "DeleteRepositoryPolicy": {"repositoryName": "no/such"},
    "PutLifecyclePolicy": {"repositoryName": "no/such", "lifecyclePolicyText": LIFECYCLE_POLICY},
    "GetLifecyclePolicy": {"repositoryName": "no/such"},
    "DeleteLifecyclePolicy": {"repositoryName": "no/such"},
    "TagResource": {"resourceArn": ARN, "tags": [{"Key": "k", "Value": "v"}]},
    "UntagResource": {"resourceArn": ARN, "tagKeys": ["k"]},
    "ListTagsForResource": {"resourceArn": ARN},
    "DescribeRegistry": {},
    "PutReplicationConfiguration": {"replicationConfiguration": {"rules": []}},
    "PutRegistryPolicy": {"policyText": REGISTRY_POLICY},
    "GetRegistryPolicy": {},
    "DeleteRegistryPolicy": {},
    "GetAccountSetting": {"name": "BLOB_MOUNTING"},
    "PutAccountSetting": {"name": "BLOB_MOUNTING", "value": "ENABLED"},
    "RegisterPullTimeUpdateExclusion": {"principalArn": f"arn:aws:iam::{ACCOUNT}:role/reader"},
    "DeregisterPullTimeUpdateExclusion": {"principalArn": f"arn:aws:iam::{ACCOUNT}:role/reader"},
    "ListPullTimeUpdateExclusions": {},
    "GetAuthorizationToken": {},
    "DescribeImageReplicationStatus": {"repositoryName": "no/such", "imageId": {"imageTag": "1"}},
    "DescribeImageScanFindings": {"repositoryName": "no/such", "imageId": {"imageTag": "1"}},
    "StartReplicationBackfill": {"destination": {"region": "eu-west-1", "registryId": ACCOUNT}},
    "StopReplicationBackfill": {"replicationBackfillId": UUID},
    "ListReplicationBackfills": {},
    "DescribeReplicationBackfillResults": {"replicationBackfillId": UUID},
    "CreateRepositoryCreationTemplate": {"prefix": "prod", "appliedFor": ["REPLICATION"]},
    "UpdateRepositoryCreationTemplate": {"prefix": "prod"},
    "DeleteRepositoryCreationTemplate": {"prefix": "prod"},
    "DescribeRepositoryCreationTemplates": {},
}

# What makes them invalid where there is no registryId to spoil.
SPOILED: dict[str, dict[str, Any]] = {
    "TagResource": {"resourceArn": "arn:aws:s3:::bucket"},
    "UntagResource": {"resourceArn": "arn:aws:s3:::bucket"},
    "ListTagsForResource": {"resourceArn": "arn:aws:s3:::bucket"},
    "PutReplicationConfiguration": {
        "replicationConfiguration": {"rules": [{"destinations": [{"region": "us-east-1", "registryId": ACCOUNT}]}]}
    },
    "PutRegistryPolicy": {"policyText": "no policy"},
    "GetAccountSetting": {"name": "NO_SUCH_SETTING"},
    "PutAccountSetting": {"name": "NO_SUCH_SETTING"},
    "RegisterPullTimeUpdateExclusion": {"principalArn": "arn:aws:s3:::bucket"},
    "DeregisterPullTimeUpdateExclusion": {"principalArn": "arn:aws:s3:::bucket"},
    "ListPullTimeUpdateExclusions": {"maxResults": 5000},
    "GetAuthorizationToken": {"registryIds": ["12"]},
    "CreateRepositoryCreationTemplate": {"prefix": "NO PREFIX"},
    "UpdateRepositoryCreationTemplate": {"prefix": "NO PREFIX"},
    "DeleteRepositoryCreationTemplate": {"prefix": "NO PREFIX"},
    "DescribeRepositoryCreationTemplates": {"maxResults": 5000},
}
WITHOUT_PARAMETERS = ("DescribeRegistry", "GetRegistryPolicy", "DeleteRegistryPolicy")


def call(world: World, operation: str, **more: Any) -> Any:
    """Make the call with its minimal parameters and *more*."""
    return getattr(world.ecr, xform_name(operation))(**MINIMAL[operation] | more)


def _server(operation: str) -> Point:
    def act(world: World) -> None:
        world.fault(f"{operation}:5xx")
        call(world, operation)

    return Point(operation, "ServerException", act)


def _invalid(operation: str) -> Point:
    spoiled = SPOILED.get(operation, {"registryId": "12"})
    return Point(operation, "InvalidParameterException", lambda world: call(world, operation, **spoiled))


def _no_repository(operation: str) -> Point:
    return Point(operation, "RepositoryNotFoundException", lambda world: call(world, operation))


_WAYS = {
    "ServerException": _server,
    "InvalidParameterException": _invalid,
    "RepositoryNotFoundException": _no_repository,
}

cannot("InvalidParameterException", "the operation has no parameters", *WITHOUT_PARAMETERS)
for _operation in OPERATIONS:
    for _error, _way in _WAYS.items():
        if _error in errors_of(_operation) and not (_operation in WITHOUT_PARAMETERS and _error.startswith("Invalid")):
            POINTS[_operation, _error] = _way(_operation)
