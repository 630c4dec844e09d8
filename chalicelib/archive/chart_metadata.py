"""
Chart.yaml, read as Helm reads it, and written as the config that `helm push` stores.

YAML is read without tags, anchors, aliases and types: every scalar is a string until a field's own type says else, as
in Helm's decoding. What Helm's metadata does not know is left out, in Helm's order of fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

import yaml
from msgspec import Struct

from chalicelib.errors import Code, RefusedError
from chalicelib.oci.reference import RepositoryName, Tag

_DEEPEST: Final = 16
_SEMVER: Final = re.compile(  # semver.org, item 2, 9 and 10; Helm tolerates a leading v
    r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
_ESCAPED: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


class ChartMetadata(Struct, frozen=True):
    """A chart's *name*, the *tag* of its version, the *config* and the *annotations* that its manifest gets."""

    name: str
    tag: str
    config: bytes
    annotations: Mapping[str, str]


class _Loader(yaml.CBaseLoader):
    """Strings, lists and objects alone; a key twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        if len(set(map(str, keys))) != len(keys):
            raise yaml.YAMLError("a key twice")
        return super().construct_mapping(node, deep=deep)


def parse_chart(raw: bytes) -> ChartMetadata:
    """
    Read Chart.yaml.

    Raises:
        RefusedError: CHART_METADATA, CHART_NAME.
    """
    fields = _document(raw)
    config = {name: value for name, convert in _METADATA.items() if (value := convert(fields.get(name)))}
    name, version = str(config.get("name", "")), str(config.get("version", ""))
    return ChartMetadata(_name(name), _tag(version), _go_json(config), _annotations(config))


def _document(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8-sig")  # Helm strips a byte order mark
        _check_events(text)
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a BaseLoader makes strings alone
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise RefusedError(Code.CHART_METADATA, "Chart.yaml is not plain YAML") from error
    if not isinstance(document, dict) or not document.get("apiVersion"):
        raise RefusedError(Code.CHART_METADATA, "Chart.yaml has no apiVersion")
    return document


def _check_events(text: str) -> None:
    """Refuse tags, aliases, by which a few lines stand for gigabytes, and depth, before anything is built."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) is not None:
            raise yaml.YAMLError("an alias or a tag")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise yaml.YAMLError("too deep")


def _name(name: str) -> str:
    try:
        RepositoryName(f"charts/{name}")
    except RefusedError as error:
        raise RefusedError(Code.CHART_NAME, "the chart's name cannot be a repository's") from error
    if "/" in name:
        raise RefusedError(Code.CHART_NAME, "the chart's name is a path")
    return name


def _tag(version: str) -> str:
    """Return the tag that Helm gives a version: registries allow no plus sign, so it becomes an underscore."""
    if not _SEMVER.fullmatch(version):
        raise RefusedError(Code.CHART_NAME, "the chart's version is no semantic version")
    try:
        return str(Tag(version.replace("+", "_")))
    except RefusedError as error:
        raise RefusedError(Code.CHART_NAME, "the chart's version is too long for a tag") from error


# --- Helm's fields, in Helm's order (helm.sh/helm/v3/pkg/chart, Metadata; all are omitted when empty) ---------------


def _text(value: object) -> str:
    if not isinstance(value, (str, type(None))):
        raise RefusedError(Code.CHART_METADATA, "a field of Chart.yaml is not a text")
    return value or ""


def _truth(value: object) -> bool:
    return _text(value).lower() in ("true", "yes", "on")


def _texts(value: object) -> list[str]:
    return [_text(item) for item in _list(value)]


def _list(value: object) -> list[Any]:
    if value in (None, ""):
        return []
    if not isinstance(value, list):
        raise RefusedError(Code.CHART_METADATA, "a field of Chart.yaml is not a list")
    return value


def _text_map(value: object) -> dict[str, str]:
    if value in (None, ""):
        return {}
    if not isinstance(value, dict):
        raise RefusedError(Code.CHART_METADATA, "a field of Chart.yaml is not an object")
    return {key: _text(item) for key, item in sorted(value.items())}


def _objects(fields: Mapping[str, Callable[[object], Any]], *always: str) -> Callable[[object], list[dict[str, Any]]]:
    def convert(value: object) -> list[dict[str, Any]]:
        items = _list(value)
        if not all(isinstance(item, dict) for item in items):
            raise RefusedError(Code.CHART_METADATA, "a list of Chart.yaml has an item that is no object")
        converted = [{name: to(item.get(name)) for name, to in fields.items()} for item in items]
        return [{name: one for name, one in item.items() if one or name in always} for item in converted]

    return convert


_MAINTAINER: Final = {"name": _text, "email": _text, "url": _text}
_DEPENDENCY: Final[dict[str, Callable[[object], Any]]] = {
    "name": _text,
    "version": _text,
    "repository": _text,
    "condition": _text,
    "tags": _texts,
    "enabled": _truth,
    "import-values": _list,
    "alias": _text,
}
_METADATA: Final[dict[str, Callable[[object], Any]]] = {
    "name": _text,
    "home": _text,
    "sources": _texts,
    "version": _text,
    "description": _text,
    "keywords": _texts,
    "maintainers": _objects(_MAINTAINER),
    "icon": _text,
    "apiVersion": _text,
    "condition": _text,
    "tags": _text,
    "appVersion": _text,
    "deprecated": _truth,
    "annotations": _text_map,
    "kubeVersion": _text,
    "dependencies": _objects(_DEPENDENCY, "name", "repository"),
    "type": _text,
}


def _go_json(value: object) -> bytes:
    """Write JSON as Go's encoder does: no spaces, UTF-8, and HTML's characters escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return "".join(_ESCAPED.get(character, character) for character in text).encode()


def _annotations(config: Mapping[str, Any]) -> dict[str, str]:
    """Return what `helm push` writes on the manifest, less the time of the push: the same chart, the same digest."""
    authors = [
        f"{one.get('name', '')} ({one['email']})" if one.get("email") else one.get("name", "")
        for one in config.get("maintainers", [])
    ]
    named = {
        "org.opencontainers.image.title": config.get("name", ""),
        "org.opencontainers.image.version": config.get("version", ""),
        "org.opencontainers.image.description": config.get("description", ""),
        "org.opencontainers.image.url": config.get("home", ""),
        "org.opencontainers.image.source": next(iter(config.get("sources", [])), ""),
        "org.opencontainers.image.authors": ", ".join(authors),
    }
    found = {**config.get("annotations", {}), **{name: value for name, value in named.items() if value}}
    return dict(sorted(found.items()))
