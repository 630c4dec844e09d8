"""
What an archive was found to hold: the answer of reading one, and all that planning needs.

Nothing here has read a layer: a layer's digest is what the archive claims until `push` has hashed its bytes.
Manifests, indexes and configs have been read and hashed.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from chalicelib.byte_range import ByteRange
from chalicelib.oci.descriptor import Descriptor
from chalicelib.oci.digest import Digest
from chalicelib.oci.platform import Platform


class Blob(Struct, frozen=True, kw_only=True):
    """
    A blob whose bytes, digest and size are settled.

    *content* is where its bytes are: a range of the object, or the bytes themselves where the archive does not hold
    them (a chart's config). A foreign layer has none.
    """

    descriptor: Descriptor
    content: ByteRange | bytes | None


class RawLayer(Struct, frozen=True, kw_only=True):
    """An uncompressed layer of a `docker save`: we compress it, so its digest is known only when it is pushed."""

    diff_id: Digest
    content: ByteRange


class PackedLayer(Struct, frozen=True, kw_only=True):
    """
    A layer of a `docker save` that is compressed already and belongs to no manifest of the archive.

    Its bytes are kept. *compression* is `gzip` or `zstd`, told from its first bytes; *digest* is what the archive
    calls it (kaniko, jib and crane name layers after their digest), or None: then it is learned while pushing.
    """

    diff_id: Digest
    content: ByteRange
    compression: str
    digest: Digest | None = None


class KeptManifest(Struct, frozen=True, kw_only=True):
    """
    A manifest or index whose bytes are kept, with what it names.

    *children* are the entries of an index that the archive holds, in the index's order; an index has neither config
    nor layers. *diff_ids* are the config's, one for each layer, where the config is an image's.
    """

    blob: Blob
    config: Blob | None = None
    layers: tuple[Blob, ...] = ()
    diff_ids: tuple[Digest, ...] = ()
    children: tuple[KeptManifest, ...] = ()
    platform: Platform | None = None
    artifact_type: str | None = None
    subject: Digest | None = None

    def walk(self) -> Iterator[KeptManifest]:
        """Yield what must be put, children first, this one last."""
        for child in self.children:
            yield from child.walk()
        yield self


class GeneratedManifest(Struct, frozen=True, kw_only=True):
    """An image of Docker's `manifest.json` alone: its manifest is written once its layers are pushed."""

    config: Blob
    layers: tuple[RawLayer | PackedLayer, ...]
    platform: Platform | None = None


class Referrer(Struct, frozen=True):
    """
    A signature, SBOM or attestation that goes to the repository of the image it speaks of, after that image.

    *tag* is its own tag where cosign's scheme gives it one (`sha256-<hex>.sig`), else it has none.
    """

    manifest: KeptManifest
    tag: str | None = None


class ArchiveImage(Struct, frozen=True, kw_only=True):
    """
    One image (or index, or artifact) of an archive, and what speaks of it.

    *names* are what the archive calls it (`RepoTags`, `org.opencontainers.image.ref.name` …): candidates, not yet
    believed nor validated. A name is `repository:tag`, `repository`, or `:tag` where only a tag is known.
    """

    manifest: KeptManifest | GeneratedManifest
    names: tuple[str, ...] = ()
    referrers: tuple[Referrer, ...] = ()

    def manifests(self) -> Iterator[KeptManifest | GeneratedManifest]:
        """Yield all that must be put for this image, in order: children, the image, then its referrers."""
        if isinstance(self.manifest, KeptManifest):
            yield from self.manifest.walk()
        else:
            yield self.manifest
        for referrer in self.referrers:
            yield from referrer.manifest.walk()


class Omitted(Struct, frozen=True):
    """An entry of an index of the archive that is not pushed."""

    digest: Digest
    platform: Platform | None = None


class ArchiveContents(Struct, frozen=True, kw_only=True):
    """
    All that an archive holds.

    Attributes:
        kind: `docker`, `docker+oci`, `oci` or `chart`.
        producer: The tool that seems to have written it, or "".
        images: In the archive's order; never empty.
        warnings: Sentences of ours about what was found and not pushed.
        absent: What its indexes name and it does not hold; spoken of in a warning, as the following are.
        unwanted: What its indexes name and the settings leave out.
    """

    kind: str
    images: tuple[ArchiveImage, ...]
    producer: str = ""
    warnings: tuple[str, ...] = ()
    absent: tuple[Omitted, ...] = ()
    unwanted: tuple[Omitted, ...] = ()

    @property
    def pushed(self) -> int:
        """How many manifests and indexes are to be put."""
        return len({_identity(manifest) for image in self.images for manifest in image.manifests()})

    @property
    def found(self) -> int:
        """How many manifests and indexes the archive names, whether it holds them or not."""
        return self.pushed + len(self.absent) + len(self.unwanted)


def _identity(manifest: KeptManifest | GeneratedManifest) -> Digest:
    return manifest.blob.descriptor.digest if isinstance(manifest, KeptManifest) else manifest.config.descriptor.digest
