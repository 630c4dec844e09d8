"""
Switches of the local ECR in text, as a command line gives them: `NAME=VALUE`, the value as JSON.

    subject_must_exist=true
    upload_lifetime_seconds=null
    put_image_checks=["tag","digest","layers"]
    replication_lags={"444455556666/us-east-1": 60}
    quotas=documented

The last one alone has a word of its own: the quotas that AWS documents.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from transship.local.ecr.options import DOCUMENTED_QUOTAS, EcrOptions

_HINTS: Mapping[str, Any] = get_type_hints(EcrOptions)


def parse_options(texts: Iterable[str], base: EcrOptions | None = None) -> EcrOptions:
    """
    Return *base*, by default all defaults, with the switches that *texts* name.

    Raises:
        ValueError: A text is no switch, or its value is not of the switch's type; says which and what would be.
    """
    return replace(base or EcrOptions(), **dict(map(_parse, texts)))


def _parse(text: str) -> tuple[str, Any]:
    name, _, given = text.partition("=")
    if name not in _HINTS:
        raise ValueError(f"{text!r}: there is no switch {name!r}; there are {', '.join(_HINTS)}")
    hint = _HINTS[name]
    value = _value(name, given)
    if not _fits(value, hint):
        raise ValueError(f"{text!r}: {name} takes {_described(hint)}, as JSON")
    return name, tuple(value) if isinstance(value, list) else value


def _value(name: str, given: str) -> Any:
    if name == "quotas" and given == "documented":
        return DOCUMENTED_QUOTAS
    try:
        return json.loads(given)
    except ValueError:
        return given  # a text without its quotation marks


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is types.UnionType:
        return any(_fits(value, one) for one in arguments)
    if origin is tuple:
        return isinstance(value, list) and all(_fits(one, arguments[0]) for one in value)
    if origin is Literal:
        return value in arguments
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(one, arguments[1]) for one in value.values())
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint  # a bool is an int to isinstance


def _described(hint: Any) -> str:
    if get_origin(hint) is tuple:
        return f"a list of {', '.join(get_args(get_args(hint)[0]))}"
    return str(hint if get_origin(hint) else hint.__name__).replace("collections.abc.", "").replace("None", "null")
