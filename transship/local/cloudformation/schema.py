"""
Which properties a resource type takes here, as trees of names.

A tree is a dict of names (with `!` after one that is required), a list of one tree for a list, or a leaf: `TEXT`
for any scalar, `ANY` for a document of its own grammar, such as a policy.
"""

from __future__ import annotations

from typing import Any

from transship.local.cloudformation.errors import ResourceError

ANY = "any"
TEXT = "text"

Schema = dict[str, Any] | list[Any] | str

TAGS: Schema = [{"Key!": TEXT, "Value!": TEXT}]


def check(value: Any, schema: Schema, path: str = "") -> None:
    """
    Compare *value* with *schema*.

    Raises:
        ResourceError: A property is unknown, missing, or of another form.
    """
    if schema == ANY:
        return
    if isinstance(schema, list):
        if not isinstance(value, list):
            raise ResourceError(f"Properties validation failed: {path or '#'} must be a list")
        for index, item in enumerate(value):
            check(item, schema[0], f"{path}/{index}")
    elif isinstance(schema, dict):
        _check_object(value, schema, path)
    elif isinstance(value, (dict, list)):
        raise ResourceError(f"Properties validation failed: {path} must be a scalar")


def _check_object(value: Any, schema: dict[str, Any], path: str) -> None:
    if not isinstance(value, dict):
        raise ResourceError(f"Properties validation failed: {path or '#'} must be an object")
    trees = {name.removesuffix("!"): tree for name, tree in schema.items()}
    if unknown := sorted(value.keys() - trees.keys()):
        raise ResourceError(f"Encountered unsupported property {_below(path, unknown[0])}")
    missing = [name[:-1] for name in schema if name.endswith("!") and name[:-1] not in value]
    if missing:
        raise ResourceError(f"Property {_below(path, missing[0])} cannot be empty.")
    for name, item in value.items():
        check(item, trees[name], _below(path, name))


def _below(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
