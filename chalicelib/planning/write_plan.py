"""Writing down what is to be done for an upload."""

from __future__ import annotations

from chalicelib.planning.plan import Plan
from chalicelib.ports.table import Put
from chalicelib.state.documents import PREFIX, laid_out
from chalicelib.state.ledger import Entry, Ledger, Record, put
from chalicelib.state.upload import Upload


def changes_of(upload: Upload, planned: Plan) -> list[Put] | None:
    """Return the changes that write what is to be done for a new *upload*; None: it has too large documents."""
    images, documents = laid_out(planned.images)
    records: list[Record] = [*images, *planned.layers]
    return None if documents else [put(upload.id, record, 0) for record in records]


def write_plan(ledger: Ledger, entry: Entry, planned: Plan) -> None:
    """
    Write what is to be done for an upload, in place of what was cut off before it was decided.

    Raises:
        ConflictError: The upload has changed since *entry* was read.
    """
    images, documents = laid_out(planned.images)
    if documents:
        ledger.overwrite(entry, (PREFIX,), documents, at_once=1)
    ledger.overwrite(entry, ("image#", "layer#"), [*images, *planned.layers])
