"""What Lambda says about the functions of a stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def functions_of(client: Any, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield the configuration of each function whose name starts with *prefix*."""
    for page in client.get_paginator("list_functions").paginate():
        for configuration in page["Functions"]:
            if configuration["FunctionName"].startswith(prefix):
                yield configuration


def mappings_of(client: Any, function_arn: str) -> list[dict[str, Any]]:
    """Return the mappings of queues to a function."""
    answer = client.list_event_source_mappings(FunctionName=function_arn)
    mappings: list[dict[str, Any]] = answer["EventSourceMappings"]
    return mappings
