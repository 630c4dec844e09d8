"""
From a descriptor to the whole image behind it: indexes, manifests, configs and layers, each checked.

The rule for a sparse index (`docker save` with the containerd store names every platform of an image but holds one):

- an entry is absent if the archive holds neither its manifest nor any blob that only it names; each is reported
- an entry of which a part is there is damage, and refuses the archive
- what is absent, and what the settings do not want, is left out of the index, which is then written anew with the
  entries that stay, because an index must never dangle; an outermost index with one entry left gives way to that
  entry, whose bytes are kept
- an index without any entry left is refused

Everything that is complete keeps its bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from chalicelib.archive import platforms
from chalicelib.archive.blob_store import BlobStore
from chalicelib.archive.contents import Blob, KeptManifest, Omitted
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.errors import Code, RefusedError
from chalicelib.oci import media_type as types
from chalicelib.oci.config import ImageConfig, parse_config
from chalicelib.oci.descriptor import Descriptor
from chalicelib.oci.digest import Digest
from chalicelib.oci.entry import Entry
from chalicelib.oci.manifest import Index, Manifest, parse_manifest, reduce_index
from chalicelib.replacing import replace

_NOTHING: Final[frozenset[Digest]] = frozenset()


class _Found(Struct, frozen=True):
    """
    What came of one entry.

    *kept* is None unless all is there; *present* and *missing* are the blobs that it names, itself included.
    """

    kept: KeptManifest | None
    present: frozenset[Digest] = _NOTHING
    missing: frozenset[Digest] = _NOTHING


class Graph(Struct):
    """
    Reads images out of a blob store; each document is read once.

    Attributes:
        absent: What indexes name and the archive lacks, so far.
        unwanted: What they name and the settings leave out.
    """

    store: BlobStore
    limits: ArchiveLimits
    absent: list[Omitted] = field(default_factory=list)
    unwanted: list[Omitted] = field(default_factory=list)
    _seen: dict[Digest, tuple[Descriptor, _Found]] = field(default_factory=dict)

    def keep(self, entry: Entry) -> KeptManifest:
        """
        Return the image, index or artifact that *entry* names.

        Raises:
            RefusedError: MISSING_BLOB and all codes of `parse_manifest`, `parse_config` and `BlobStore`; COUNT,
                LAYER_COUNT, INDEX_LIMIT, FOREIGN_LAYER, ENCRYPTED_LAYER, PLATFORM_MISMATCH.
        """
        found = self._find(entry, 1)
        if found.kept is None:
            raise self._missing(found)
        kept = found.kept
        is_reduced = kept.blob.descriptor.digest != entry.descriptor.digest
        return kept.children[0] if is_reduced and len(kept.children) == 1 else kept

    def _find(self, entry: Entry, depth: int) -> _Found:
        digest = entry.descriptor.digest
        if digest not in self._seen:
            if len(self._seen) >= self.limits.index_nodes:
                raise RefusedError(Code.INDEX_LIMIT, f"the archive has more than {self.limits.index_nodes} manifests")
            self._seen[digest] = entry.descriptor, self._read(entry, depth)
        descriptor, found = self._seen[digest]
        if descriptor != entry.descriptor:
            raise RefusedError(Code.MEDIA_TYPE, f"two descriptors of {digest} say different things")
        if found.kept is not None and entry.platform is not None:
            platforms.check(entry.platform, found.kept)
        return found

    def _read(self, entry: Entry, depth: int) -> _Found:
        if entry.descriptor.media_type not in types.MANIFESTS | types.INDEXES | types.SCHEMA1:
            # ECR refuses such an index (ecr.md 1.6); old BuildKit caches are written so.
            raise RefusedError(Code.MEDIA_TYPE, "an index names something that is neither manifest nor index")
        document = self.store.document(entry)
        digest = entry.descriptor.digest
        if document is None:
            return _Found(None, missing=frozenset({digest}))
        blob, raw = document
        with self.store.blaming(digest):
            parsed = parse_manifest(raw, entry.descriptor.media_type)
            if isinstance(parsed, Index):
                return self._index(parsed, blob, depth)
            return self._manifest(parsed, blob)

    def named(self) -> frozenset[Digest]:
        """Return all digests that documents named so far, whether they are there or not."""
        return frozenset(self._seen).union(*(found.present | found.missing for _, found in self._seen.values()))

    # --- manifests ---

    def _manifest(self, manifest: Manifest, blob: Blob) -> _Found:
        self._check_layers(manifest)
        config = self.store.document(manifest.config)
        layers = [self._layer(entry) for entry in manifest.layers]
        named = (manifest.config, *manifest.layers)
        parts = (config and config[0], *layers)
        present = frozenset(entry.descriptor.digest for entry, part in zip(named, parts, strict=True) if part)
        missing = frozenset(entry.descriptor.digest for entry, part in zip(named, parts, strict=True) if not part)
        if config is None or missing:
            return _Found(None, present, missing)
        kept = self._kept(manifest, blob, config, tuple(layer for layer in layers if layer))
        return _Found(kept, present | {blob.descriptor.digest})

    def _kept(
        self, manifest: Manifest, blob: Blob, config: tuple[Blob, bytes], layers: tuple[Blob, ...]
    ) -> KeptManifest:
        kept = KeptManifest(
            blob=blob,
            config=config[0],
            layers=layers,
            artifact_type=_artifact_type(manifest),
            subject=manifest.subject.digest if manifest.subject else None,
        )
        if not manifest.is_image:
            return kept
        with self.store.blaming(manifest.config.descriptor.digest):
            image = parse_config(config[1])
        check_count(image, len(layers))
        return replace(kept, diff_ids=image.diff_ids, platform=image.platform)

    def _check_layers(self, manifest: Manifest) -> None:
        most = self.limits.layers if manifest.is_image else self.limits.artifact_blobs
        if len(manifest.layers) > most:
            raise RefusedError(Code.LAYER_COUNT, f"an image has {len(manifest.layers)} layers, more than {most}")
        encrypted = any(types.is_encrypted(layer.descriptor.media_type) for layer in manifest.layers)
        if encrypted and not self.limits.encrypted_layers:
            raise RefusedError(Code.ENCRYPTED_LAYER, "a layer is encrypted, and the settings refuse that")

    def _layer(self, entry: Entry) -> Blob | None:
        if types.is_foreign(entry.descriptor.media_type) and not self.store.has(entry.descriptor.digest):
            if not self.limits.foreign_layers:
                raise RefusedError(Code.FOREIGN_LAYER, "a foreign layer's bytes are not in the archive")
            return Blob(descriptor=entry.descriptor, content=None)
        return self.store.blob(entry)

    # --- indexes ---

    def _index(self, index: Index, blob: Blob, depth: int) -> _Found:
        if depth > self.limits.index_depth or len(index.entries) > self.limits.index_nodes:
            raise RefusedError(Code.INDEX_LIMIT, "an index is nested too deep or has too many entries")
        found = [self._find(entry, depth + 1) for entry in index.entries]
        complete = frozenset[Digest]().union(*(child.present for child in found if child.kept))
        for entry, child in zip(index.entries, found, strict=True):
            self._note_absent(entry, child, complete)
        if index.entries and not any(child.kept for child in found):
            return _Found(None, missing=frozenset().union(*(child.missing for child in found)))
        children = self._choose(index, found)
        kept = KeptManifest(
            blob=self._reduced(index, blob, children),
            children=tuple(children.values()),
            artifact_type=index.artifact_type or None,
            subject=index.subject.digest if index.subject else None,
        )
        return _Found(kept, complete | {blob.descriptor.digest})

    def _note_absent(self, entry: Entry, child: _Found, complete: frozenset[Digest]) -> None:
        if child.kept is not None:
            return
        if child.present - complete:
            raise self._missing(child)
        absent = Omitted(entry.descriptor.digest, entry.platform)
        if absent not in self.absent:
            self.absent.append(absent)

    def _choose(self, index: Index, found: Sequence[_Found]) -> dict[int, KeptManifest]:
        """Return the entries that are there and wanted, by their position."""
        there = {position: child.kept for position, child in enumerate(found) if child.kept}
        wanted = platforms.choose(index.entries, there, self.limits)
        for position in there.keys() - wanted.keys():
            entry = index.entries[position]
            self.unwanted.append(Omitted(entry.descriptor.digest, entry.platform))
        if there and not wanted:
            raise RefusedError(Code.PLATFORM_ABSENT, "an index has none of the platforms that the settings choose")
        return wanted

    def _reduced(self, index: Index, blob: Blob, children: Mapping[int, KeptManifest]) -> Blob:
        """Return the index as it is, or written anew if an entry is not among *children* or was itself reduced."""
        kept = {position: child.blob.descriptor for position, child in children.items()}
        if kept == {position: entry.descriptor for position, entry in enumerate(index.entries)}:
            return blob
        raw = reduce_index(index, kept)
        if len(raw) > self.limits.document:  # text beyond ASCII takes more bytes than it did
            detail = f"an index, less what is not pushed, has more than {self.limits.document} bytes"
            raise RefusedError(Code.TOO_LARGE, detail)
        descriptor = Descriptor(media_type=index.media_type, digest=Digest.of(raw), size=len(raw))
        return Blob(descriptor=descriptor, content=raw)

    def _missing(self, found: _Found) -> RefusedError:
        digest = min(found.missing)
        detail = f"the archive lacks {digest}, which one of its manifests names"
        return RefusedError(Code.MISSING_BLOB, detail, member=self.store.path(digest))


def check_count(config: ImageConfig, layers: int) -> None:
    """
    Demand a diff_id for each layer.

    Raises:
        RefusedError: COUNT.
    """
    if len(config.diff_ids) != layers:
        detail = f"an image has {layers} layers, its config {len(config.diff_ids)} diff_ids"
        raise RefusedError(Code.COUNT, detail)


def _artifact_type(manifest: Manifest) -> str | None:
    """Return what an artifact is; without artifactType, the config's media type says it (manifest.md, guidance)."""
    if manifest.is_image:
        return None
    return manifest.artifact_type or manifest.config.descriptor.media_type
