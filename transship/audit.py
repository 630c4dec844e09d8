"""
Audit records: who brought which image where, when, and where it was verified; one JSON object for each attempt.

The pipeline writes them at each end (`chalicelib.outcome.audit`); here they are read, month by month.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chalicelib.outcome.audit import months
from chalicelib.ports.table import Table

_LONGEST: Final = timedelta(days=3_650)
"""Records are kept no longer: the bound of TRANSSHIP_AUDIT_DAYS."""


def audit_records(
    table: Table, *, since: datetime | None = None, now: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the records of the attempts that have ended after *since*, in the order in which they did."""
    until = now or datetime.now(UTC)
    for month in months(since or until - _LONGEST, until):
        for stored in table.query(month):
            record = {name: value for name, value in stored.item.items() if name != "v"}
            if since is None or datetime.fromisoformat(record["ended"]) > since:
                yield record
