"""
One pass over a sealed archive, for as long as there is time.

The bytes pass in the order of the archive, so there is one layer at a time; while a part of it is sent, the next one
is inflated. Memory is that of one layer (`TransferOptions`), of the documents that are kept and of the window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chalicelib.archive.compressed import CompressedArchive, open_compressed
from chalicelib.archive.members import Member
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError
from chalicelib.oci.reference import RepositoryName
from chalicelib.outside import Outside
from chalicelib.planning.choices import archive_limits
from chalicelib.ports.bucket import ByteStream
from chalicelib.ports.layers import LayerStore
from chalicelib.state.lease import Lease
from chalicelib.state.upload import Upload
from chalicelib.transfer.job import LayerJob, LayerTask, Paused, Route, StoredLayer, TransferOptions
from chalicelib.transfer.layer import store_layer
from chalicelib.transfer.passing import PassingSource, SteadySource
from chalicelib.transfer.progress import LayerProgress

_OPTIONS: Final = TransferOptions(layers_at_once=1, reconnects=0)  # a member cannot be opened again
_RECONNECTS: Final = TransferOptions().reconnects
_CHUNK: Final = 1 << 20

Carry = Callable[[Member, ByteStream], bool]
"""Does what is to be done with a member while it passes; False: there was no time for all of it."""


class Walk:
    """
    A pass under *lease*.

    Attributes:
        progressed: Whether it has brought anything forward that the next pass can skip.
    """

    def __init__(self, outside: Outside, upload: Upload, lease: Lease) -> None:
        self._outside = outside
        self._lease = lease
        self._source = SteadySource(outside.bucket.source(upload.object), _RECONNECTS)
        self.progressed = False

    def run(self, carry: Carry) -> CompressedArchive | None:
        """
        Hand each file with bytes to *carry*; return the archive at its end, None if there was no time for all of it.

        Raises:
            RefusedError: COMPRESSED, no pass will ever come further; as `open_compressed`.
        """
        with open_compressed(self._source, archive_limits(self._outside.settings)) as archive:
            for member, content in archive:
                if not (carry(member, content) and self._pass_over(content)):
                    self._demand_progress()
                    return None
        return archive

    def store(
        self, task: LayerTask, content: ByteStream, store: LayerStore, name: RepositoryName
    ) -> StoredLayer | Paused:
        """Store the member behind *content*, as far as there is time; its job's range is that of the whole member."""
        route = Route(
            source=PassingSource(task.job.length, content),
            registry=store,
            repository=name,
            out_of_time=self.out_of_time,
            options=_OPTIONS,
            meter=self._outside.meter,
        )
        outcome = store_layer(task, route)
        self.progressed |= _came_further(task.progress, outcome)
        return outcome

    def out_of_time(self) -> bool:
        """Tell whether the pass must stop now."""
        return self._outside.remaining() < self._outside.settings.time_margin or not self._lease.held

    def _pass_over(self, content: ByteStream) -> bool:
        while content.read(_CHUNK):
            if self.out_of_time():
                return False
        return True

    def _demand_progress(self) -> None:
        if self._lease.held and not self.progressed:
            detail = "inflating what is stored already takes all the time that a function has"
            raise RefusedError(Code.COMPRESSED, detail)


def _came_further(before: LayerProgress | None, outcome: StoredLayer | Paused) -> bool:
    """An upload that ECR forgot is behind us, too: the next pass begins another instead of meeting it."""
    if isinstance(outcome, StoredLayer):
        return True
    after = outcome.progress
    if before is None:
        return after is not None and after.sent > 0
    return after is None or after.upload_id != before.upload_id or after.sent > before.sent


def passing(job: LayerJob) -> LayerJob:
    """Return *job* for a member that passes: its bytes count from the member's start."""
    return LayerJob(
        content=ByteRange(0, job.length),
        encoding=job.encoding,
        digest=job.digest,
        size=job.size,
        diff_id=job.diff_id,
        packed=job.packed,
    )
