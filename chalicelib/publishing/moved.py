"""Which tags name other images than those that are about to take them: never moved in silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from chalicelib.chunks import chunked
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.ports.registry import RegistryClient
from chalicelib.publishing.manifest_bytes import Layers, generated
from chalicelib.state.records import ImageRecord

_MOST_TAGS: Final = 100  # of one BatchGetImage


def moved_tags(registry: RegistryClient, images: Sequence[ImageRecord], layers: Layers) -> list[str]:
    """Return a sentence for each tag of *images* that names another image now, with that image's digest."""
    by_repository: dict[RepositoryName, dict[Tag, ImageRecord]] = {}
    for image in images:
        by_repository.setdefault(image.repository, {}).update(dict.fromkeys(image.tags, image))
    return [
        f"the tag {tag} of {name} named {before} and is moved"
        for name, wanted in by_repository.items()
        for tag, before in _standing(registry, name, tuple(wanted))
        if before != _digest(wanted[tag], layers)
    ]


def _standing(registry: RegistryClient, name: RepositoryName, tags: Sequence[Tag]) -> Iterator[tuple[Tag, Digest]]:
    for chunk in chunked(tags, _MOST_TAGS):
        yield from registry.tagged(name, chunk).items()


def _digest(image: ImageRecord, layers: Layers) -> Digest:
    return image.digest or Digest.of(generated(image, layers)[0])
