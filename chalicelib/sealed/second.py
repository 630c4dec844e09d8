"""
The second pass over a sealed archive, if there is one: it brings the layers that the plan knows by now and that their
repositories lack.

A layer that several repositories need goes to all of them while it passes. One that is needed both as it is and
compressed takes two passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from chalicelib.archive.members import Member
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, FailedError
from chalicelib.layers.format import encoding, layer_job
from chalicelib.layers.notes import LayerNotes
from chalicelib.oci.reference import RepositoryName
from chalicelib.outside import Outside
from chalicelib.ports.bucket import ByteStream
from chalicelib.sealed.walk import Walk, passing
from chalicelib.state.lease import Lease
from chalicelib.state.ledger import Row
from chalicelib.state.records import LayerRecord
from chalicelib.state.upload import Upload
from chalicelib.transfer.encoding import Encoding
from chalicelib.transfer.job import LayerTask, Paused, StoredLayer
from chalicelib.transfer.progress import LayerProgress
from chalicelib.transfer.several import SeveralRepositories


class SecondPass:
    """A pass for *rows*, which are pending, under push's lease."""

    def __init__(self, outside: Outside, upload: Upload, lease: Lease, rows: Sequence[Row[LayerRecord]]) -> None:
        self._registry = outside.registries.client(outside.deployment.registry)
        self._walk = Walk(outside, upload, lease)
        self._encoding = encoding(outside.settings)
        self._pending: Final[dict[ByteRange | bytes, list[LayerNotes]]] = {}
        for row in rows:
            self._pending.setdefault(row.record.content, []).append(LayerNotes(outside, upload, row))

    def run(self) -> bool:
        """
        Return whether all is stored.

        Raises:
            RefusedError: as `Walk.run`.
            FailedError: OBJECT_CHANGED, a layer did not pass this time.
        """
        if not self._pending:
            return True
        if self._walk.run(self._carry) is None:
            return False
        if not self._walk.progressed:
            raise FailedError(Code.OBJECT_CHANGED, "a layer of the archive did not pass a second time")
        return all(notes.row.record.stored for several in self._pending.values() for notes in several)

    def _carry(self, member: Member, content: ByteStream) -> bool:
        waiting = [notes for notes in self._pending.get(member.content, ()) if not notes.row.record.stored]
        if not waiting:
            return True
        alike = _Alike([notes for notes in waiting if notes.row.record.compress == waiting[0].row.record.compress])
        outcome = self._store(alike, content)
        if isinstance(outcome, Paused) and outcome.progress:
            alike.keep(outcome.progress)
        return isinstance(outcome, StoredLayer)

    def _store(self, alike: _Alike, content: ByteStream) -> StoredLayer | Paused:
        store = SeveralRepositories(self._registry, alike.repositories)
        progress = alike.notes[0].progress
        task = LayerTask(
            job=passing(layer_job(alike.notes[0].row.record, self._encoding)),
            progress=progress if progress and store.began(progress.upload_id) else None,
            save=alike.save,
            stored=lambda stored: alike.finish(stored, self._encoding),
        )
        return self._walk.store(task, content, store, alike.repositories[0])


class _Alike(Struct, frozen=True):
    """One layer of several repositories: the same bytes and the same encoding, at one place."""

    notes: Sequence[LayerNotes]

    @property
    def repositories(self) -> list[RepositoryName]:
        return [notes.row.record.repository for notes in self.notes]

    def save(self, progress: LayerProgress) -> None:
        for notes in self.notes:
            notes.save(progress)

    def keep(self, progress: LayerProgress) -> None:
        for notes in self.notes:
            notes.keep(progress)

    def finish(self, stored: StoredLayer, used: Encoding) -> None:
        for notes in self.notes:
            notes.finish(stored, used)
