"""Recent uploads as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from chalicelib.names import Deployment
from transship.recent import RecentUpload
from transship.view.screen import say, show_result
from transship.view.text import foreign, size

_LEAST: Final = {"upload": 33, "when": 10, "state": 9, "size": 8, "key": 9}
"""Characters to which a column may shrink: 80 with what is between them, and ids of tenants with six letters whole."""
_STYLES: Final = {
    "available": "green",
    "rejected": "red",
    "failed": "bold red",
    "superseded": "dim",
    "unknown": "yellow",
}


def show_recent(found: Sequence[RecentUpload], deployment: Deployment) -> None:
    """Show the recent uploads of *deployment*."""
    if not found:
        say(f"nothing was uploaded to s3://{deployment.bucket} yet; begin with: transship push ARCHIVE")
        return
    show_result(recent_table(found))


def recent_table(found: Sequence[RecentUpload]) -> Table:
    """Return the table, a row for each upload; where it is narrow, ids are folded last, for they are copied."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading, least in _LEAST.items():
        table.add_column(heading, min_width=least, overflow="fold")
    for one in found:
        state = one.state if not (one.record and one.record.code) else f"{one.state} {one.record.code}"
        table.add_row(
            one.id,
            one.version.uploaded.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            Text(state, _STYLES.get(one.state, "yellow")),
            size(one.version.size),
            Text(foreign(one.version.key)),
        )
    return table
