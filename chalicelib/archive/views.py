"""
An archive with two tables of contents: Docker's `manifest.json` and an OCI layout's `index.json`.

Docker 25 and BuildKit write both; some readers believe the one, some the other, and a scanner may have seen the one
that is not pushed. So both must say the same: each image of `manifest.json` is, config and layers, an image of the
layout; each image or index of the layout has at least one in `manifest.json` (Docker lists one platform of an index);
and where both name an image, the names are the same.

Of the two, the layout's manifest is kept if its layers are compressed, if it has none, or if something else in the
archive speaks of it (a signature, by subject, tag or kind). A manifest with uncompressed layers is what Docker made up
for the save: then one is generated, with compressed layers (docs/decisions/0018).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from chalicelib.archive.contents import ArchiveImage, KeptManifest
from chalicelib.archive.docker import DockerImage, generate
from chalicelib.archive.layout import CONTAINERD_NAME, Root
from chalicelib.archive.members import Members
from chalicelib.archive.referrers import spoken_of
from chalicelib.errors import Code, RefusedError
from chalicelib.oci import media_type as types
from chalicelib.oci.digest import Digest
from chalicelib.replacing import replace

_Key = tuple[Digest, tuple[str, ...]]
_UNCOMPRESSED: Final = frozenset({types.OCI_LAYER, types.DOCKER_LAYER})


def merge(
    images: Sequence[DockerImage], roots: Sequence[Root], chosen: Sequence[Root], members: Members, folder: str
) -> tuple[ArchiveImage, ...]:
    """
    Return the images of both views as one.

    Args:
        images: Those of `manifest.json`.
        roots: Those of `index.json`.
        chosen: The same, less what the settings leave out.
        members: The archive.
        folder: Where its layout is, "" or ending in a slash.

    Raises:
        RefusedError: VIEWS_DISAGREE; as `generate`.
    """
    listed = _by_key(images)
    keys = [list(_image_keys(root.manifest, members, folder)) for root in roots]
    matched = [[listed[key] for key in own if key in listed] for own in keys]
    if {_docker_key(image) for group in matched for image in group} != listed.keys():
        raise _disagreement("manifest.json lists an image that index.json does not")
    for root, group, own in zip(roots, matched, keys, strict=True):
        if not group and own:
            raise _disagreement("index.json lists an image that manifest.json does not")
        _check_names(root, group)
    named = spoken_of(roots)
    return tuple(_image(root, group, named, members) for root, group in zip(chosen, matched, strict=True))


def _image(root: Root, group: Sequence[DockerImage], named: frozenset[Digest], members: Members) -> ArchiveImage:
    names = tuple(name for image in group for name in image.names) or root.names
    manifest = root.manifest
    made_up = not manifest.children and any(layer.descriptor.media_type in _UNCOMPRESSED for layer in manifest.layers)
    if group and made_up and manifest.blob.descriptor.digest not in named:
        return ArchiveImage(manifest=generate(group[0], members), names=names)
    return ArchiveImage(manifest=manifest, names=names)


def _by_key(images: Sequence[DockerImage]) -> dict[_Key, DockerImage]:
    """Return the images of `manifest.json` by what they are made of; one listed twice has the names of both."""
    listed: dict[_Key, DockerImage] = {}
    for image in images:
        earlier = listed.get(_docker_key(image))
        names = (*earlier.names, *image.names) if earlier else image.names
        listed[_docker_key(image)] = replace(image, names=names)
    return listed


def _docker_key(image: DockerImage) -> _Key:
    return image.config.descriptor.digest, tuple(member.name for member in image.layers)


def _image_keys(manifest: KeptManifest, members: Members, folder: str) -> Iterator[_Key]:
    """Yield what each image below *manifest* is made of, layers by the very members that hold the layout's blobs."""
    for node in manifest.walk():
        if node.config is not None and node.artifact_type is None:
            found = [members.find(f"{folder}blobs/sha256/{layer.descriptor.digest.hex}") for layer in node.layers]
            yield node.config.descriptor.digest, tuple(member.name if member else "" for member in found)


def _check_names(root: Root, group: Sequence[DockerImage]) -> None:
    """Compare names; one that is pinned to a digest has no tag, and Hauler makes one up for `manifest.json`."""
    tags = {_familiar(name) for image in group for name in image.names}
    containerds = root.names if CONTAINERD_NAME in root.annotations else ()
    names = {_familiar(name) for name in containerds if "@" not in name}
    if tags and names and tags != names:
        raise _disagreement("manifest.json and index.json name an image differently")


def _familiar(name: str) -> str:
    """Return *name* as Docker shows it, without the registry and the folder that it adds by itself."""
    for prefix in ("docker.io/", "index.docker.io/"):
        name = name.removeprefix(prefix)
    return name.removeprefix("library/")


def _disagreement(detail: str) -> RefusedError:
    return RefusedError(Code.VIEWS_DISAGREE, detail)
