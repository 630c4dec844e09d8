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
    """Return the table, a row for each upload."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("upload", "when", "state", "size", "key"):
        table.add_column(heading, no_wrap=heading != "key", overflow="fold")
    for one in found:
        state = one.state if not (one.record and one.record.code) else f"{one.state} {one.record.code}"
        table.add_row(
            one.version.id,
            one.version.uploaded.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            Text(state, _STYLES.get(one.state, "yellow")),
            size(one.version.size),
            Text(foreign(one.version.key)),
        )
    return table
