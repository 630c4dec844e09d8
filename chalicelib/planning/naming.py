"""
Where the images of an upload go: from the object's key and the names in the archive to repositories and tags.

    uploads/vendor/app/app-1.4.tar    one image      ->  vendor/app, tag of the archive, else 1.4
                                      several images ->  vendor/app/<last component of each one's own name>
    uploads/charts/web-1.4.tgz        Helm chart     ->  charts/web, tag of its version, as `helm push` has it

The key is what the bucket's policy controls, so it alone picks the repository; names inside the archive are candidates
that can only choose below it, and a tag (docs/decisions/0003). The mapping is injective: a key that is not already in
the form that it stands for is refused, never repaired.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from chalicelib.archive.contents import ArchiveImage
from chalicelib.errors import Code, RefusedError
from chalicelib.oci.reference import RepositoryName, Tag

_SUFFIX: Final = re.compile(
    r"\.(?:(?:oci|docker)?\.?tar(?:\.(?:gz|zst|zstd|xz|bz2))?|tgz|tzst|txz|tbz2?)$", re.IGNORECASE
)


class Place(Struct, frozen=True):
    """What a key says: the repository, and the file's name in it."""

    repository: RepositoryName
    file_name: str


class Target(Struct, frozen=True):
    """A repository that an image goes to, and the tags it gets there (at least one)."""

    repository: RepositoryName
    tags: tuple[Tag, ...]


class Name(Struct, frozen=True):
    """A name of an archive: the last component of its repository and the tag, either of them possibly absent."""

    component: str | None
    tag: str | None


def place(key: str, prefix: str) -> Place:
    """
    Read a key of the form `<prefix><repository path>/<file name>`.

    Raises:
        RefusedError: KEY or REPOSITORY_NAME.
    """
    if not key.startswith(prefix):
        raise RefusedError(Code.KEY, f"the key does not start with {prefix}")
    path, slash, file_name = key.removeprefix(prefix).rpartition("/")
    if not (path and slash and file_name):
        raise RefusedError(Code.KEY, "the key has no repository path or no file name")
    return Place(RepositoryName(path), file_name)


def read_name(text: str) -> Name:
    """
    Take a name of an archive apart: `host/path/app:1.4`, `app:1.4`, `:1.4` (an OCI reference name), `host/path/app`.

    A digest behind `@` is dropped: it is the manifest's business.
    """
    bare = text.partition("@")[0]
    component, _, tag = bare.rpartition("/")[2].partition(":")
    return Name(component or None, tag or None)


def file_tag(where: Place) -> str:
    """Return the tag that a file's name gives: less its archive suffixes and a leading `<last component>-`."""
    return stem(where.file_name).removeprefix(f"{where.repository.last}-")


def stem(file_name: str) -> str:
    """Return a file's name less its archive suffixes."""
    return _SUFFIX.sub("", file_name)


def chart_target(where: Place, chart: ArchiveImage) -> tuple[Target, ...]:
    """
    Return where a Helm chart goes: `helm push` appends the chart's name to the path that it is given.

    A key that ends in the chart's name gives its whole repository already.
    """
    name = read_name(chart.names[0])
    repository = where.repository if where.repository.last == name.component else _below(where, name.component)
    return (Target(repository, _tags([name.tag or ""])),)


def targets(where: Place, images: Sequence[ArchiveImage], tag: str | None = None) -> list[tuple[Target, ...]]:
    """
    Decide for each of *images* where it goes and how it is tagged there; *tag* stands for all that the archive gives.

    Raises:
        RefusedError: IMAGE_NAME, TAG_COLLISION, TAG_MISSING, TAG_NAME, REPOSITORY_NAME.
    """
    if len(images) == 1:
        decided = [_single(where, images[0], tag)]
    else:
        decided = [_one_of_several(where, image, tag) for image in images]
    _refuse_collisions(decided)
    return decided


def _single(where: Place, image: ArchiveImage, tag: str | None) -> tuple[Target, ...]:
    if tag is not None:
        return (Target(where.repository, _tags([tag])),)
    names = [read_name(text) for text in image.names]
    tags = [name.tag for name in names if name.tag] or [file_tag(where)]
    return (Target(where.repository, _tags(tags)),)


def _one_of_several(where: Place, image: ArchiveImage, tag: str | None) -> tuple[Target, ...]:
    by_repository: dict[RepositoryName, list[str]] = {}
    for name in map(read_name, image.names):
        if name.component is None and name.tag is None:
            continue
        repository = _below(where, name.component)
        by_repository.setdefault(repository, []).append(tag if tag is not None else name.tag or file_tag(where))
    if not by_repository:
        raise RefusedError(Code.IMAGE_NAME, "the archive holds several images and at least one has no name")
    return tuple(Target(repository, _tags(tags)) for repository, tags in by_repository.items())


def _below(where: Place, component: str | None) -> RepositoryName:
    # A name that is only a tag (OCI layouts) says nothing about a repository: the image is one more tag of the key's.
    return RepositoryName(f"{where.repository}/{component}") if component else where.repository


def _tags(texts: Sequence[str]) -> tuple[Tag, ...]:
    if not all(texts):
        raise RefusedError(Code.TAG_MISSING, "neither the archive nor the file's name gives a tag")
    return tuple(Tag(text) for text in dict.fromkeys(texts))


def _refuse_collisions(decided: Sequence[tuple[Target, ...]]) -> None:
    owners: dict[tuple[RepositoryName, Tag], int] = {}
    for number, image_targets in enumerate(decided):
        for target in image_targets:
            for tag in target.tags:
                if owners.setdefault((target.repository, tag), number) != number:
                    raise RefusedError(
                        Code.TAG_COLLISION, f"two images of the archive meet at {target.repository}:{tag}"
                    )


def tags_by_repository(decided: Sequence[tuple[Target, ...]]) -> Mapping[RepositoryName, tuple[Tag, ...]]:
    """Return all tags that an upload will set, by repository."""
    found: dict[RepositoryName, tuple[Tag, ...]] = {}
    for target in (target for image_targets in decided for target in image_targets):
        found[target.repository] = (*found.get(target.repository, ()), *target.tags)
    return found
