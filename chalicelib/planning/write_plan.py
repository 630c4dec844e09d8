"""Writing down what is to be done for an upload."""

from __future__ import annotations

from chalicelib.planning.plan import Plan
from chalicelib.state.documents import PREFIX, laid_out
from chalicelib.state.ledger import Entry, Ledger


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
