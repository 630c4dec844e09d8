"""Writing down what is to be done for an upload."""

from __future__ import annotations

from chalicelib.planning.plan import Plan
from chalicelib.state.documents import PREFIX, laid_out
from chalicelib.state.ledger import Ledger


def write_plan(ledger: Ledger, upload_id: str, planned: Plan) -> None:
    """Write what is to be done for an upload, in place of what was cut off before it was decided."""
    images, documents = laid_out(planned.images)
    if documents:
        ledger.overwrite(upload_id, (PREFIX,), documents, at_once=1)
    ledger.overwrite(upload_id, ("image#", "layer#"), [*images, *planned.layers])
