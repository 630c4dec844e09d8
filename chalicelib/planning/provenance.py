"""
Charts and the `.prov` files that sign them, whichever of the two comes first.

- a chart whose `.prov` is there is read with it;
- a `.prov` whose chart is there, decided without it, begins an upload of its own: that chart once more, now with what
  signs it. One version of a `.prov` begins one upload at most, and none if a chart has been read with it;
- a `.prov` without a chart that it names waits for it, for the next version of a chart is signed before it is sent;
  one that has waited for `PATIENCE` is refused, so that somebody hears of it. A chart that comes later still finds it.

Each of the two looks for the other after it was written down itself (in the bucket, in the table), so one of them sees
the other, however close they come.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from chalicelib.archive.contents import ArchiveContents
from chalicelib.archive.read import read_archive
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError
from chalicelib.events import Notification, renotification
from chalicelib.names import PROVENANCE, UPLOADS, is_companion
from chalicelib.outside import Outside
from chalicelib.planning.choices import archive_limits
from chalicelib.planning.companions import SEEN, was_read
from chalicelib.planning.plan import CHART
from chalicelib.ports.bucket import ObjectSource, ObjectVersion
from chalicelib.replacing import replace
from chalicelib.state.ledger import Ledger
from chalicelib.state.upload import State, Upload

PATIENCE: Final = 900.0
"""Seconds after which a `.prov` that no chart was read with is no longer believed to be early."""

_LOST_FOR: Final = 86_400.0  # seconds for which the sweep looks for a chart whose notification was lost
_MOST: Final = 256 << 10  # bytes; Chart.yaml, a sum and a signature: it must fit into a record
_LATER: Final = "the provenance file came after its chart, which is put once more, now with what signs it"


class Begun(Struct, frozen=True):
    """
    What a notification begins: *upload*, or nothing.

    *waits* tells that a `.prov` which does not fit is to be left alone for now.
    """

    upload: Upload | None
    waits: bool = False


# --- reading ---------------------------------------------------------------------------------------------------------


def read_upload(outside: Outside, upload: Upload) -> tuple[ArchiveContents, ObjectVersion | None]:
    """
    Read the archive of *upload*, a chart with the `.prov` that goes with it; reads, and writes nothing.

    Raises:
        RefusedError: CHART_PROVENANCE, the version of the `.prov` in *facts*; all codes of archives.
    """
    if is_companion(upload.object.key):
        raise _misfit("no chart lies beside the provenance file", upload.object)
    source, limits = outside.bucket.source(upload.object), archive_limits(outside.settings)
    try:
        contents = read_archive(source, limits)
    except RefusedError as error:
        if upload.provenance and error.code is Code.COMPRESSED:
            raise _no_chart(upload.provenance) from error
        raise
    if contents.kind != CHART:
        if upload.provenance:
            raise _no_chart(upload.provenance)
        return contents, None
    beside = upload.provenance or _beside(outside, upload.object)
    if beside:
        return _read_signed(outside, upload, beside), beside
    if outside.settings.chart_provenance == "required":
        raise RefusedError(Code.CHART_PROVENANCE, "the chart has no provenance file beside it")
    return contents, None


def _read_signed(outside: Outside, upload: Upload, beside: ObjectVersion) -> ArchiveContents:
    source = outside.bucket.source(upload.object)
    try:
        signed = read_provenance(outside.bucket.source(beside))
        contents = read_archive(source, archive_limits(outside.settings), signed)
    except RefusedError as error:
        raise _misfit(error.detail, beside) from error
    return replace(contents, warnings=(_LATER,)) if upload.told == beside else contents


def _beside(outside: Outside, chart: ObjectVersion) -> ObjectVersion | None:
    found = outside.bucket.latest(chart.key + PROVENANCE)
    return found.object if found else None


def read_provenance(source: ObjectSource) -> bytes:
    """
    Return the content of a `.prov`.

    Raises:
        RefusedError: CHART_PROVENANCE, it is empty or longer than any.
    """
    if not 0 < source.size <= _MOST:
        raise RefusedError(Code.CHART_PROVENANCE, f"the provenance file is empty or has more than {_MOST} bytes")
    return source.read(ByteRange(0, source.size))


def _no_chart(version: ObjectVersion) -> RefusedError:
    return _misfit("what lies beside the provenance file is no chart", version)


def _misfit(detail: str, version: ObjectVersion) -> RefusedError:
    return RefusedError(Code.CHART_PROVENANCE, detail, facts={SEEN: version.version_id})


# --- whichever comes first -------------------------------------------------------------------------------------------


def begun_by(outside: Outside, told: Notification) -> Begun:
    """Return the upload that *told* begins; reads, and writes nothing."""
    if not is_companion(told.object.key):
        return Begun(_new(outside, told, told.object))
    latest = outside.bucket.latest(told.object.key)
    if latest is None:
        return Begun(None)  # it was taken away again
    waits = latest.object == told.object and outside.clock.now() - latest.modified < PATIENCE
    chart = outside.bucket.latest(told.object.key.removesuffix(PROVENANCE))
    if chart is None:
        return Begun(None if waits else _new(outside, told, told.object), waits)
    known = Ledger(outside).begun([chart.object])[chart.object]
    if known is None and outside.clock.now() - chart.modified < _LOST_FOR:
        return Begun(None)  # its own upload comes, and reads what is here
    if known and (known.state is State.RECEIVED or was_read(known, told.object)):
        return Begun(None)
    return Begun(_new(outside, told, chart.object, told.object), waits)


def _new(
    outside: Outside, told: Notification, version: ObjectVersion, provenance: ObjectVersion | None = None
) -> Upload:
    now, prefix = outside.clock.now(), outside.settings.prefix
    # Sequencers compare only within one key: that of a `.prov` says nothing of versions of the chart.
    sequencer = "" if provenance else told.sequencer
    return Upload.new(
        version, told.principal, sequencer, now, prefix=prefix, provenance=provenance, known_as=told.upload
    )


def look_again(outside: Outside, chart: Upload) -> None:
    """Let the `.prov` be taken that came while *chart*, which was decided by now, was read."""
    if chart.told != chart.object or (chart.kind != CHART and chart.code != Code.CHART_PROVENANCE.name):
        return
    beside = _beside(outside, chart.object)
    if beside and not was_read(chart, beside):
        told = Notification(beside, chart.principal, "")
        outside.queue.send(UPLOADS, renotification(told, outside.deployment), group=chart.tenant)
