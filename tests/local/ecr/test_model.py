"""Requests held against botocore's model: what botocore itself does not check is refused by the server."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.ecr.points_common import DIGEST
from tests.local.ecr.world import ACCOUNT, MIB, World, caller_of, code_of
from transship.local.ecr.errors import EcrError
from transship.local.ecr.model import operation_model, validate
from transship.local.ecr.operations import OPERATIONS


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("create_repository", {"repositoryName": "UPPER"}),
        ("create_repository", {"repositoryName": "a"}),
        ("create_repository", {"repositoryName": 257 * "a"}),
        ("create_repository", {"repositoryName": "a//b"}),
        ("create_repository", {"repositoryName": "a/b\n"}),
        ("create_repository", {"repositoryName": "a/b", "imageTagMutability": "SOMETIMES"}),
        ("create_repository", {}),
        ("create_repository", {"repositoryName": "a/b", "registryId": "1" * 11}),
        ("batch_get_image", {"repositoryName": "a/b", "imageIds": []}),
        ("batch_get_image", {"repositoryName": "a/b", "imageIds": 101 * [{"imageTag": "1"}]}),
        ("batch_get_image", {"repositoryName": "a/b", "imageIds": [{"imageTag": 301 * "x"}]}),
        ("batch_check_layer_availability", {"repositoryName": "a/b", "layerDigests": [1001 * "x"]}),
        ("describe_images", {"repositoryName": "a/b", "maxResults": 0}),
        ("describe_images", {"repositoryName": "a/b", "maxResults": 1001}),
        ("upload_layer_part", {"repositoryName": "a/b", "uploadId": "zzz", "partFirstByte": 0, "partLastByte": 0}),
        ("complete_layer_upload", {"repositoryName": "a/b", "uploadId": DIGEST, "layerDigests": [DIGEST]}),
        ("put_image", {"repositoryName": "a/b", "imageManifest": ""}),
        ("put_image", {"repositoryName": "a/b", "imageManifest": (4 * MIB + 1) * "x"}),
        ("put_registry_policy", {"policyText": 10_241 * "x"}),
        ("put_replication_configuration", {"replicationConfiguration": {"rules": 26 * [{"destinations": []}]}}),
    ],
)
def test_value_out_of_its_bounds_is_an_invalid_parameter(
    world: World, operation: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(world.ecr, operation)(**parameters)

    assert code_of(refused.value) == "InvalidParameterException"


@pytest.mark.parametrize(
    "parameters",
    [{"repositoryName": 5}, {"repositoryName": "a/b", "tags": {}}, {"repositoryName": "a/b", "tags": ["x"]}],
)
def test_value_of_the_wrong_type_is_a_serialization_error(world: World, parameters: dict[str, Any]) -> None:
    body = json.dumps(parameters).encode()

    status, _, answer = world.service.json_api(caller_of(ACCOUNT, "us-east-1"), "CreateRepository", body)

    assert (status, json.loads(answer)["__type"]) == (400, "SerializationException")


def test_boolean_is_no_number() -> None:
    with pytest.raises(EcrError, match="SerializationException"):
        validate("DescribeImages", {"repositoryName": "a/b", "maxResults": True})


def test_unknown_and_null_members_are_left_out() -> None:
    parameters = {"repositoryName": "a/b", "colour": "red", "maxResults": None}

    assert validate("DescribeImages", parameters) == {"repositoryName": "a/b"}


def test_hostile_name_is_judged_in_no_time() -> None:
    started = time.process_time()

    with pytest.raises(EcrError):
        validate("CreateRepository", {"repositoryName": 85 * "a__" + "!"})

    assert time.process_time() - started < 1


def patterns() -> dict[str, str]:
    """Return the patterns of all strings that the operations take, by the name of their shape."""
    found: dict[str, str] = {}

    def visit(shape: Any) -> None:
        if shape.metadata.get("pattern"):
            found[shape.name] = shape.metadata["pattern"]
        for member in getattr(shape, "members", {}).values():
            visit(member)
        if shape.type_name == "list":
            visit(shape.member)

    for operation in OPERATIONS:
        visit(operation_model(operation).input_shape)
    return found


@pytest.mark.parametrize("name", sorted(patterns()))
@pytest.mark.parametrize("unit", ["a", "a-", "a/", "a.", "a_", "-", "0", "arn:aws:iam::111122223333:role/a"])
def test_pattern_judges_hostile_text_in_no_time(name: str, unit: str) -> None:
    text = (256 * unit)[:256] + "!\n"
    started = time.process_time()

    re.fullmatch(patterns()[name], text)

    assert time.process_time() - started < 0.5
