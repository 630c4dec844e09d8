"""
What an upload holds, as far as it can be known now.

A plain archive is read here. One that is compressed as a whole (sealed) is opened by `push`; before that only its
place is known, and afterwards what `push` found is in the table.
"""

from __future__ import annotations

from msgspec import Struct

from chalicelib.archive.contents import ArchiveContents
from chalicelib.errors import Code, RefusedError
from chalicelib.oci.reference import RepositoryName
from chalicelib.outside import Outside
from chalicelib.planning.naming import place
from chalicelib.planning.plan import Plan, plan_contents
from chalicelib.planning.provenance import read_upload
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.state.ledger import Ledger
from chalicelib.state.upload import Opening, Upload


class Look(Struct, frozen=True, kw_only=True):
    """
    What is known of an upload's archive.

    Attributes:
        repository: Where the key leads.
        planned: What there is to do; nothing, while it is sealed.
        kind: See `ArchiveContents`; "" while it is sealed.
        warnings, found, pushed: As in `ArchiveContents`.
        opening: How far a sealed archive is; None for a plain one.
        provenance: The `.prov` that was read with a chart.
    """

    repository: RepositoryName
    planned: Plan
    kind: str = ""
    warnings: tuple[str, ...] = ()
    found: int = 0
    pushed: int = 0
    opening: Opening | None = None
    provenance: ObjectVersion | None = None

    @property
    def sealed(self) -> bool:
        """Whether nobody knows yet what is in it."""
        return self.opening is not None and not self.opening.done


def look(outside: Outside, upload: Upload) -> Look:
    """
    Find out what *upload* holds; reads, and writes nothing.

    Raises:
        RefusedError: KEY, REPOSITORY_NAME, and all codes of archives and names.
    """
    where = place(upload.object.key, outside.settings.prefix)
    try:
        contents, provenance = read_upload(outside, upload)
    except RefusedError as error:
        if error.code is not Code.COMPRESSED:
            raise
        return _look_at_sealed(outside, upload, where.repository, error.facts["compression"])
    planned = plan_upload(outside, upload, contents)
    return Look(
        repository=where.repository,
        planned=planned,
        kind=contents.kind,
        warnings=contents.warnings,
        found=contents.found,
        pushed=contents.pushed,
        provenance=provenance,
    )


def plan_upload(outside: Outside, upload: Upload, contents: ArchiveContents) -> Plan:
    """
    Plan the push of *contents* by the key and the settings; the object's metadata is read only if they ask for it.

    Raises:
        RefusedError: as `plan_contents`.
    """
    asked = outside.settings.tag_source == "metadata"
    metadata = outside.bucket.metadata(upload.object) if asked else None
    return plan_contents(contents, upload.object.key, outside.settings, metadata)


def _look_at_sealed(outside: Outside, upload: Upload, repository: RepositoryName, compression: str) -> Look:
    ledger = Ledger(outside)
    entry = ledger.load(upload.id)
    if entry is None or entry.upload.opening is None or not entry.upload.opening.done:
        opening = Opening(compression)
        return Look(repository=repository, planned=Plan(images=(), layers=()), opening=opening)
    opened = entry.upload
    planned = Plan(
        images=tuple(row.record for row in ledger.images(upload.id)),
        layers=tuple(row.record for row in ledger.layers(upload.id)),
    )
    return Look(
        repository=repository,
        planned=planned,
        kind=opened.kind,
        warnings=opened.warnings,
        found=opened.found,
        pushed=opened.pushed,
        opening=opened.opening,
    )
