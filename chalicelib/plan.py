"""
What there is to push, from what an archive holds and where it goes: records of images and layers, bundles of layers.

Arithmetic, no calls. Order is the protocol: children stand before their index, and every layer stands once in each
repository, however many images name it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chalicelib.archive.contents import (
    ArchiveContents,
    ArchiveImage,
    Blob,
    GeneratedManifest,
    KeptManifest,
    PackedLayer,
    RawLayer,
)
from chalicelib.byte_range import ByteRange
from chalicelib.naming import Target, place, targets
from chalicelib.oci.digest import Digest
from chalicelib.oci.media_type import DOCKER_LAYER_GZIP, OCI_LAYER_ZSTD
from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.records import ConfigPlan, ImageRecord, LayerRecord
from chalicelib.settings import Settings

_UNBUNDLED: Final = -1
_PACKED: Final = {"gzip": DOCKER_LAYER_GZIP, "zstd": OCI_LAYER_ZSTD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that an upload will do: *images* in the order in which they are put, *layers*, each in its bundle."""

    images: tuple[ImageRecord, ...]
    layers: tuple[LayerRecord, ...]

    @property
    def repositories(self) -> tuple[RepositoryName, ...]:
        """The repositories that are written, each once."""
        return tuple(dict.fromkeys(image.repository for image in self.images))

    @property
    def bundles(self) -> tuple[int, ...]:
        """The numbers of the push messages."""
        return tuple(sorted({layer.bundle for layer in self.layers}))


def plan(images: Sequence[ArchiveImage], targets: Sequence[tuple[Target, ...]], bundle_bytes: int) -> Plan:
    """Plan the push of *images*, each to its *targets*, in bundles of about *bundle_bytes*."""
    placed = [(image, target) for image, own in zip(images, targets, strict=True) for target in own]
    records = _numbered(record for image, target in placed for record in _images(image, target))
    layers = {layer.sk: layer for image, target in placed for layer in _layers(image, target.repository)}
    return Plan(images=records, layers=bundled(tuple(layers.values()), bundle_bytes))


def plan_contents(contents: ArchiveContents, key: str, settings: Settings) -> Plan:
    """
    Plan the push of an archive that was uploaded under *key*.

    Raises:
        RefusedError: KEY, REPOSITORY_NAME, IMAGE_NAME, TAG_COLLISION, TAG_MISSING, TAG_NAME.
    """
    where = place(key, settings.prefix)
    return plan(contents.images, targets(where, contents.images), settings.bundle_bytes)


def bundled(layers: Sequence[LayerRecord], bundle_bytes: int) -> tuple[LayerRecord, ...]:
    """
    Spread *layers* over as many bundles as *bundle_bytes* asks for, so that they end at about the same time.

    The largest layer goes first, each to the bundle with the least so far: at most 4/3 of the best possible (Graham).
    """
    total = sum(layer.content.length for layer in layers)
    count = max(1, min(len(layers), -(-total // bundle_bytes)))
    heap = [(0, number) for number in range(count)]
    bundle_of: dict[str, int] = {}
    for layer in sorted(layers, key=lambda layer: -layer.content.length):
        load, number = heapq.heappop(heap)
        bundle_of[layer.sk] = number
        heapq.heappush(heap, (load + layer.content.length, number))
    return tuple(replace(layer, bundle=bundle_of[layer.sk]) for layer in layers)


def _numbered(records: Iterable[ImageRecord]) -> tuple[ImageRecord, ...]:
    """Number the records; a child that two indexes share is put once in a repository."""
    kept: list[ImageRecord] = []
    seen: set[tuple[RepositoryName, Digest]] = set()
    for record in records:
        if not record.root and record.digest is not None:
            if (record.repository, record.digest) in seen:
                continue
            seen.add((record.repository, record.digest))
        kept.append(replace(record, number=len(kept)))
    return tuple(kept)


def _images(image: ArchiveImage, target: Target) -> Iterator[ImageRecord]:
    """Yield the records of one image in the order in which they are put: children, the image, what speaks of it."""
    about = tuple(referrer.manifest.blob.descriptor.digest for referrer in image.referrers)
    manifest = image.manifest
    if isinstance(manifest, GeneratedManifest):
        yield ImageRecord(
            number=0,
            repository=target.repository,
            root=True,
            tags=target.tags,
            config=_config(manifest.config),
            layers=tuple(layer.diff_id for layer in manifest.layers),
            children=about,
        )
    else:
        *below, root = (_record(node, target.repository) for node in manifest.walk())
        yield from below
        yield replace(root, root=True, tags=target.tags, children=(*root.children, *about))
    for referrer in image.referrers:
        *below, last = (_record(node, target.repository) for node in referrer.manifest.walk())
        yield from below
        yield replace(last, tags=(Tag(referrer.tag),) if referrer.tag else ())


def _record(node: KeptManifest, repository: RepositoryName) -> ImageRecord:
    about = node.blob.descriptor
    return ImageRecord(
        number=0,
        repository=repository,
        root=False,
        digest=about.digest,
        size=about.size,
        media_type=about.media_type,
        content=node.blob.content,
        config=_config(node.config) if node.config else None,
        children=tuple(child.blob.descriptor.digest for child in node.children),
    )


def _config(blob: Blob) -> ConfigPlan | None:
    if blob.content is None:
        return None
    about = blob.descriptor
    return ConfigPlan(digest=about.digest, size=about.size, media_type=about.media_type, content=blob.content)


def _layers(image: ArchiveImage, repository: RepositoryName) -> Iterator[LayerRecord]:
    for node in image.manifests():
        if isinstance(node, GeneratedManifest):
            yield from (_saved_layer(layer, repository) for layer in node.layers)
        else:
            yield from _kept_layers(node, repository)


def _saved_layer(layer: RawLayer | PackedLayer, repository: RepositoryName) -> LayerRecord:
    record = LayerRecord(
        repository=repository, name=layer.diff_id, content=layer.content, compress=True, bundle=_UNBUNDLED
    )
    if isinstance(layer, RawLayer):
        return record
    return replace(
        record,
        compress=False,
        digest=layer.digest,
        size=layer.content.length,
        media_type=_PACKED[layer.compression],
    )


def _kept_layers(node: KeptManifest, repository: RepositoryName) -> Iterator[LayerRecord]:
    for layer in node.layers:
        if not isinstance(layer.content, ByteRange):  # a foreign layer: ECR does not ask for it (ecr.md 3)
            continue
        about = layer.descriptor
        yield LayerRecord(
            repository=repository,
            name=about.digest,
            content=layer.content,
            compress=False,
            bundle=_UNBUNDLED,
            digest=about.digest,
            size=about.size,
            media_type=about.media_type,
        )
