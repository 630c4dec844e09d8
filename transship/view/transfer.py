"""The progress bar of an upload to the bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from transship.view.screen import SCREEN
from transship.view.text import foreign, size


@contextmanager
def transferring(archive: Path) -> Iterator[Callable[[int], None]]:
    """Return what is told of each piece of *archive* that was sent; elsewhere than on a terminal one line is shown."""
    total = archive.stat().st_size
    if not SCREEN.is_terminal:
        SCREEN.print(f"uploading {foreign(archive.name)}, {size(total)}", markup=False)
        yield lambda _: None
        return
    columns = (
        TextColumn("uploading {task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=SCREEN) as progress:
        task = progress.add_task(foreign(archive.name), total=total)
        yield lambda count: progress.advance(task, count)
