"""Keeping a record up to date while the engine works on what it is about, from whichever thread."""

from __future__ import annotations

import threading
from typing import Final, Generic, TypeVar

from chalicelib.layers.format import media_type
from chalicelib.layers.presence import remember
from chalicelib.outside import Outside
from chalicelib.replacing import replace
from chalicelib.sealed.passed import PassedRecord
from chalicelib.state.ledger import Ledger, Row
from chalicelib.state.records import LayerRecord
from chalicelib.state.upload import Upload
from chalicelib.transfer.encoding import Encoding
from chalicelib.transfer.job import StoredLayer
from chalicelib.transfer.progress import LayerProgress

_SAVE_EVERY: Final = 1.0  # seconds between two notes of a layer's place; ECR itself knows the place exactly
_READ_AGAIN: Final = 16 << 20  # bytes of a layer that a killed function may cause to be read again

R = TypeVar("R", LayerRecord, PassedRecord)


class Notes(Generic[R]):
    """
    One record.

    Attributes:
        row: As it was last written.
    """

    def __init__(self, outside: Outside, upload: Upload, row: Row[R]) -> None:
        self._outside = outside
        self._upload = upload
        self._ledger = Ledger(outside)
        self._saved = float("-inf")
        self._begun, self._read = "", 0
        self._lock = threading.Lock()
        self.row: Row[R] = row

    @property
    def progress(self) -> LayerProgress | None:
        """Where an earlier invocation left it."""
        kept = self.row.record.progress
        return LayerProgress.from_item(kept) if kept else None

    def save(self, progress: LayerProgress) -> None:
        """
        Note the place if a second has passed, or if more than `_READ_AGAIN` bytes would be read again without it.

        An upload that ECR has begun anew is noted at once.
        """
        due = self._outside.clock.now() - self._saved >= _SAVE_EVERY
        if due or progress.upload_id != self._begun or _read(progress) - self._read >= _READ_AGAIN:
            self.keep(progress)

    def keep(self, progress: LayerProgress) -> None:
        """Note the place now."""
        self._begun, self._read = progress.upload_id, _read(progress)
        self._write(replace(self.row.record, progress=progress.to_item()))

    def _write(self, record: R) -> None:
        with self._lock:
            self.row = self._ledger.save(self._upload.id, self.row, record)
            self._saved = self._outside.clock.now()


class LayerNotes(Notes[LayerRecord]):
    """The record of one layer."""

    def finish(self, stored: StoredLayer, used: Encoding) -> None:
        """Note that the registry has the layer, and what it became."""
        layer = self.row.record
        about = media_type(used) if layer.compress else layer.media_type
        done = replace(layer, stored=True, digest=stored.digest, size=stored.size, media_type=about)
        self._write(done)
        if layer.compress:
            remember(self._outside, done, used)


def _read(progress: LayerProgress) -> int:
    """Return how many bytes of the layer need not be read again."""
    return progress.checkpoint.input_offset if progress.checkpoint else 0
