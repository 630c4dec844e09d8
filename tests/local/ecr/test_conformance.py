"""Every error that botocore lists for an operation is provoked through a real client, or its absence explained."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from tests.local.ecr import points_images, points_registry  # noqa: F401 - they register their points
from tests.local.ecr.points import POINTS, REASONS, Point, absent_operations, errors_of
from tests.local.ecr.points_common import MINIMAL, call
from tests.local.ecr.world import World, caller_of, code_of
from transship.local.ecr.model import service_model
from transship.local.ecr.operations import OPERATIONS


@pytest.mark.parametrize("point", POINTS.values(), ids=str)
def test_error_of_the_model_is_raised(point: Point, make_world: Callable[..., World]) -> None:
    world = make_world(**point.options)

    with pytest.raises(ClientError) as raised:
        point.act(world)

    assert code_of(raised.value) == point.error
    assert raised.value.operation_name == point.operation
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == (
        500 if point.error == "ServerException" else 400
    )


@pytest.mark.parametrize(("operation", "error"), sorted(REASONS), ids="-".join)
def test_error_without_a_cause_here_is_raised_by_a_rule(operation: str, error: str, world: World) -> None:
    world.fault(f"{operation}:code={error}:error")

    with pytest.raises(ClientError) as raised:
        call(world, operation)

    assert code_of(raised.value) == error


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_error_has_a_point_or_a_reason(operation: str) -> None:
    unexplained = [
        error
        for error in errors_of(operation)
        if (operation, error) not in POINTS and (operation, error) not in REASONS
    ]

    assert unexplained == []


def test_every_operation_is_of_the_model_and_has_minimal_parameters() -> None:
    assert set(OPERATIONS) == set(MINIMAL)
    assert set(OPERATIONS) <= set(service_model().operation_names)


@pytest.mark.parametrize("operation", absent_operations())
def test_absent_operation_says_so(operation: str, world: World) -> None:
    status, _, body = world.service.json_api(caller_of("111122223333", "us-east-1"), operation, b"{}")

    assert status == 400
    assert b'"__type": "UnsupportedOperationException"' in body


def test_unknown_operation_is_a_clear_error(world: World) -> None:
    status, _, body = world.service.json_api(caller_of("111122223333", "us-east-1"), "BrewCoffee", b"")

    assert status == 400
    assert b"UnknownOperationException" in body


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_caller_without_permission_is_denied(operation: str, world: World) -> None:
    world.authorizer.denied = {"ecr:BatchGetImage" if operation == "ListImageReferrers" else f"ecr:{operation}"}

    with pytest.raises(ClientError) as raised:
        call(world, operation)

    assert code_of(raised.value) == "AccessDeniedException"
