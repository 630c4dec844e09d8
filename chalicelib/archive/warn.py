"""
What must not happen in silence: things of the archive that are not pushed, as sentences for the upload's event.

No text of the archive is repeated but platform names that are plain.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from chalicelib.archive.contents import Omitted
from chalicelib.archive.docker import DockerImage
from chalicelib.archive.graph import Graph
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.members import Kind, Member, Members
from chalicelib.errors import RefusedError
from chalicelib.oci.config import parse_config
from chalicelib.oci.manifest import Manifest, parse_manifest

_PLAIN: Final = re.compile(r"[a-z0-9/._-]{1,40}")
_BLOB: Final = re.compile(r"blobs/sha256/([0-9a-f]{64})")
_CONFIG: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})(?:\.json)?")
_LOOKED_AT: Final = 100  # members of one kind that nothing lists: each may take two reads, and tools write none
_MANIFESTS: Final = "manifests that nothing lists are in the archive and not pushed"
_CONFIGS: Final = "configs that manifest.json does not list are in the archive and not pushed"

_Test = Callable[[bytes], bool]


def warnings_of_layout(graph: Graph, leftovers: Leftovers) -> tuple[str, ...]:
    """Return a sentence for each kind of thing that a layout holds or names, and that is left out."""
    found = []
    if graph.absent:
        found.append(_counted(graph.absent, "that an index names are not in the archive and are not pushed"))
    if graph.unwanted:
        what = "of an index are left out, by the settings or because what they attest is not there"
        found.append(_counted(graph.unwanted, what))
    named = {digest.hex for digest in graph.named()}
    return (*found, *leftovers.warn(_MANIFESTS, _BLOB, named, lambda raw: bool(parse_manifest(raw))))


def warnings_of_docker(images: Sequence[DockerImage], leftovers: Leftovers) -> tuple[str, ...]:
    """Return the same where `manifest.json` is the only table; what Docker made up for its images is not left out."""
    configs = {image.config.descriptor.digest.hex for image in images}
    layers = {member.name.rpartition("/")[2] for image in images for member in image.layers}

    def is_another(raw: bytes) -> bool:
        parsed = parse_manifest(raw)
        return not isinstance(parsed, Manifest) or parsed.config.descriptor.digest.hex not in configs

    return (
        *leftovers.warn(_MANIFESTS, _BLOB, configs | layers, is_another),
        *leftovers.warn(_CONFIGS, _CONFIG, configs, lambda raw: bool(parse_config(raw).diff_ids)),
    )


def _counted(omitted: Sequence[Omitted], what: str) -> str:
    platforms = sorted({str(one.platform) for one in omitted if one.platform})
    plain = ", ".join(text for text in platforms if _PLAIN.fullmatch(text))
    counted = f"{len(omitted)} images {what}"
    return f"{counted}: {plain}" if plain else counted


class Leftovers(Struct, frozen=True):
    """The documents of an archive that nothing leads to."""

    members: Members
    folder: str
    limits: ArchiveLimits

    def warn(self, what: str, pattern: re.Pattern[str], named: set[str], test: _Test) -> tuple[str, ...]:
        """Return a sentence about members by *pattern*, not *named* by their digest, whose content passes *test*."""
        unnamed = [member for member in self.members if self._is_unnamed(member, pattern, named)]
        objects = [member for member in unnamed[:_LOOKED_AT] if self._is_object(member)]
        ends = itertools.accumulate(member.content.length for member in objects)
        readable = [member for member, end in zip(objects, ends, strict=True) if end <= 2 * self.limits.document]
        count = sum(self._passes(member, test) for member in readable)
        unknown = len(unnamed[_LOOKED_AT:]) + len(objects) - len(readable)
        found = [f"{what}: {count}"] if count else []
        return (*found, *([f"blobs that nothing lists, not looked at, and not pushed: {unknown}"] if unknown else ()))

    def _is_unnamed(self, member: Member, pattern: re.Pattern[str], named: set[str]) -> bool:
        match = pattern.fullmatch(member.name.removeprefix(self.folder))
        return match is not None and match[1] not in named and member.kind is Kind.FILE

    def _passes(self, member: Member, test: _Test) -> bool:
        try:
            return test(self.members.read(member, self.limits.document))
        except RefusedError:  # whatever it is, it is nothing that could be pushed
            return False

    def _is_object(self, member: Member) -> bool:
        small_enough = 0 < member.content.length <= self.limits.document
        return small_enough and self.members.head(member).lstrip().startswith(b"{")
