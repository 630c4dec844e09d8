"""
The table as the pipeline sees it: uploads and their parts, leases, decisions with their events.

Rules:
- every write names the revision that it was decided on; whoever lost a race reads again and decides again;
- a decision and its event are one write (an outbox), so that no event is lost and none is invented;
- nothing is counted that could be looked at: "all layers stored" is a query, so a message delivered twice does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

from msgspec import Struct

from chalicelib.chunks import chunked
from chalicelib.errors import ConflictError
from chalicelib.events import Announcer, Draft
from chalicelib.outside import Outside
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.ports.bus import Event
from chalicelib.ports.table import Check, Delete, Item, Key, Put, Stored
from chalicelib.replacing import replace
from chalicelib.sealed.passed import PREFIX as PASSED
from chalicelib.sealed.passed import PassedRecord
from chalicelib.state.records import ImageRecord, LayerRecord, ReplicaRecord
from chalicelib.state.upload import SHAPE, Upload, collection, former_id, upload_id

_MOST_CHANGES: Final = 100  # of one TransactWriteItems, and keys of one BatchGetItem
_DAY: Final = 86_400.0
PATIENCE: Final = 900.0
"""Seconds after its last change at which the sweep looks at an upload that has not ended."""


class Record(Protocol):
    """A part of an upload."""

    @property
    def sk(self) -> str:
        """Its name in the collection."""

    def to_item(self) -> Item:
        """Return what is stored."""


R = TypeVar("R", bound=Record)


class Row(Struct, Generic[R], frozen=True):
    """A part of an upload as it was read."""

    record: R
    revision: int


class Entry(Struct, frozen=True):
    """An upload as it was read."""

    upload: Upload
    revision: int


class Ledger:
    """Reads and writes the items of uploads."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._table = outside.table

    def load(self, upload_id: str) -> Entry | None:
        """Return an upload, or None."""
        stored = self._table.get(Key(collection(upload_id), "upload"))
        return Entry(Upload.from_item(stored.item), stored.revision) if stored else None

    def read(self, keys: Sequence[Key]) -> dict[Key, Stored | None]:
        """Return any number of items by their keys, None for those that are not there."""
        found: dict[Key, Stored | None] = {}
        for chunk in chunked(keys, _MOST_CHANGES):
            found |= self._table.get_many(chunk)
        return found

    def begun(self, versions: Iterable[ObjectVersion]) -> dict[ObjectVersion, Upload | None]:
        """
        Return the uploads that *versions* have begun, None for those that the table does not know.

        An upload that was begun before a tenant was part of its id is looked for under `former_id`: were it taken for
        a new one, an old archive could take a tag back.
        """
        prefix, asked = self._outside.settings.prefix, dict.fromkeys(versions)
        found = self._known({version: upload_id(version, prefix) for version in asked})
        former = self._known({version: former_id(version) for version, upload in found.items() if upload is None})
        return found | former

    def _known(self, ids: Mapping[ObjectVersion, str]) -> dict[ObjectVersion, Upload | None]:
        keys = {version: Key(collection(upload), "upload") for version, upload in ids.items()}
        read = self.read(list(keys.values()))
        stored = {version: read[key] for version, key in keys.items()}
        return {version: Upload.from_item(one.item) if one else None for version, one in stored.items()}

    def begin(self, upload: Upload) -> Entry:
        """Store *upload* if it is new; return it as it stands."""
        known = self.load(upload.id)
        if known:
            return known
        try:
            self._table.write([self._put_upload(upload, 0)])
        except ConflictError:
            return self.begin(upload)
        return Entry(upload, 1)

    def images(self, upload_id: str) -> list[Row[ImageRecord]]:
        """Return the manifests of an upload, in the order in which they are put."""
        return self._rows(upload_id, "image#", ImageRecord.from_item)

    def layers(self, upload_id: str) -> list[Row[LayerRecord]]:
        """Return the layers of an upload."""
        return self._rows(upload_id, "layer#", LayerRecord.from_item)

    def passed(self, upload_id: str) -> list[Row[PassedRecord]]:
        """Return the members of a sealed archive that were taken for layers."""
        return self._rows(upload_id, PASSED, PassedRecord.from_item)

    def replicas(self, upload_id: str) -> list[Row[ReplicaRecord]]:
        """Return the images of an upload in each destination."""
        return self._rows(upload_id, "replica#", ReplicaRecord.from_item)

    def _rows(self, upload_id: str, prefix: str, read: Callable[[Item], R]) -> list[Row[R]]:
        return [Row(read(stored.item), stored.revision) for stored in self._table.query(collection(upload_id), prefix)]

    def save(self, upload_id: str, row: Row[R], record: R) -> Row[R]:
        """
        Replace *row* by *record*.

        Raises:
            ConflictError: It changed since it was read.
        """
        self._table.write(self._lasting([put(upload_id, record, row.revision)]))
        return Row(record, row.revision + 1)

    def announcer(self, upload: Upload) -> Announcer:
        """Return what builds the events of *upload* now."""
        return Announcer(self._outside.deployment, upload, self._outside.clock.now())

    def decide(
        self,
        entry: Entry,
        upload: Upload,
        drafts: Iterable[Draft] = (),
        *,
        also: Iterable[Put | Check | Delete] = (),
    ) -> Entry:
        """
        Write *upload* over *entry*, with the events and the other changes of the decision.

        What does not fit into one transaction is written before, the upload itself last: a decision that was cut off
        in between is made again on what is read then, and skips events that stand already (each is a fact of its own).

        Raises:
            ConflictError: Something of it changed since it was read.
        """
        changes = self._lasting([*also, *(self._put_event(upload, draft) for draft in drafts)])
        if len(changes) >= _MOST_CHANGES:
            known = {stored.key for stored in self._table.query(collection(upload.id), "outbox#")}
            changes = [change for change in changes if change.key not in known]
        while len(changes) >= _MOST_CHANGES:
            self._table.write(changes[:_MOST_CHANGES])
            changes = changes[_MOST_CHANGES:]
        self._table.write([*changes, self._put_upload(upload, entry.revision)])
        return Entry(upload, entry.revision + 1)

    def decide_new(
        self, upload: Upload, drafts: Sequence[Draft], *, also: Sequence[Put | Check | Delete]
    ) -> Entry | None:
        """
        Write an *upload* that is not there yet, all that belongs to it at once: that needs no lease.

        Returns None if it is too much for one transaction.

        Raises:
            ConflictError: It is there by now, or something else changed since it was read.
        """
        if len(also) + len(drafts) >= _MOST_CHANGES:
            return None
        return self.decide(Entry(upload, 0), upload, drafts, also=also)

    def update(self, upload_id: str, change: Callable[[Upload], Upload | None]) -> Upload:
        """Apply *change* to an upload as it stands now, as often as others come in between; None leaves it."""
        while True:
            entry = self.load(upload_id)
            if entry is None:
                raise LookupError(f"upload {upload_id} is gone")
            changed = change(entry.upload)
            if changed is None:
                return entry.upload
            try:
                return self.decide(entry, changed).upload
            except ConflictError:
                continue

    def announce(self, upload: Upload, drafts: Iterable[Draft], *, also: Iterable[Put] = ()) -> None:
        """
        Write events and other changes that leave the upload itself as it is.

        Raises:
            ConflictError: Something of it changed since it was read.
        """
        self._table.write(self._lasting([*also, *(self._put_event(upload, draft) for draft in drafts)]))

    def overwrite(
        self, entry: Entry, prefixes: Iterable[str], records: Iterable[Record], *, at_once: int = _MOST_CHANGES - 1
    ) -> None:
        """
        Make *records* all that stands under *prefixes* of an upload: what is there was cut off before it was decided.

        Only while the upload is as in *entry*: a function that slept through its lease must not write over what others
        have decided. *at_once* is how many are written together; one transaction takes 4 MB.

        Raises:
            ConflictError: The upload has changed since it was read.
        """
        upload_id, unchanged = entry.upload.id, Check(entry.upload.key, entry.revision)
        known = {
            stored.key.sk: stored.revision
            for prefix in prefixes
            for stored in self._table.query(collection(upload_id), prefix)
        }
        changes: list[Put | Check | Delete] = [put(upload_id, record, known.pop(record.sk, 0)) for record in records]
        changes += [Delete(Key(collection(upload_id), sk), revision) for sk, revision in known.items()]
        for chunk in chunked(self._lasting(changes), at_once):
            self._table.write([unchanged, *chunk])

    def _lasting(self, changes: Iterable[Put | Check | Delete]) -> list[Put | Check | Delete]:
        """Return *changes*, those of parts of an upload with the time at which the table may drop them."""
        expires = parts_expire(self._outside)
        return [
            replace(change, expires=expires) if isinstance(change, Put) and change.expires is None else change
            for change in changes
        ]

    def _put_upload(self, upload: Upload, revision: int) -> Put:
        now = self._outside.clock.now()
        ended = upload.state.terminal
        return Put(
            upload.key,
            upload.to_item(),
            revision,
            due=None if ended else now + PATIENCE,
            expires=now + self._outside.settings.keep_days * _DAY if ended else None,
        )

    def _put_event(self, upload: Upload, draft: Draft) -> Put:
        key = Key(collection(upload.id), f"outbox#{draft.name}")
        return Put(key, event_item(draft.event), 0, due=self._outside.clock.now())


def parts_expire(outside: Outside) -> float:
    """Return when the table may drop what is written now about an upload: later than the upload itself, in any case."""
    settings = outside.settings
    longest = settings.upload_deadline + settings.confirm_deadline
    return outside.clock.now() + longest + settings.keep_days * _DAY


def put(upload_id: str, record: Record, revision: int) -> Put:
    """Return the change that writes *record* over *revision*."""
    return Put(Key(collection(upload_id), record.sk), record.to_item(), revision)


def event_item(event: Event) -> Item:
    """Return how an event waits in the outbox."""
    return {
        "v": SHAPE,
        "detail_type": event.detail_type,
        "detail": event.detail,
        "resources": list(event.resources),
        "sent": False,
    }


def event_from(item: Item) -> Event:
    """Read what `event_item` returned."""
    return Event(item["detail_type"], item["detail"], tuple(item["resources"]))
