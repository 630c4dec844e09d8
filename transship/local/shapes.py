"""
Whether a JSON body fits the input of its operation: JSON types and required members, by botocore's model.

Every AWS service checks that before anything else; moto does not, and fails on what a client never sends.
Left out: bounds, patterns and enumerations, whose errors each service words for itself (ECR's are in `ecr/model.py`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.model import ListShape, MapShape, StructureShape

from transship.local.protocol_error import AwsError

if TYPE_CHECKING:
    from botocore.model import Shape

_NUMBER = (int, float)
_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "blob": (str,),
    "integer": (int,),
    "long": (int,),
    "float": _NUMBER,
    "double": _NUMBER,
    "timestamp": (*_NUMBER, str),
    "boolean": (bool,),
}


def check_body(service: str, shape: Shape | None, body: bytes) -> None:
    """
    Return if *body* is what *shape* asks for.

    Raises:
        AwsError: SerializationException for what is no JSON object or of a wrong type; for a missing member what
            *service* says, MissingParameter (SQS) or ValidationException.
    """
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise AwsError("SerializationException", "The request body is not valid JSON") from error
    if not isinstance(document, dict):
        raise AwsError("SerializationException", "The request body is not a JSON object")
    if shape is not None:
        _check(service, shape, document, "request")


def _check(service: str, shape: Shape, value: Any, where: str) -> None:
    types = _TYPES[shape.type_name]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise AwsError("SerializationException", f"{where} is not of type {shape.type_name}")
    if isinstance(value, str) and not value.isascii():
        _check_unicode(value, where)
    match shape:
        case StructureShape():
            _check_members(service, shape, value)
        case ListShape():
            for item in value:
                _check(service, shape.member, item, where)
        case MapShape():
            for key, item in value.items():
                _check(service, shape.value, item, f"{where}.{key}")


def _check_unicode(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:  # JSON can escape half of a surrogate pair, which is no character
        raise AwsError("SerializationException", f"{where} is not valid Unicode") from error


def _check_members(service: str, shape: StructureShape, value: dict[str, Any]) -> None:
    for name in shape.required_members:
        if value.get(name) is None:
            raise _missing(service, name)
    for name, member in shape.members.items():
        if value.get(name) is not None:
            _check(service, member, value[name], name)


def _missing(service: str, name: str) -> AwsError:
    if service == "sqs":
        return AwsError("MissingParameter", f"The request must contain the parameter {name}.")
    constraint = f"Value null at '{name}' failed to satisfy constraint: Member must not be null"
    return AwsError("ValidationException", f"1 validation error detected: {constraint}")
