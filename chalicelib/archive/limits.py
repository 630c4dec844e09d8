"""Every bound on what is read from an archive, with its unit and the reason for its default; and what is chosen."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB


class ArchiveLimits(Struct, frozen=True, kw_only=True):
    """
    What an archive may cost and hold; at the end, the operator's choices about what of it is taken.

    Attributes:
        members: Members of the tar; a large multi-image save has a few thousand.
        name: Bytes of a member's name; image tools write at most about 150.
        name_parts: Parts of a member's name between slashes.
        extension: Bytes of one PAX or GNU extension header, whose parsing is quadratic elsewhere (CVE-2024-6232).
        extensions: Bytes of all extension headers together.
        records: Records of one PAX header; tar tools write fewer than 30.
        links: Symbolic links from one member to its file; Docker writes one.
        padding: Bytes of zeros after the end mark; GNU tar's largest record in practice.
        kept: Bytes of small members that are kept while the tar is walked, so that they are not read again.
        docker_manifest: Bytes of Docker's `manifest.json` (containers/image's own bound).
        document: Bytes of a manifest, index or config (ECR's PutImage takes no more).
        documents: Bytes of all manifests, indexes and configs together: parsing is what takes time.
        index_depth: Indexes within each other, the outermost is 1.
        index_nodes: Manifests and indexes of the archive, and entries of one index.
        layers: Layers of an image; Docker's own bound.
        artifact_blobs: Blobs of an artifact.
        layer: Bytes of a layer: 4,200 parts of 10 MiB (ecr.md 2).
        chart: Bytes of a Helm chart as uploaded; an object above that is not tried as a chart.
        inflated_chart: Bytes of a chart when inflated (Helm's bound).
        chart_file: Bytes of a file in a chart (Helm's bound).
        chart_metadata: Bytes of Chart.yaml.
        chart_search: Inflated bytes within which a chart's Chart.yaml must have come; Helm writes it first.
        inflated: Bytes that an archive compressed as a whole may inflate to.
        ratio: How many bytes one compressed byte may inflate to on the average, once `ratio_from` bytes came out.
        ratio_from: Bytes of output below which the ratio is not looked at.
        window: Bytes of the dictionary that a zstd frame may ask for.
        foreign_layers: Whether a foreign layer may be absent from the archive; ECR takes such manifests.
        encrypted_layers: Whether encrypted layers are taken; their diff_id cannot be checked.
        platforms: Of an index, the platforms that are taken, as `os/architecture` or with `/variant`; empty: all.
        attestations: Of an index, whether BuildKit's attestations are taken; some services, AWS Lambda among them,
            cannot run an image behind an index, and an image with its attestation is an index.
    """

    members: int = 100_000
    name: int = KIB
    name_parts: int = 64
    extension: int = MIB
    extensions: int = 16 * MIB
    records: int = 1_000
    links: int = 8
    padding: int = MIB
    kept: int = 16 * MIB
    docker_manifest: int = MIB
    document: int = 4 * MIB
    documents: int = 64 * MIB
    index_depth: int = 3
    index_nodes: int = 500
    layers: int = 127
    artifact_blobs: int = 1_000
    layer: int = 42_000 * MIB
    chart: int = 20 * MIB
    inflated_chart: int = 100 * MIB
    chart_file: int = 5 * MIB
    chart_metadata: int = 256 * KIB
    chart_search: int = 8 * MIB
    inflated: int = 200 * GIB
    ratio: int = 200
    ratio_from: int = 64 * MIB
    window: int = 128 * MIB
    foreign_layers: bool = False
    encrypted_layers: bool = True
    platforms: tuple[str, ...] = ()
    attestations: bool = True
