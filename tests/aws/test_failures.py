"""Every error that botocore's model lists for a call of ours has a stated fate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from botocore.loaders import Loader
from botocore.model import ServiceModel

from chalicelib.aws.failures import Refusal, aws_call, fate
from chalicelib.errors import (
    Code,
    FailedError,
    ImagesAbsent,
    LayerRejected,
    LayersAbsent,
    LayerUploadGone,
    PartOutOfOrder,
    RepositoryAbsent,
    TagTaken,
    TemporaryError,
    ThrottledError,
    TransshipError,
)

Fate = type[TransshipError] | Code | None

EVERY_CALL: dict[str, Fate] = {
    "InvalidParameterException": Code.REGISTRY_REFUSED,
    "RepositoryNotFoundException": RepositoryAbsent,
    "ServerException": TemporaryError,
}
WITHOUT_REPOSITORY = EVERY_CALL | {"RepositoryNotFoundException": None}
SUCCESS = None  # the adapter takes it for success; `test_ecr` shows it
# What README promises, call by call. `None`: the error is not the call's, or is success.
FATES: dict[str, dict[str, Fate]] = {
    "GetAuthorizationToken": WITHOUT_REPOSITORY,
    "DescribeRepositories": EVERY_CALL,
    "ListTagsForResource": EVERY_CALL,
    "CreateRepository": WITHOUT_REPOSITORY
    | {
        "InvalidTagParameterException": Code.REGISTRY_REFUSED,
        "TooManyTagsException": Code.REGISTRY_LIMIT,
        "LimitExceededException": Code.REGISTRY_LIMIT,
        "KmsException": Code.KMS,
        "RepositoryAlreadyExistsException": SUCCESS,
    },
    "BatchCheckLayerAvailability": EVERY_CALL,
    "InitiateLayerUpload": EVERY_CALL | {"KmsException": Code.KMS},
    "UploadLayerPart": EVERY_CALL
    | {
        "InvalidLayerPartException": PartOutOfOrder,
        "UploadNotFoundException": LayerUploadGone,
        "LimitExceededException": Code.REGISTRY_LIMIT,
        "KmsException": Code.KMS,
    },
    "CompleteLayerUpload": EVERY_CALL
    | {
        "UploadNotFoundException": LayerUploadGone,
        "InvalidLayerException": LayerRejected,
        "LayerPartTooSmallException": LayerRejected,
        "EmptyUploadException": LayerRejected,
        "KmsException": Code.KMS,
        "LayerAlreadyExistsException": SUCCESS,
    },
    "PutImage": EVERY_CALL
    | {
        "LayersNotFoundException": LayersAbsent,
        "ReferencedImagesNotFoundException": ImagesAbsent,
        "ImageTagAlreadyExistsException": TagTaken,
        "ImageDigestDoesNotMatchException": Code.REGISTRY_REFUSED,
        "LimitExceededException": Code.REGISTRY_LIMIT,
        "KmsException": Code.KMS,
        "ImageAlreadyExistsException": SUCCESS,
    },
    "BatchGetImage": EVERY_CALL
    | {"LimitExceededException": TemporaryError, "UnableToGetUpstreamImageException": TemporaryError},
    "DescribeRegistry": WITHOUT_REPOSITORY | {"ValidationException": Code.REGISTRY_REFUSED},
    "DescribeImageReplicationStatus": EVERY_CALL
    | {"ValidationException": Code.REGISTRY_REFUSED, "ImageNotFoundException": SUCCESS},
}


def model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("ecr", "service-2"))


def modeled_errors() -> Iterator[tuple[str, str]]:
    for operation in FATES:
        for shape in model().operation_model(operation).error_shapes:
            yield operation, shape.name


def refusal(action: str, code: str, status: int = 400) -> Refusal:
    return Refusal(action, "arn:aws:ecr:us-east-1:111122223333:repository/team/app", code, status, "words", {})


def test_fates_are_stated_for_exactly_the_errors_of_the_model() -> None:
    stated = {(call, error) for call, fates in FATES.items() for error, what in fates.items() if what is not None}
    successes = {
        ("CreateRepository", "RepositoryAlreadyExistsException"),
        ("CompleteLayerUpload", "LayerAlreadyExistsException"),
        ("PutImage", "ImageAlreadyExistsException"),
        ("DescribeImageReplicationStatus", "ImageNotFoundException"),
    }

    assert stated | successes == set(modeled_errors())


@pytest.mark.parametrize(
    ("operation", "error", "expected"),
    [
        (call, error, expected)
        for call, fates in FATES.items()
        for error, expected in fates.items()
        if expected is not None
    ],
)
def test_modeled_error_has_its_fate(operation: str, error: str, expected: Fate) -> None:
    outcome = fate(refusal(f"ecr:{operation}", error))

    if isinstance(expected, Code):
        assert isinstance(outcome, FailedError)
        assert outcome.code is expected
    else:
        assert type(outcome) is expected


@pytest.mark.parametrize(
    ("action", "code", "status", "expected"),
    [
        ("ecr:PutImage", "ThrottlingException", 400, ThrottledError),
        ("ecr:PutImage", "TooManyRequestsException", 429, ThrottledError),
        ("ecr:PutImage", "ExpiredTokenException", 400, TemporaryError),
        ("ecr:PutImage", "UnrecognizedClientException", 400, TemporaryError),
        ("ecr:PutImage", "SomethingNew", 500, TemporaryError),
        ("ecr:PutImage", "", 503, TemporaryError),
        ("s3:GetObjectVersion", "SlowDown", 503, ThrottledError),
        ("s3:GetObjectVersion", "RequestTimeout", 400, TemporaryError),
        ("dynamodb:Query", "ProvisionedThroughputExceededException", 400, ThrottledError),
        ("ecr:PutImage", "SomethingNew", 400, Code.REGISTRY_REFUSED),
        ("ecr:PutImage", "AccessDeniedException", 400, Code.ACCESS_DENIED),
        ("s3:GetObjectVersion", "AccessDenied", 403, Code.ACCESS_DENIED),
        ("s3:GetObjectVersion", "NoSuchVersion", 404, Code.OBJECT_GONE),
        ("s3:GetObjectVersion", "NoSuchKey", 404, Code.OBJECT_GONE),
        ("s3:GetObjectVersion", "PreconditionFailed", 412, Code.OBJECT_CHANGED),
        ("s3:GetObjectVersion", "InvalidRange", 416, Code.OBJECT_CHANGED),
    ],
)
def test_error_of_any_call_has_its_fate(action: str, code: str, status: int, expected: Fate) -> None:
    outcome = fate(refusal(action, code, status))

    if isinstance(expected, Code):
        assert isinstance(outcome, FailedError)
        assert outcome.code is expected
    else:
        assert type(outcome) is expected


def test_denial_names_the_action_and_the_resource() -> None:
    denied = ClientError(
        {"Error": {"Code": "AccessDeniedException", "Message": "User: … is not authorized"}}, "PutImage"
    )
    with pytest.raises(FailedError) as caught, aws_call("ecr:PutImage", "arn:aws:ecr:…"):
        raise denied

    assert caught.value.facts == {"action": "ecr:PutImage", "resource": "arn:aws:ecr:…"}
    assert "not authorized" in caught.value.detail
    assert caught.value.__cause__ is denied


@pytest.mark.parametrize("error", [ReadTimeoutError, ConnectTimeoutError])
def test_no_answer_is_temporary(error: Callable[..., Exception]) -> None:
    with pytest.raises(TemporaryError), aws_call("ecr:PutImage"):
        raise error(endpoint_url="https://api.ecr")


def test_part_out_of_order_carries_what_ecr_holds() -> None:
    answer = ClientError(
        {"Error": {"Code": "InvalidLayerPartException", "Message": ""}, "lastValidByteReceived": 9},  # type: ignore[typeddict-unknown-key]
        "UploadLayerPart",
    )
    with pytest.raises(PartOutOfOrder) as caught, aws_call("ecr:UploadLayerPart"):
        raise answer

    assert caught.value.last_valid_byte == 9


@pytest.mark.parametrize(
    ("words", "resource"),
    [
        ("User: arn:aws:sts::1:x is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::2:role/r",
         "arn:aws:iam::2:role/r"),
        ("Access denied", "*"),
    ],
)  # fmt: skip
def test_a_role_that_cannot_be_assumed_is_not_the_call_that_needed_it(words: str, resource: str) -> None:
    refused: Any = {"Error": {"Code": "AccessDenied", "Message": words}}
    with pytest.raises(FailedError) as failed, aws_call("ecr:PutImage", "arn:aws:ecr:us-east-1:2:repository/app"):
        raise ClientError(refused, "AssumeRole")

    assert failed.value.code is Code.ACCESS_DENIED
    assert failed.value.facts == {"action": "sts:AssumeRole", "resource": resource}
