"""
An OCI image layout inside an archive (image-layout.md): what its `index.json` lists, with the names that tools write.

Names, in the order of how much they say: `io.containerd.image.name` (containerd, Docker, buildx, Hauler), the
specification's `org.opencontainers.image.ref.name` (a whole name by skopeo and Hauler, a bare tag by buildx and oras),
`org.opencontainers.image.base.name` (Zarf, where nothing else is). An image listed twice is one image of two names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from chalicelib.archive.blob_store import BlobStore
from chalicelib.archive.contents import KeptManifest
from chalicelib.archive.graph import Graph
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.members import Members, blaming
from chalicelib.errors import Code, RefusedError
from chalicelib.oci import media_type as types
from chalicelib.oci.digest import Digest
from chalicelib.oci.entry import Entry
from chalicelib.oci.manifest import Index, parse_manifest
from chalicelib.oci.strict_json import Fields, parse_json

CONTAINERD_NAME: Final = "io.containerd.image.name"
REF_NAME: Final = "org.opencontainers.image.ref.name"
BASE_NAME: Final = "org.opencontainers.image.base.name"

MARKER: Final = "oci-layout"
INDEX: Final = "index.json"
_VERSION: Final = "1.0.0"


class Root(Struct, frozen=True):
    """
    One image, index or artifact that `index.json` lists.

    *digest* is what it is listed by, also if *manifest* is a part of it; *names* are as in `ArchiveImage`;
    *annotations* are those of its first entry.
    """

    digest: Digest
    manifest: KeptManifest
    names: tuple[str, ...]
    annotations: Mapping[str, str]


def read_index(members: Members, folder: str, limits: ArchiveLimits) -> Index | None:
    """
    Return the layout's `index.json`, or None if there is none or it lists nothing.

    An empty list is what Docker 25 writes beside a `manifest.json` that does list images: then it is no view at all.
    It may go without a schemaVersion: Bazel's rules_oci writes none (`image_index.sh.tpl`), and it is never pushed.

    Raises:
        RefusedError: MANIFEST_FORM, MEDIA_TYPE, INDEX_LIMIT, TOO_LARGE and all codes of JSON documents.
    """
    member = members.find(folder + INDEX)
    if member is None:
        return None
    _check_version(members, folder, limits)
    with blaming(member):
        index = parse_manifest(members.read(member, limits.document), types.OCI_INDEX, unversioned=True)
        if not isinstance(index, Index) or not index.entries:
            return None
        if len(index.entries) > limits.index_nodes:
            raise RefusedError(Code.INDEX_LIMIT, f"index.json has more than {limits.index_nodes} entries")
        return index


def _check_version(members: Members, folder: str, limits: ArchiveLimits) -> None:
    marker = members.find(folder + MARKER)
    if marker is None:  # `hauler store save --containerd` leaves it out
        return
    with blaming(marker):
        fields = Fields(parse_json(members.read(marker, limits.document)), "oci-layout")
        if fields.text("imageLayoutVersion") != _VERSION:
            raise RefusedError(Code.MANIFEST_FORM, f"the layout's version is not {_VERSION}")


def read_roots(index: Index, members: Members, folder: str, limits: ArchiveLimits) -> tuple[tuple[Root, ...], Graph]:
    """
    Read all that *index* lists, and the graph that was walked for it.

    Raises:
        RefusedError: as `Graph.keep`.
    """
    graph = Graph(BlobStore(members, folder, limits), limits)
    by_digest: dict[Digest, list[Entry]] = {}
    for entry in index.entries:
        by_digest.setdefault(entry.descriptor.digest, []).append(entry)
    with blaming(members.find(folder + INDEX)):
        return tuple(_root(graph, entries) for entries in by_digest.values()), graph


def _root(graph: Graph, entries: list[Entry]) -> Root:
    kept = [graph.keep(entry) for entry in entries]
    names = dict.fromkeys(name for entry in entries for name in names_of(entry.annotations))
    return Root(entries[0].descriptor.digest, kept[0], tuple(names), entries[0].annotations)


def names_of(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that the annotations of an entry give, each `repository:tag`, `repository` or `:tag`."""
    if name := annotations.get(CONTAINERD_NAME):
        return (name,)
    reference = annotations.get(REF_NAME, "")
    if reference:
        return (reference if "/" in reference or ":" in reference else f":{reference}",)
    return (annotations[BASE_NAME],) if annotations.get(BASE_NAME) else ()
