"""Opening a sealed archive: the first pass, and what was found in it written down for `receive` to judge."""

from __future__ import annotations

from chalicelib.archive.contents import ArchiveContents
from chalicelib.outside import Outside
from chalicelib.planning.write_plan import write_plan
from chalicelib.replacing import replace
from chalicelib.sealed.first import FirstPass
from chalicelib.state.lease import Lease
from chalicelib.state.ledger import Ledger
from chalicelib.state.upload import State, Upload


def open_archive(outside: Outside, upload: Upload, lease: Lease) -> bool:
    """
    Read the archive of *upload* under push's *lease*; False: there was no time for all of it.

    Raises:
        RefusedError: as `FirstPass.run`.
    """
    found = FirstPass(outside, upload, lease).run()
    if found is None:
        return False
    contents, planned = found
    ledger = Ledger(outside)
    entry = ledger.load(upload.id)
    if entry is None or _opened(entry.upload, contents) is None:
        return True  # another function was faster
    write_plan(ledger, entry, planned)
    ledger.update(upload.id, lambda upload: _opened(upload, contents))
    return True


def _opened(upload: Upload, contents: ArchiveContents) -> Upload | None:
    if upload.state is not State.PUSHING or upload.opening is None or upload.opening.done:
        return None
    return replace(
        upload,
        state=State.RECEIVED,
        opening=replace(upload.opening, done=True),
        kind=contents.kind,
        warnings=contents.warnings,
        found=contents.found,
        pushed=contents.pushed,
    )
