"""
Requests judged by botocore's own service model of ECR.

botocore checks minima only (ecr.md 1.0), so maxima, patterns and enumerations are checked here.
Left out: the size of a layer part, which UploadLayerPart answers by an error of its own (8.2).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape

from transship.local.ecr.errors import EcrError, invalid_parameter


@functools.cache
def service_model() -> ServiceModel:
    """Return the model of the API version that the local ECR speaks."""
    return ServiceModel(Loader().load_service_model("ecr", "service-2", "2015-09-21"), "ecr")


@functools.cache
def operation_model(operation: str) -> OperationModel:
    """Return the model of *operation*."""
    return service_model().operation_model(operation)


@functools.cache
def operations_listing(error: str) -> tuple[str, ...]:
    """Return the operations whose model lists *error*."""
    names = service_model().operation_names
    return tuple(name for name in names if any(shape.name == error for shape in operation_model(name).error_shapes))


@functools.cache
def largest_page(operation: str) -> int:
    """Return the largest maxResults of *operation*, which must have one."""
    members = getattr(operation_model(operation).input_shape, "members", {})
    return int(members["maxResults"].metadata["max"])


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def validate(operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """
    Check *parameters* against the input shape of *operation*, and return those that it has and that are not null.

    Raises:
        EcrError: InvalidParameterException for a value out of its bounds, SerializationException for one of the wrong
            JSON type.
    """
    shape = operation_model(operation).input_shape
    if shape is None:
        return {}
    _check(shape, parameters, "request")
    return {name: value for name, value in parameters.items() if name in shape.members and value is not None}


_TYPES: dict[str, Any] = {
    "structure": dict,
    "list": list,
    "string": str,
    "integer": int,
    "long": int,
    "boolean": bool,
    "blob": (bytes, bytearray, memoryview),
}


def _check(shape: Shape, value: Any, where: str) -> None:
    expected: Any = _TYPES[shape.type_name]
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise EcrError("SerializationException", f"{where} is not of type {shape.type_name}")
    match shape:
        case StructureShape():
            _check_structure(shape, value)
        case ListShape():
            _check_bounds(shape, len(value), where, "length")
            for item in value:
                _check(shape.member, item, where)
        case StringShape():
            _check_string(shape, value, where)
        case _ if expected is int:
            _check_bounds(shape, value, where, "value")


def _check_structure(shape: StructureShape, value: Mapping[str, Any]) -> None:
    for name in shape.required_members:
        if value.get(name) is None:
            raise invalid_parameter(name, "must not be null")
    for name, member in shape.members.items():
        if value.get(name) is not None:
            _check(member, value[name], name)


def _check_string(shape: StringShape, value: str, where: str) -> None:
    _check_bounds(shape, len(value), where, "length")
    if shape.enum and value not in shape.enum:
        raise invalid_parameter(where, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not _pattern(pattern).fullmatch(value):
        raise invalid_parameter(where, f"must satisfy regular expression '{pattern}'")


def _check_bounds(shape: Shape, size: int, where: str, what: str) -> None:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        raise invalid_parameter(where, f"Member must have {what} greater than or equal to {least}")
    if most is not None and size > most:
        raise invalid_parameter(where, f"Member must have {what} less than or equal to {most}")
