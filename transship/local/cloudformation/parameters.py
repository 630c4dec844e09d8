"""
Parameters of a template: their declared types and bounds, and the values given for them.

"Parameters", AWS CloudFormation User Guide. Left out: SSM parameter types and AWS-specific ones.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from transship.local.cloudformation.errors import TemplateError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TYPES = frozenset({"String", "Number", "CommaDelimitedList", "List<Number>"})


def given_values(parameters: Sequence[Mapping[str, Any]], previous: Mapping[str, str]) -> dict[str, str]:
    """Return the values in an API call's *parameters*; one with UsePreviousValue has that of *previous*."""
    return {
        parameter["ParameterKey"]: previous.get(parameter["ParameterKey"], "")
        if parameter.get("UsePreviousValue")
        else parameter.get("ParameterValue", "")
        for parameter in parameters
    }


def check_parameters(declared: Mapping[str, Mapping[str, Any]], given: Mapping[str, str]) -> dict[str, str]:
    """
    Return the text of every declared parameter, given or by default.

    Raises:
        TemplateError: One is missing, surplus or outside its bounds.
    """
    if surplus := sorted(given.keys() - declared.keys()):
        raise TemplateError(f"Parameters: [{', '.join(surplus)}] do not exist in the template")
    missing = [name for name, declaration in declared.items() if name not in given and "Default" not in declaration]
    if missing:
        raise TemplateError(f"Parameters: [{', '.join(missing)}] must have values")
    texts = {name: str(given.get(name, declaration.get("Default"))) for name, declaration in declared.items()}
    for name, text in texts.items():
        _check(name, text, declared[name])
    return texts


def typed(declared: Mapping[str, Mapping[str, Any]], texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what Ref gives for each parameter: a list for list types, else the text."""
    return {
        name: [item.strip() for item in text.split(",")] if declared[name]["Type"] not in {"String", "Number"} else text
        for name, text in texts.items()
    }


def _check(name: str, text: str, declaration: Mapping[str, Any]) -> None:
    if declaration.get("Type") not in _TYPES:
        raise TemplateError(f"Template format error: Unrecognized parameter type: {declaration.get('Type')}")
    if "AllowedValues" in declaration and text not in map(str, declaration["AllowedValues"]):
        raise TemplateError(f"Template error: Parameter '{name}' must be one of AllowedValues")
    if "AllowedPattern" in declaration and not re.fullmatch(declaration["AllowedPattern"], text):
        raise TemplateError(f"Parameter '{name}' must match pattern {declaration['AllowedPattern']}")
    if declaration["Type"] == "Number":
        _check_number(name, text, declaration)
    low, high = int(declaration.get("MinLength", 0)), int(declaration.get("MaxLength", 4096))
    if not low <= len(text) <= high:
        raise TemplateError(f"Parameter '{name}' must contain {low} to {high} characters")


def _check_number(name: str, text: str, declaration: Mapping[str, Any]) -> None:
    try:
        number = float(text)
    except ValueError:
        raise TemplateError(f"Parameter '{name}' must be a number") from None
    if not float(declaration.get("MinValue", "-inf")) <= number <= float(declaration.get("MaxValue", "inf")):
        raise TemplateError(f"Parameter '{name}' is outside its bounds")
