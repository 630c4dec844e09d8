"""
What must not happen in silence: things of the archive that are not pushed, as sentences for the upload's event.

No text of the archive is repeated but platform names that are plain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from chalicelib.archive.contents import Omitted
from chalicelib.archive.graph import Graph
from chalicelib.archive.members import Kind, Member, Members
from chalicelib.errors import RefusedError
from chalicelib.oci.manifest import parse_manifest

_PLAIN: Final = re.compile(r"[a-z0-9/._-]{1,40}")
_BLOB: Final = re.compile(r"blobs/sha256/([0-9a-f]{64})")


def warnings_of(graph: Graph, members: Members, folder: str) -> tuple[str, ...]:
    """Return a sentence for each kind of thing that is left out."""
    found = []
    if graph.absent:
        found.append(_counted(graph.absent, "that an index names are not in the archive and are not pushed"))
    if graph.unwanted:
        found.append(
            _counted(
                graph.unwanted, "of an index are left out, by the settings or because what they attest is not there"
            )
        )
    unlisted = sum(1 for _ in _unlisted(graph, members, folder))
    if unlisted:
        found.append(f"manifests that nothing lists are in the archive and not pushed: {unlisted}")
    return tuple(found)


def _counted(omitted: Sequence[Omitted], what: str) -> str:
    platforms = sorted({str(one.platform) for one in omitted if one.platform})
    plain = ", ".join(text for text in platforms if _PLAIN.fullmatch(text))
    counted = f"{len(omitted)} images {what}"
    return f"{counted}: {plain}" if plain else counted


def _unlisted(graph: Graph, members: Members, folder: str) -> Iterator[Member]:
    """Yield manifests that no index leads to, as far as they came along with the walk."""
    named = {digest.hex for digest in graph.named()}
    for member in members:
        blob = _BLOB.fullmatch(member.name.removeprefix(folder))
        if blob and blob[1] not in named and member.kind is Kind.FILE and _is_manifest(member):
            yield member


def _is_manifest(member: Member) -> bool:
    if len(member.kept) != member.content.length or not member.kept.lstrip().startswith(b"{"):
        return False
    try:
        parse_manifest(member.kept)
    except RefusedError:
        return False
    return True
