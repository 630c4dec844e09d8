"""An answer held against the output shape of botocore's model: no unknown member, right types, bounds and patterns."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape


def check_answer(http_response: Any, parsed: dict[str, Any], model: OperationModel, **_: Any) -> None:
    """Raise AssertionError if a successful answer does not have the shape of its operation."""
    if http_response.status_code != 200:
        assert "Error" in parsed
        return
    document = json.loads(http_response.content)
    if model.output_shape is None:
        assert document == {}
        return
    check(model.output_shape, document, model.name)


def check(shape: Shape, value: Any, where: str) -> None:
    match shape:
        case StructureShape():
            assert isinstance(value, dict), where
            assert value.keys() <= shape.members.keys(), f"{where}: {value.keys() - shape.members.keys()}"
            assert not set(shape.required_members) - value.keys(), where
            for name, member in value.items():
                check(shape.members[name], member, f"{where}.{name}")
        case ListShape():
            assert isinstance(value, list), where
            for item in value:
                check(shape.member, item, f"{where}[]")
        case MapShape():
            for key, item in value.items():
                check(shape.key, key, f"{where} key")
                check(shape.value, item, f"{where}[{key}]")
        case StringShape():
            check_string(shape, value, where)
        case _:
            check_scalar(shape, value, where)


def check_string(shape: StringShape, value: Any, where: str) -> None:
    assert isinstance(value, str), where
    assert not shape.enum or value in shape.enum, f"{where}: {value}"
    pattern = shape.metadata.get("pattern")
    assert pattern is None or re.fullmatch(pattern, value), f"{where}: {value}"
    assert len(value) >= shape.metadata.get("min", 0), where
    if shape.name == "Base64":
        base64.b64decode(value, validate=True)


def check_scalar(shape: Shape, value: Any, where: str) -> None:
    if shape.type_name == "boolean":
        assert isinstance(value, bool), where
    elif shape.type_name == "timestamp":
        assert isinstance(value, int | float), where
    else:
        assert shape.type_name in ("integer", "long"), where
        assert isinstance(value, int), where
        assert value >= shape.metadata.get("min", value), where
