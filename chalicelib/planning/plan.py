"""
What there is to push, from what an archive holds and where it goes: records of images and layers, bundles of layers.

Arithmetic, no calls. Order is the protocol: children stand before their index, and every layer stands once in each
repository, however many images name it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from chalicelib.archive.contents import (
    ArchiveContents,
    ArchiveImage,
    Blob,
    GeneratedManifest,
    KeptManifest,
    PackedLayer,
    RawLayer,
)
from chalicelib.errors import Code, RefusedError
from chalicelib.oci.digest import Digest
from chalicelib.oci.media_type import DOCKER_LAYER, DOCKER_LAYER_GZIP, OCI_LAYER_ZSTD
from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.planning.naming import Target, chart_target, file_tag, place, targets
from chalicelib.replacing import replace
from chalicelib.settings import Settings
from chalicelib.state.records import ConfigPlan, ImageRecord, LayerRecord

CHART: Final = "chart"
METADATA_TAG: Final = "tag"
_UNBUNDLED: Final = -1
_PACKED: Final = {"gzip": DOCKER_LAYER_GZIP, "zstd": OCI_LAYER_ZSTD}


class Plan(Struct, frozen=True, kw_only=True):
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


def plan(
    images: Sequence[ArchiveImage],
    targets: Sequence[tuple[Target, ...]],
    bundle_bytes: int,
    platform_tags: Mapping[str, str] = MappingProxyType({}),
) -> Plan:
    """
    Plan the push of *images*, each to its *targets*, in bundles of about *bundle_bytes*.

    *platform_tags* are the suffixes with which images of an index are tagged, by platform.

    Raises:
        RefusedError: TAG_COLLISION, TAG_NAME.
    """
    placed = [(image, target) for image, own in zip(images, targets, strict=True) for target in own]
    records = _numbered(record for image, target in placed for record in _images(image, target, platform_tags))
    _refuse_collisions(records)
    layers = {layer.sk: layer for image, target in placed for layer in _layers(image, target.repository)}
    return Plan(images=records, layers=bundled(tuple(layers.values()), bundle_bytes))


def plan_contents(
    contents: ArchiveContents, key: str, settings: Settings, metadata: Mapping[str, str] | None = None
) -> Plan:
    """
    Plan the push of an archive that was uploaded under *key*, with *metadata* if the settings ask for it.

    Raises:
        RefusedError: KEY, REPOSITORY_NAME, IMAGE_NAME, TAG_COLLISION, TAG_MISSING, TAG_NAME.
    """
    where = place(key, settings.prefix)
    if contents.kind == CHART:
        return plan(contents.images, [chart_target(where, image) for image in contents.images], settings.bundle_bytes)
    tag = {"key": file_tag(where), "metadata": (metadata or {}).get(METADATA_TAG)}.get(settings.tag_source)
    planned = plan(contents.images, targets(where, contents.images, tag), settings.bundle_bytes, settings.platform_tags)
    if settings.compression != "none":
        return planned
    return replace(planned, layers=tuple(_uncompressed(layer) for layer in planned.layers))


def _uncompressed(layer: LayerRecord) -> LayerRecord:
    """Return a layer that would be compressed as one that is kept: its diff_id is its digest then."""
    if not layer.compress:
        return layer
    size = layer.length
    return replace(layer, compress=False, digest=layer.name, size=size, media_type=DOCKER_LAYER)


def bundled(layers: Sequence[LayerRecord], bundle_bytes: int) -> tuple[LayerRecord, ...]:
    """
    Spread *layers* over as many bundles as *bundle_bytes* asks for, so that they end at about the same time.

    The largest layer goes first, each to the bundle with the least so far: at most 4/3 of the best possible (Graham).
    """
    total = sum(layer.length for layer in layers)
    count = max(1, min(len(layers), -(-total // bundle_bytes)))
    heap = [(0, number) for number in range(count)]
    bundle_of: dict[str, int] = {}
    for layer in sorted(layers, key=lambda layer: -layer.length):
        load, number = heapq.heappop(heap)
        bundle_of[layer.sk] = number
        heapq.heappush(heap, (load + layer.length, number))
    return tuple(replace(layer, bundle=bundle_of[layer.sk]) for layer in layers)


def _numbered(records: Iterable[ImageRecord]) -> tuple[ImageRecord, ...]:
    """Number the records; a child that two indexes share is put once in a repository, with the tags of both."""
    kept: list[ImageRecord] = []
    seen: dict[tuple[RepositoryName, Digest], int] = {}
    for record in records:
        if not record.root and record.digest is not None:
            place_ = seen.setdefault((record.repository, record.digest), len(kept))
            if place_ < len(kept):
                tags = dict.fromkeys((*kept[place_].tags, *record.tags))
                kept[place_] = replace(kept[place_], tags=tuple(tags))
                continue
        kept.append(replace(record, number=len(kept)))
    return tuple(kept)


def _refuse_collisions(records: Iterable[ImageRecord]) -> None:
    """Refuse two records that meet at one repository and tag, unless they are the same image."""
    owners: dict[tuple[RepositoryName, Tag], ImageRecord] = {}
    for record in records:
        for tag in record.tags:
            owner = owners.setdefault((record.repository, tag), record)
            if owner is not record and (owner.digest is None or owner.digest != record.digest):
                raise RefusedError(Code.TAG_COLLISION, f"two images of the archive meet at {record.repository}:{tag}")


def _images(image: ArchiveImage, target: Target, platform_tags: Mapping[str, str]) -> Iterator[ImageRecord]:
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
        *nodes, _ = manifest.walk()
        *below, root = (_record(node, target.repository) for node in manifest.walk())
        for node, record in zip(nodes, below, strict=True):
            yield replace(record, tags=_platform_tags(node, target.tags, platform_tags))
        yield replace(root, root=True, tags=target.tags, children=(*root.children, *about))
    for referrer in image.referrers:
        *below, last = (_record(node, target.repository) for node in referrer.manifest.walk())
        yield from below
        yield replace(last, tags=(Tag(referrer.tag),) if referrer.tag else ())


def _platform_tags(node: KeptManifest, tags: Sequence[Tag], suffixes: Mapping[str, str]) -> tuple[Tag, ...]:
    platform = str(node.platform or "")
    wanted = [suffix for name, suffix in suffixes.items() if platform == name or platform.startswith(f"{name}/")]
    return tuple(Tag(f"{tag}{suffix}") for tag in tags for suffix in wanted)


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
        if layer.content is None:  # a foreign layer: ECR does not ask for it (ecr.md 3)
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
