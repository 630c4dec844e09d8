"""An archive as the pipeline reads it: by its index if it is plain, in one pass if it is compressed as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.archive.compressed import open_compressed
from chalicelib.archive.contents import ArchiveContents
from chalicelib.archive.read import ArchiveLimits, read_archive
from chalicelib.errors import Code, RefusedError
from chalicelib.planning.plan import CHART
from chalicelib.ports.bucket import ByteStream, ObjectSource

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Reading:
    """What an archive holds, and how it is *compressed* as a whole, or None."""

    contents: ArchiveContents
    compressed: str | None = None


def read_whole(source: ObjectSource, limits: ArchiveLimits, provenance: Callable[[], bytes | None]) -> Reading:
    """
    Read the archive in *source*.

    Args:
        source: The archive.
        limits: All bounds.
        provenance: Asked for the content of the `.prov` beside a chart; None if there is none.

    Raises:
        RefusedError: as `read_archive` and `open_compressed`.
    """
    try:
        contents = read_archive(source, limits)
    except RefusedError as error:
        if error.code is not Code.COMPRESSED:
            raise
        return Reading(_pass(source, limits), error.facts["compression"])
    signed = provenance() if contents.kind == CHART else None
    if signed is not None:
        contents = read_archive(source, limits, signed)
    return Reading(contents)


def _pass(source: ObjectSource, limits: ArchiveLimits) -> ArchiveContents:
    with open_compressed(source, limits) as archive:
        for _, content in archive:
            _pass_over(content)
    return archive.contents()


def _pass_over(content: ByteStream) -> None:
    while content.read(_CHUNK):
        continue
