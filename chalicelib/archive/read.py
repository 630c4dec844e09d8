"""
Reading an archive: from an object to `ArchiveContents`, or a refusal with a code.

    window      few ranged reads, from header to header
    tar_walk    members by name                     tar_header, tar_extension, member_name
    recognise   what is no image archive, by name   bundles
    docker      `manifest.json`                     layout, graph: `index.json` and all behind it
    views       both of them at once                referrers: what speaks of what
    chart       a Helm chart, `chart_metadata`

No layer is read but its first bytes. Nothing is written, and no URL of an archive is ever opened.
What is left out: archives compressed as a whole (`compressed`), and where images go (`naming`).
"""

from __future__ import annotations

from chalicelib.archive import bundles, docker, layout, recognise, views
from chalicelib.archive.contents import ArchiveContents, ArchiveImage
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.members import Members, blaming
from chalicelib.archive.producer import producer_of
from chalicelib.archive.referrers import gather, warnings_of_referrers
from chalicelib.archive.tar_header import BLOCK
from chalicelib.archive.tar_walk import walk
from chalicelib.archive.warn import Leftovers, warnings_of_docker, warnings_of_layout
from chalicelib.archive.window import Window
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError
from chalicelib.ports.bucket import ObjectSource
from chalicelib.replacing import replace

__all__ = ["ArchiveLimits", "read_archive", "read_members"]


def read_archive(source: ObjectSource, limits: ArchiveLimits, provenance: bytes | None = None) -> ArchiveContents:
    """
    Find out what *source* holds.

    Args:
        source: The object.
        limits: All bounds.
        provenance: For a Helm chart, the content of the `.prov` beside it, if there is one.

    Raises:
        RefusedError: It is no archive that we take; the code says why. COMPRESSED: it may be one, see `compressed`;
            *facts* then names the compression.
        FinalError, TemporaryError: as *source* raises them.
    """
    if source.size == 0:
        raise RefusedError(Code.EMPTY_OBJECT, "the object has no bytes", offset=0)
    window = Window(source)
    head = window.read(ByteRange(0, min(BLOCK, source.size)))
    compression = recognise.compression_of(head)
    if compression:
        recognise.refuse_two_natures(head)
    chart = _chart(source, limits, provenance) if compression == recognise.GZIP else None
    if chart:
        return chart
    if compression:
        detail = f"the object is compressed with {compression}"
        raise RefusedError(Code.COMPRESSED, detail, offset=0, facts={"compression": compression})
    recognise.refuse_other_files(head)
    return read_members(Members(source, limits, walk(window, limits)), limits)


def _chart(source: ObjectSource, limits: ArchiveLimits, provenance: bytes | None) -> ArchiveContents | None:
    # Here alone: a cold start without a chart needs no YAML.
    from chalicelib.archive.chart import read_chart  # noqa: PLC0415

    return read_chart(source, limits, provenance)


def read_members(members: Members, limits: ArchiveLimits) -> ArchiveContents:
    """
    Find out what the members of a tar are.

    Raises:
        RefusedError: NO_IMAGE, BUNDLE and all codes of documents and blobs.
    """
    bundles.refuse_bundles(members, limits)
    folder = bundles.find_folder(members)
    members.check()
    index = layout.read_index(members, folder, limits)
    images = docker.read_docker(members, folder, limits, alone=index is None)
    leftovers = Leftovers(members, folder, limits)
    if index is None:
        if not images:
            raise RefusedError(Code.NO_IMAGE, "the archive's layout lists no image")
        return ArchiveContents(
            kind="docker",
            images=tuple(ArchiveImage(manifest=docker.generate(image, members), names=image.names) for image in images),
            producer=producer_of(members, folder, None),
            warnings=(*warnings_of_docker(images, leftovers), *bundles.warnings_of(members, folder)),
        )
    roots, graph = layout.read_roots(index, members, folder, limits)
    if images:
        everything = replace(limits, platforms=(), attestations=True)
        unchosen, _ = layout.read_roots(index, members, folder, everything)
        with blaming(members.find(folder + docker.MANIFEST)):
            merged = views.merge(images, unchosen, roots, members, folder)
    else:
        merged = tuple(ArchiveImage(manifest=root.manifest, names=root.names) for root in roots)
    with blaming(members.find(folder + layout.INDEX)):
        gathered = gather(merged, roots)
    warnings = (*warnings_of_layout(graph, leftovers), *warnings_of_referrers(gathered))
    return ArchiveContents(
        kind="docker+oci" if images else "oci",
        images=gathered,
        producer=producer_of(members, folder, index),
        warnings=(*warnings, *bundles.warnings_of(members, folder)),
        absent=tuple(graph.absent),
        unwanted=tuple(graph.unwanted),
    )
