"""
An upload on its way: a table that is drawn anew on a terminal, a line for each change elsewhere.

Both show the same steps: accepted, pushing, pushed, one for each destination, and how it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Final

from rich.live import Live
from rich.table import Table
from rich.text import Text

from chalicelib.codes import Code
from chalicelib.state.records import Arrival, ImageRecord, LayerRecord, ReplicaRecord
from chalicelib.state.upload import State, Upload
from transship.observation import Observation
from transship.view.causes import cause_lines
from transship.view.screen import SCREEN, show_result
from transship.view.text import foreign, plural, seconds, size

_NAME_WIDTH: Final = len("111122223333/ap-southeast-2")


class Mark(Enum):
    """How a step stands: its sign and its style."""

    DONE = ("✓", "green")
    BUSY = ("…", "yellow")
    BAD = ("✗", "bold red")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the table."""

    mark: Mark
    name: str
    text: str


@contextmanager
def watching() -> Iterator[Callable[[Observation], None]]:
    """Return what shows an upload each time it is looked at."""
    if not SCREEN.is_terminal:
        yield _Lines()
        return
    with Live(console=SCREEN, auto_refresh=False) as live:

        def show(seen: Observation) -> None:
            live.update(table(steps(seen)), refresh=True)

        yield show


def show_upload(seen: Observation) -> None:
    """Show an upload as it stands, with the object that it is of."""
    upload = seen.upload
    show_result(Text(f"{upload.id}  s3://{upload.object.bucket}/{foreign(upload.object.key)}", "bold"))
    show_result(f"{size(upload.object.size)}, version {upload.object.version_id}, attempt {upload.attempt}")
    show_result(table(steps(seen)))


class _Lines:
    """Prints each step when it is new or has changed."""

    def __init__(self) -> None:
        self._shown: set[Step] = set()

    def __call__(self, seen: Observation) -> None:
        for step in steps(seen):
            if step not in self._shown:
                self._shown.add(step)
                SCREEN.print(f"  {step.name:<{_NAME_WIDTH}}  {step.text}", markup=False)


def table(shown: list[Step]) -> Table:
    """Return the table of *shown*."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=1)
    grid.add_column(min_width=_NAME_WIDTH, no_wrap=True)
    grid.add_column(overflow="fold")
    for step in shown:
        grid.add_row(Text(*step.mark.value), Text(step.name), Text(step.text))
    return grid


def steps(seen: Observation) -> list[Step]:
    """Return what an upload has done so far and what it does now."""
    upload = seen.upload
    found = list(_way(seen))
    for image in seen.roots:
        if image.digest and image.put:
            found.append(Step(Mark.DONE, f"pushed {_name(image)}", str(image.digest)))
        found += [_destination(seen, image, replica) for replica in seen.replicas_of(image)]
    if upload.state is State.CONFIRMING and not seen.replicas:
        found.append(Step(Mark.BUSY, "confirming", "no rule of the registry replicates this repository"))
    if upload.state.terminal:
        found.append(_end(upload))
        found += _causes(upload)
    return found


def _way(seen: Observation) -> Iterator[Step]:
    upload = seen.upload
    if not upload.accepted:
        if not upload.state.terminal:
            yield Step(Mark.BUSY, "received", "reading its index, asking for permissions")
        return
    if upload.opening and not upload.opening.done:
        if not upload.state.terminal:
            yield Step(Mark.BUSY, "opening", f"compressed with {upload.opening.compression}, read to its end")
        return
    about = f"{upload.kind} archive, {plural(len(seen.roots), 'image')}, {plural(len(seen.layers), 'layer')}"
    if upload.found > upload.pushed:
        about += f", {upload.found} manifests found, {upload.pushed} to be pushed"
    yield Step(Mark.DONE, "accepted", about)
    for warning in upload.warnings:
        yield Step(Mark.DONE, "warning", warning)
    if upload.state is not State.ACCEPTED:
        pushed = bool(upload.published) or upload.state in {State.PUBLISHING, State.CONFIRMING, State.AVAILABLE}
        yield Step(Mark.DONE if pushed else Mark.BUSY, "layers" if pushed else "pushing layers", _layers(seen, pushed))


def _layers(seen: Observation, pushed: bool) -> str:
    """Return how far the layers are: the tally is written at the end of a bundle, a layer's own place every second."""
    tally = seen.upload.tally
    stored = sum(layer.stored for layer in seen.layers)
    moved, parts = (tally.get("bytes_uploaded", 0), int(tally.get("parts", 0))) if pushed else _moved(seen.layers)
    skipped = int(tally.get("layers_skipped", 0))
    return f"{stored} of {len(seen.layers)} stored, {size(moved)} in {plural(parts, 'part')}, {skipped} skipped"


def _moved(layers: Iterable[LayerRecord]) -> tuple[int, int]:
    """Return how many bytes and parts of *layers* ECR has been sent so far; of skipped ones, none."""
    moved = parts = 0
    for layer in layers:
        if layer.progress:
            held = layer.size if layer.stored else int(layer.progress["sent"])
            moved += held
            parts += -(-held // int(layer.progress["part_size"]))
    return moved, parts


def _name(image: ImageRecord) -> str:
    return f"{image.repository}:{image.tags[0]}" if image.tags else str(image.repository)


_MARKS = {Arrival.VERIFIED: Mark.DONE, Arrival.REPORTED: Mark.DONE, Arrival.FAILED: Mark.BAD}


def _destination(seen: Observation, image: ImageRecord, replica: ReplicaRecord) -> Step:
    name = f"{replica.registry}" + (f" {_name(image)}" if len(seen.roots) > 1 else "")
    if replica.status is Arrival.FAILED:
        return Step(Mark.BAD, name, f"failed: {foreign(replica.failure)}")
    if replica.status is Arrival.WAITING:
        return Step(Mark.BUSY, name, "waiting")
    text = f"{replica.status.value} after {seconds(replica.seconds)}"
    if replica.status is Arrival.VERIFIED:
        text += ", by digest and by tag" if replica.tags_verified else ", by digest"
    return Step(_MARKS[replica.status], name, text)


def _end(upload: Upload) -> Step:
    took = seconds(upload.ended - upload.received)
    if upload.state is State.AVAILABLE:
        return Step(Mark.DONE, "available", f"in every destination, {took} after the upload")
    if upload.state is State.SUPERSEDED:
        return Step(Mark.BAD, "superseded", upload.detail or "a later upload took its place")
    remedy = f"\n{Code[upload.code].remedy}" if upload.code in Code.__members__ else ""
    return Step(Mark.BAD, upload.state.value, f"{upload.code}: {upload.detail}{remedy}")


def _causes(upload: Upload) -> Iterator[Step]:
    """Yield what is known of why a destination lacks the image, each with what mends it."""
    for told in upload.facts.get("destinations", ()):
        lines = "\n".join(cause_lines(told["causes"]))
        yield Step(Mark.BAD, f"{told['account']}/{told['region']}", f"{foreign(told['failure'])}\n{lines}")
