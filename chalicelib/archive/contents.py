"""
What an archive was found to hold: the answer of reading one, and all that planning needs.

Nothing here has read a layer: a layer's digest is what the archive claims until `push` has hashed its bytes.
Manifests, indexes and configs have been read and hashed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from chalicelib.byte_range import ByteRange
from chalicelib.oci.descriptor import Descriptor
from chalicelib.oci.digest import Digest
from chalicelib.oci.platform import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """
    A blob whose bytes, digest and size are settled.

    *content* is where its bytes are: a range of the object, or the bytes themselves where the archive does not hold
    them (a chart's config). A foreign layer has none.
    """

    descriptor: Descriptor
    content: ByteRange | bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLayer:
    """An uncompressed layer of a `docker save`: we compress it, so its digest is known only when it is pushed."""

    diff_id: Digest
    content: ByteRange


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptManifest:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedManifest:
    """An image of Docker's `manifest.json` with uncompressed layers: its manifest is written once they are pushed."""

    config: Blob
    layers: tuple[RawLayer, ...]
    platform: Platform | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveImage:
    """
    One image (or index, or artifact) of an archive.

    *names* are what the archive calls it (`RepoTags`, `org.opencontainers.image.ref.name` …): candidates, not yet
    believed nor validated.
    """

    manifest: KeptManifest | GeneratedManifest
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveContents:
    """
    All that an archive holds.

    Attributes:
        kind: `docker`, `docker+oci`, `oci` or `chart`.
        producer: The tool that seems to have written it, or "".
        images: In the archive's order; never empty.
        warnings: Sentences of ours about what was found and not pushed.
    """

    kind: str
    images: tuple[ArchiveImage, ...]
    producer: str = ""
    warnings: tuple[str, ...] = field(default=())
