"""
An upload as its record tells it: read in one query, never written.

`push --wait`, `status` and `local push` look at uploads through this module alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from chalicelib.ports.bus import Event
from chalicelib.ports.table import Item, Key, Stored, Table
from chalicelib.state.ledger import event_from
from chalicelib.state.records import ImageRecord, LayerRecord, ReplicaRecord
from chalicelib.state.upload import Upload, collection

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Observation:
    """An *upload* with its parts, and the *events* that were decided on so far, the oldest first."""

    upload: Upload
    images: tuple[ImageRecord, ...] = ()
    layers: tuple[LayerRecord, ...] = ()
    replicas: tuple[ReplicaRecord, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def roots(self) -> tuple[ImageRecord, ...]:
        """The images that the archive names, without the children of an index."""
        return tuple(image for image in self.images if image.root)

    def replicas_of(self, image: ImageRecord) -> tuple[ReplicaRecord, ...]:
        """Return what is known of *image* in each destination."""
        return tuple(replica for replica in self.replicas if replica.image == image.number)


def observe(table: Table, upload_id: str) -> Observation | None:
    """Return the upload as it stands, or None if it has no record (yet)."""
    items = table.query(collection(upload_id))
    found = next((stored for stored in items if stored.key == Key(collection(upload_id), "upload")), None)
    if found is None:
        return None
    return Observation(
        Upload.from_item(found.item),
        _read(items, "image#", ImageRecord.from_item),
        _read(items, "layer#", LayerRecord.from_item),
        _read(items, "replica#", ReplicaRecord.from_item),
        tuple(sorted(_read(items, "outbox#", event_from), key=_age)),
    )


def _read(items: Iterable[Stored], prefix: str, read: Callable[[Item], R]) -> tuple[R, ...]:
    return tuple(read(stored.item) for stored in items if stored.key.sk.startswith(prefix))


def _age(event: Event) -> tuple[Any, Any]:
    return event.detail["time"], event.detail["id"]
