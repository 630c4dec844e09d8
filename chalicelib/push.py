"""
Step 2: store a bundle of layers.

A message for each bundle, so that a large image spreads over many functions. Whoever finds that no layer is pending any
more hands the upload to `publish`; nobody counts. A layer that does not fit into the time left goes on in the next
invocation where this one stopped. An archive that is compressed as a whole is one bundle, and takes two passes at
most (`sealed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chalicelib.access.identity import prove_access, prove_identity
from chalicelib.access.probe import demand_by_probe
from chalicelib.errors import (
    Code,
    ConflictError,
    FailedError,
    FinalError,
    RegistryAnswer,
    RepositoryAbsent,
    TemporaryError,
)
from chalicelib.layers.format import encoding, layer_job
from chalicelib.layers.notes import LayerNotes
from chalicelib.layers.presence import cache_keys, settle
from chalicelib.messages import drive, send_publish, send_push
from chalicelib.meter import Count
from chalicelib.names import PUSH
from chalicelib.notify import flush
from chalicelib.oci.reference import RepositoryName
from chalicelib.outcome.ending import end
from chalicelib.outside import Outside
from chalicelib.replacing import replace
from chalicelib.state.lease import Lease
from chalicelib.state.ledger import Entry, Ledger, Row
from chalicelib.state.records import LayerRecord
from chalicelib.state.upload import State, Upload
from chalicelib.transfer.job import LayerTask, Paused, Route, TransferOptions
from chalicelib.transfer.layers import store_layers

_CHECK_AGAIN: Final = 60.0  # seconds after which an answer about what a repository holds is asked anew


def push(outside: Outside, upload_id: str, bundle: int) -> None:
    """
    Store the layers of one bundle; an upload that is further on is moved on from there.

    Raises:
        TemporaryError: Try again later.
    """
    ledger = Ledger(outside)
    with Lease.hold(outside, upload_id, f"{PUSH}#{bundle}") as lease:
        entry = ledger.load(upload_id)
        if entry is None or entry.upload.state not in {State.ACCEPTED, State.PUSHING}:
            if entry and entry.upload.state in {State.PUBLISHING, State.RECEIVED}:
                drive(outside, entry.upload)
            return
        try:
            if entry.upload.state is State.ACCEPTED:
                entry = ledger.decide(entry, replace(entry.upload, state=State.PUSHING))
            finished = _Bundle(outside, entry, bundle, lease).run()
        except FinalError as error:
            _end(outside, upload_id, error)
            return
        except RepositoryAbsent as error:
            _end(outside, upload_id, FailedError(Code.REPOSITORY_GONE, f"the repository disappeared: {error}"))
            return
        except (ConflictError, RegistryAnswer) as error:
            raise TemporaryError(f"the bundle must be taken up again: {error}") from error
    if finished:
        _join(outside, ledger, upload_id)
    else:
        send_push(outside, entry.upload, [bundle])


def _end(outside: Outside, upload_id: str, error: FinalError) -> None:
    entry = Ledger(outside).load(upload_id)
    if entry and not entry.upload.state.terminal:
        end(outside, entry, error)
    flush(outside, upload_id)


def _join(outside: Outside, ledger: Ledger, upload_id: str) -> None:
    """Hand the upload on if no layer of any bundle is pending; several functions may find so, one decides."""
    entry = ledger.load(upload_id)
    if entry and entry.upload.state is State.RECEIVED:
        drive(outside, entry.upload)
        return
    if any(not row.record.stored for row in ledger.layers(upload_id)):
        return

    def publishing(upload: Upload) -> Upload | None:
        return replace(upload, state=State.PUBLISHING) if upload.state in {State.ACCEPTED, State.PUSHING} else None

    upload = ledger.update(upload_id, publishing)
    if upload.state is State.PUBLISHING:
        send_publish(outside, upload)


class _Bundle:
    """The work on one bundle, under a lease."""

    def __init__(self, outside: Outside, entry: Entry, bundle: int, lease: Lease) -> None:
        self._outside = outside
        self._upload = entry.upload
        self._bundle = bundle
        self._lease = lease
        self._ledger = Ledger(outside)
        self._encoding = encoding(outside.settings)

    def run(self) -> bool:
        """Store what is pending and return whether everything is; the work done is added to the upload's tally."""
        prove_identity(self._outside, PUSH)
        rows = [
            row
            for row in self._ledger.layers(self._upload.id)
            if row.record.bundle == self._bundle and not row.record.stored
        ]
        demand_by_probe(self._outside, PUSH, [row.record.repository for row in rows])
        prove_access(self._outside)
        try:
            return self._work(rows)
        finally:
            used = self._outside.usage()
            self._ledger.update(self._upload.id, lambda upload: upload.with_tally(used))

    def _work(self, rows: Sequence[Row[LayerRecord]]) -> bool:
        return self._pass(rows) if self._upload.opening else self._store(self._check(rows))

    def _pass(self, rows: Sequence[Row[LayerRecord]]) -> bool:
        # Reading archives takes imports that plain ones spare this function.
        from chalicelib.sealed.opening import open_archive  # noqa: PLC0415
        from chalicelib.sealed.second import SecondPass  # noqa: PLC0415

        if self._upload.opening and not self._upload.opening.done:
            return open_archive(self._outside, self._upload, self._lease)
        return SecondPass(self._outside, self._upload, self._lease, self._check(rows)).run()

    def _check(self, rows: Sequence[Row[LayerRecord]]) -> list[Row[LayerRecord]]:
        """Mark what the repository holds by now, if the last answer is old, and return what is left to do."""
        now = self._outside.clock.now()
        if all(now - row.record.checked < _CHECK_AGAIN for row in rows):
            return list(rows)
        registry = self._outside.registries.client(self._outside.deployment.registry)
        records = [row.record for row in rows]
        cached = self._ledger.read(cache_keys(self._outside, records, self._encoding))
        settled = settle(self._outside, registry, records, self._encoding, cached)
        skipped = [record for record in settled if record.stored]
        self._outside.meter.add(Count.LAYERS_SKIPPED, len(skipped))
        saved = [self._ledger.save(self._upload.id, row, record) for row, record in zip(rows, settled, strict=True)]
        return [row for row in saved if not row.record.stored]

    def _store(self, rows: Sequence[Row[LayerRecord]]) -> bool:
        by_repository: dict[RepositoryName, list[Row[LayerRecord]]] = {}
        for row in rows:
            by_repository.setdefault(row.record.repository, []).append(row)
        return all(self._store_in(name, own) for name, own in by_repository.items())

    def _store_in(self, name: RepositoryName, rows: Sequence[Row[LayerRecord]]) -> bool:
        route = Route(
            source=self._outside.bucket.source(self._upload.object),
            registry=self._outside.registries.client(self._outside.deployment.registry),
            repository=name,
            out_of_time=self._out_of_time,
            options=TransferOptions(layers_at_once=self._outside.settings.layers_at_once),
            meter=self._outside.meter,
        )
        notes = [LayerNotes(self._outside, self._upload, row) for row in rows]
        outcomes = store_layers([self._task(note) for note in notes], route)
        for note, outcome in zip(notes, outcomes, strict=True):
            if isinstance(outcome, Paused) and outcome.progress:
                note.keep(outcome.progress)
        return not any(isinstance(outcome, Paused) for outcome in outcomes)

    def _task(self, note: LayerNotes) -> LayerTask:
        return LayerTask(
            job=layer_job(note.row.record, self._encoding),
            progress=note.progress,
            save=note.save,
            stored=lambda stored: note.finish(stored, self._encoding),
        )

    def _out_of_time(self) -> bool:
        return self._outside.remaining() < self._outside.settings.time_margin or not self._lease.held
