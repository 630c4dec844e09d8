"""The picker that remembers names finds what moto's own finds, in every answer of the services that use it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.model import OperationModel, Shape
from moto.core.serialize import AttributePickerContext, XFormedAttributePicker
from moto.core.utils import get_service_model

from transship.local.picker import RememberingPicker


@pytest.mark.parametrize("service", ["dynamodb", "events", "iam", "lambda", "sqs", "sts"])
def test_finds_what_moto_finds(service: str) -> None:
    found = 0
    for context in contexts(service):
        names = list(XFormedAttributePicker().get_possible_keys(context))
        everything = {name: number for number, name in enumerate(names)}
        for held in (everything, {}, {"other": 1}, *({name: name} for name in names), SimpleNamespace(**everything)):
            context.obj = held
            picked = RememberingPicker()(context)
            assert picked == XFormedAttributePicker()(context), (context.key, held)
            found += picked is not None
    assert found > 100


def test_what_is_transformed_is_left_to_moto() -> None:
    context = next(contexts("sqs"))
    context.obj = {context.key: 1}
    picker = RememberingPicker(response_transformers={context.key: lambda value: value + 1})

    assert picker(context) == 2


def contexts(service: str) -> Iterator[AttributePickerContext]:
    """Yield each member of each structure that *service* answers with, as a serializer comes to it."""
    model = get_service_model(service)
    for name in model.operation_names:
        operation = model.operation_model(name)
        if operation.output_shape is not None:
            yield from members(operation, operation.output_shape, set())


def members(operation: OperationModel, shape: Any, seen: set[str]) -> Iterator[AttributePickerContext]:
    if shape.name in seen:
        return
    seen.add(shape.name)
    if shape.type_name == "structure":
        for key, member in shape.members.items():
            member.parent = shape
            yield AttributePickerContext({}, key, member, operation, operation.service_model, shape.name)
            yield from members(operation, member, seen)
    for inner in ("member", "value"):
        within: Shape | None = getattr(shape, inner, None)
        if within is not None:
            yield from members(operation, within, seen)
