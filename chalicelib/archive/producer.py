"""Which tool seems to have written an archive; a courtesy to people, no decision rests on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from chalicelib.archive.layout import CONTAINERD_NAME
from chalicelib.archive.members import Members
from chalicelib.oci.manifest import Index

_HEX: Final = "[0-9a-f]{64}"
_Test = Callable[[set[str]], bool]


def _has(*wanted: str) -> _Test:
    return lambda names: names.issuperset(wanted)


def _any(pattern: str) -> _Test:
    compiled = re.compile(pattern)
    return lambda names: any(compiled.fullmatch(name) for name in names)


# The first that fits; each is how the tool names its members.
_BY_NAMES: Final[tuple[tuple[_Test, str], ...]] = (
    (_has("zarf.yaml"), "Zarf"),
    (_has("config.json", "manifest.json"), "Jib"),
    (_any(rf"sha256:{_HEX}"), "kaniko, ko or crane"),
    (_any(rf"{_HEX}\.tar"), "skopeo, podman or buildah"),
    (_any(rf"blobs/sha256/{_HEX}\.tar\.gz"), "Bazel (rules_oci)"),
    (_any(_HEX), "docker save (before 25) or Nix"),  # a folder for each layer
    (_any(rf"{_HEX}\.json"), "a builder without a daemon (Bazel, crane, Nix)"),
)


def producer_of(members: Members, folder: str, index: Index | None) -> str:
    """Return the name of the tool, "" if nothing tells."""
    names = set(members.names())
    by_names = next((tool for test, tool in _BY_NAMES if test(names)), "")
    if by_names:
        return by_names
    if index is None:
        return "docker save (25 or later)" if f"{folder}oci-layout" in names else ""
    annotations = {key for entry in index.entries for key in entry.annotations}
    kinds = [entry.annotations.get("kind", "") for entry in index.entries]
    if any(text.startswith(("hauler.dev/", "dev.hauler/")) for text in (*annotations, *kinds)):
        return "Hauler"
    if any(kind.startswith("dev.cosignproject") for kind in kinds):
        return "Hauler or cosign"
    if CONTAINERD_NAME in annotations:
        return "Docker or BuildKit" if f"{folder}manifest.json" in names else "BuildKit or containerd"
    return ""
