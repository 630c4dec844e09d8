"""
botocore's descriptions of AWS, cut down to what functions read: a client reads all of its service when it is made.

Of a service's model the calls in `chalicelib/aws/operations.py` stay, with the shapes that they take and every error;
without their texts for people; of the table of Regions (`endpoints.json`), whose services are 300, those that are
called. Rules of endpoints stay as they are: a test resolves every Region by both and compares. What is left is
stored as it is, not compressed: the package itself is.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Final

from chalicelib.aws.operations import BY_BOTOCORE, OPERATIONS

_COMPRESSED: Final = ".gz"
_FOR_PEOPLE: Final = "examples-1.json"
_MODEL: Final = "service-2.json"
_REGIONS: Final = "endpoints.json"


def cut_models(data: Path) -> None:
    """Cut down botocore's *data* in place; what is cut already stays as it is."""
    for folder in data.glob("*/"):
        if folder.name not in OPERATIONS:
            shutil.rmtree(folder)
    prefixes = set[str]()
    for service, operations in OPERATIONS.items():
        for file in sorted((data / service).rglob("*.json*")):
            document = _read(file)
            if file.name.startswith(_MODEL):
                prefixes.add(document["metadata"]["endpointPrefix"])
                document = cut_model(document, operations | BY_BOTOCORE.get(service, set()))
            _replace(file, document)
    regions = data / _REGIONS
    _replace(regions, cut_regions(_read(regions), prefixes))


def cut_model(model: Mapping[str, Any], operations: AbstractSet[str]) -> dict[str, Any]:
    """Return the *model* of a service with *operations* alone, and the shapes that they and errors take."""
    kept = {name: operation for name, operation in model["operations"].items() if name in operations}
    shapes = model["shapes"]
    errors = [name for name, shape in shapes.items() if shape.get("exception")]
    needed = _closure(shapes, [*_named(kept), *errors])
    remaining = {name: shape for name, shape in shapes.items() if name in needed}
    return {**model, "operations": without_documentation(kept), "shapes": without_documentation(remaining)}


def cut_regions(table: Mapping[str, Any], prefixes: AbstractSet[str]) -> dict[str, Any]:
    """Return the *table* of Regions with the services of *prefixes* alone."""
    return {
        **table,
        "partitions": [
            {**each, "services": {name: one for name, one in each["services"].items() if name in prefixes}}
            for each in table["partitions"]
        ],
    }


def without_documentation(node: Any) -> Any:
    """Return *node* without texts of that name; a member of a shape that is called so has a description, no text."""
    if isinstance(node, list):
        return [without_documentation(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        name: without_documentation(value)
        for name, value in node.items()
        if not (name == "documentation" and isinstance(value, str))
    }


def _closure(shapes: Mapping[str, Any], names: Iterable[str]) -> set[str]:
    found = set[str]()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _named(shapes[name])
    return found


def _named(node: Any) -> Iterator[str]:
    """Yield the shapes that *node* names."""
    if isinstance(node, list):
        for each in node:
            yield from _named(each)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == "shape" and isinstance(value, str):
                yield value
            else:
                yield from _named(value)


def _read(file: Path) -> dict[str, Any]:
    content = file.read_bytes()
    document: dict[str, Any] = json.loads(gzip.decompress(content) if file.suffix == _COMPRESSED else content)
    return document


def _replace(file: Path, document: Mapping[str, Any]) -> None:
    file.unlink()
    target = file.with_suffix("") if file.suffix == _COMPRESSED else file
    if not target.name.startswith(_FOR_PEOPLE):
        target.write_text(json.dumps(document, separators=(",", ":")))
