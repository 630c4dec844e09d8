"""
One layer's upload: its parts in order, and what to do about every answer.

| ECR answers | we |
|---|---|
| the part is taken | note the place, go on |
| the part does not follow (a reply was lost; a request of a dead holder landed late) | go on behind what ECR holds: parts that it has are produced and not sent |
| it holds less than we know, or will not say | produce again from the last checkpoint before that; at the second time start the layer again |
| the upload is unknown | the blob is there (the reply to our completion was lost): done; else start the layer again |
| the digest differs, a part was too small, no part came | start the layer again: two holders' parts were mixed |
| temporary failure | leave; the place is saved, the next invocation goes on |

Starting again is bounded; after that the push gives up for now, and the message comes back.
"""  # noqa: E501 - a table

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.errors import LayerRejected, LayerUploadGone, PartOutOfOrder, TemporaryError
from chalicelib.meter import Count
from chalicelib.oci.digest import Digest
from chalicelib.ports.layers import Availability
from chalicelib.replacing import replace
from chalicelib.transfer.job import LayerTask, Paused, Route, StoredLayer
from chalicelib.transfer.precedence import niceness
from chalicelib.transfer.production import Part, Production, Supply
from chalicelib.transfer.progress import LayerProgress
from chalicelib.transfer.read_ahead import PartBuffers, ReadAhead
from chalicelib.transfer.sha256 import can_resume


def store_layer(task: LayerTask, route: Route) -> StoredLayer | Paused:
    """Bring one layer into the repository, with buffers of its own; see `store_layer_with`."""
    with PartBuffers(route.options.buffers, route.registry.part_buffer) as buffers:
        return store_layer_with(buffers, task, route)


def store_layer_with(buffers: PartBuffers, task: LayerTask, route: Route) -> StoredLayer | Paused:
    """
    Bring one layer into the repository, or as much of it as there is time for.

    Running it again with the progress that was saved last is always safe.

    Raises:
        RefusedError: SIZE, DIGEST_MISMATCH, EMPTY_BLOB: the layer is not what the archive says.
        FailedError: See `failures`.
        RepositoryAbsent: The repository is not there.
        TemporaryError: ECR or the source cannot be reached now, or the layer had to start again too often.
    """
    return _LayerUpload(task, route, buffers).run()


class _Displaced(Exception):  # noqa: N818 - a turn in the way, not an error
    """ECR holds *held* bytes, and the parts that are being made do not meet that place."""

    def __init__(self, held: int) -> None:
        super().__init__(held)
        self.held = held


class _LayerUpload:
    def __init__(self, task: LayerTask, route: Route, buffers: PartBuffers) -> None:
        self._task = task
        self._job = task.job
        self._route = route
        self._registry = route.registry
        self._name = route.repository
        self._buffers = buffers
        self._progress = task.progress if self._fits(task.progress) else None
        self._saved = task.progress is not None

    def run(self) -> StoredLayer | Paused:
        """Start as often as it is allowed."""
        for _ in range(1 + self._route.options.restarts):
            try:
                outcome = self._try()
            except (LayerUploadGone, LayerRejected):
                self._progress = None
                self._route.meter.add(Count.LAYERS_RESTARTED)
            else:
                if isinstance(outcome, StoredLayer):
                    self._route.meter.add(Count.LAYERS)
                    self._task.stored(outcome)
                return outcome
        raise TemporaryError(f"a layer for {self._name} had to start again too often")

    def _fits(self, progress: LayerProgress | None) -> bool:
        """Another recipe (another library, another level) would go on with bytes that do not fit."""
        return progress is not None and progress.recipe == self._job.encoding.recipe

    def _try(self) -> StoredLayer | Paused:
        if self._route.out_of_time():
            return Paused(self._progress)
        progress = self._progress or self._begin()
        try:
            return self._stream(progress)
        except _Displaced as displaced:
            progress = self._moved(displaced.held)
        try:
            return self._stream(progress)
        except _Displaced as displaced:
            raise LayerRejected(f"the parts do not meet what ECR holds: {displaced.held} bytes") from displaced

    def _begin(self) -> LayerProgress:
        upload = self._registry.begin_layer(self._name)
        recipe = self._job.encoding.recipe
        begun = LayerProgress(upload_id=upload.upload_id, part_size=upload.part_size, sent=0, recipe=recipe)
        if self._saved:
            # Bytes that pass once cannot start again before the next pass, which must not meet the dead upload again.
            return self._keep(begun)
        # Not saved before its first part: without the place no more than that part is sent again.
        self._progress = begun
        return begun

    def _keep(self, progress: LayerProgress) -> LayerProgress:
        self._progress = progress
        self._saved = True
        self._task.save(progress)
        return progress

    def _moved(self, held: int) -> LayerProgress:
        """Return the place behind *held* bytes, with a checkpoint that does not lie beyond it."""
        assert self._progress is not None  # noqa: S101 - `_stream` ran with it
        checkpoint = self._progress.checkpoint
        reaches = checkpoint is not None and checkpoint.output_offset <= held
        return self._keep(replace(self._progress, sent=held, checkpoint=checkpoint if reaches else None))

    def _stream(self, progress: LayerProgress) -> StoredLayer | Paused:
        ahead = ReadAhead(self._buffers, progress.part_size, niceness(self._job.length, self._route.longest))
        production = self._production(ahead, progress)
        with ahead.running(production) as parts:
            if not self._send_all(parts, progress):
                return Paused(self._progress)
        return self._complete(production.result)

    def _production(self, ahead: ReadAhead, progress: LayerProgress) -> Production:
        supply = Supply(
            source=self._route.source,
            new_buffer=ahead.new_buffer,
            reconnects=self._route.options.reconnects,
            stop=ahead.stop,
        )
        start = progress.checkpoint if can_resume() else None
        return Production(self._job, supply, progress.part_size, progress.sent, start)

    def _send_all(self, parts: Iterator[Part], progress: LayerProgress) -> bool:
        """Send the parts that ECR lacks; False: there was no time for all."""
        held = progress.sent
        for part in parts:
            if held < part.end:
                if self._route.out_of_time():
                    return False
                if part.first == held:
                    held = self._send(part, progress.upload_id)
                if held < part.end:
                    raise _Displaced(held)
            place = replace(progress, sent=held, checkpoint=part.checkpoint)
            if part.whole:
                self._progress = place  # the completion follows at once; without the place this one part is sent again
            else:
                self._keep(place)
        return True

    def _send(self, part: Part, upload_id: str) -> int:
        """Send one part and return how many bytes ECR holds now."""
        try:
            last_byte = self._registry.put_part(self._name, upload_id, part.first, part.buffer)
        except PartOutOfOrder as answer:
            if answer.last_valid_byte is None:
                raise LayerUploadGone("ECR does not say what it holds") from answer
            return answer.last_valid_byte + 1
        self._route.meter.add(Count.PARTS)
        self._route.meter.add(Count.BYTES_UPLOADED, len(part.buffer))
        return last_byte + 1

    def _complete(self, layer: StoredLayer) -> StoredLayer:
        assert self._progress is not None  # noqa: S101 - its parts were sent
        try:
            self._registry.complete_layer(self._name, self._progress.upload_id, layer.digest)
        except LayerUploadGone:
            # An earlier completion succeeded and its reply was lost.
            if not self._is_there(layer.digest):
                raise
        return layer

    def _is_there(self, digest: Digest) -> bool:
        return self._registry.availability(self._name, [digest])[digest] is Availability.AVAILABLE
