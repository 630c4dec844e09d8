"""
What a target receives: the event, a constant, a part of the event, or a template filled from it.

"Amazon EventBridge input transformation", EventBridge User Guide: inside quotes of a template a variable is inserted
as text, elsewhere as JSON; a path that finds nothing leaves nothing.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transship.local.events.envelope import Event

_PLACEHOLDER = re.compile(r'"(?:[^"\\]|\\.)*"|<([\w.-]+)>')
_IN_TEXT = re.compile(r"<([\w.-]+)>")


def target_input(target: Mapping[str, Any], event: Event, rule_arn: str) -> str:
    """Return the text that *target* of the rule receives for *event*."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        found = _at(target["InputPath"], event)
        return json.dumps(found[0] if found else {})
    if transformer := target.get("InputTransformer"):
        return _filled(transformer["InputTemplate"], _variables(transformer.get("InputPathsMap", {}), event, rule_arn))
    return json.dumps(event)


def _variables(paths: Mapping[str, str], event: Event, rule_arn: str) -> dict[str, Any]:
    found = {name: values[0] for name, path in paths.items() if (values := _at(path, event))}
    return {
        **found,
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_arn.rpartition("/")[2],
        "aws.events.event.ingestion-time": event["time"],
        "aws.events.event": {name: value for name, value in event.items() if name != "detail"},
        "aws.events.event.json": event,
    }


def _filled(template: str, variables: Mapping[str, Any]) -> str:
    def inside_quotes(match: re.Match[str]) -> str:
        value = variables.get(match[1], "")
        text = value if isinstance(value, str) else json.dumps(value)
        return json.dumps(text)[1:-1]

    def anywhere(match: re.Match[str]) -> str:
        if match[1] is None:
            return _IN_TEXT.sub(inside_quotes, match[0])
        return json.dumps(variables[match[1]]) if match[1] in variables else ""

    return _PLACEHOLDER.sub(anywhere, template)


def _at(path: str, event: Event) -> list[Any]:
    return [match.value for match in _parsed(path).find(event)]


def is_path(text: str) -> bool:
    """Return whether *text* is a JSONPath."""
    from jsonpath_ng.exceptions import JSONPathError  # noqa: PLC0415 - as `_parsed`

    try:
        _parsed(text)
    except JSONPathError:
        return False
    return True


@cache
def _parsed(path: str) -> Any:
    from jsonpath_ng.parser import parse  # noqa: PLC0415 - 150 ms of import that few stacks need

    return parse(path)
