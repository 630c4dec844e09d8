"""
From a layer's bytes to the parts that are sent: read, encode, hash, cut, verify.

A production starts at a checkpoint, or at the layer's start, and cuts parts from *held* on: what it produces before
that, ECR has already. It is deterministic: the same layer under the same recipe gives the same bytes, however often it
was interrupted. Parts leave before the layer's end was seen; there is a `result` only for a layer that was verified.

It makes no call but to read the source, and knows neither threads nor uploads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError
from chalicelib.ports.bucket import ObjectSource
from chalicelib.ports.layers import PartBuffer
from chalicelib.transfer.encoding import Method
from chalicelib.transfer.job import LayerJob, StoredLayer
from chalicelib.transfer.progress import Checkpoint
from chalicelib.transfer.sha256 import sha256
from chalicelib.transfer.stream import InMemory, SteadyStream

if TYPE_CHECKING:
    from chalicelib.transfer.unpacked import Unpacked


class Part(Struct, frozen=True):
    """
    The bytes of a layer from *first* on, in *buffer*, which the receiver owns from here.

    *checkpoint* is the last one whose output ends with this part or before it; *last*: no other part follows (where
    a layer ends with a full part, nobody knows it yet).
    """

    first: int
    buffer: PartBuffer
    checkpoint: Checkpoint | None
    last: bool = False

    @property
    def end(self) -> int:
        """The first byte after the part."""
        return self.first + len(self.buffer)

    @property
    def whole(self) -> bool:
        """Whether it is all of the layer."""
        return self.last and not self.first


class Supply(Struct, frozen=True, kw_only=True):
    """
    What a production takes its bytes and its buffers from.

    Attributes:
        source: Where the layer's bytes are, unless the job has them.
        new_buffer: Gives an empty buffer of a part's capacity; may block.
        reconnects: See `SteadyStream`.
        stop: Set when the parts are not wanted any more.
    """

    source: ObjectSource
    new_buffer: Callable[[], PartBuffer]
    reconnects: int
    stop: threading.Event


class Production:
    """
    The parts of one layer, in order.

    Args:
        job: The layer.
        supply: Bytes and buffers.
        part_size: Bytes of each part but the last.
        held: Bytes that ECR has; parts begin there.
        start: Where to begin reading; its output does not reach beyond *held*.

    Attributes:
        result: What was produced, once all parts have been taken.
    """

    result: StoredLayer

    def __init__(self, job: LayerJob, supply: Supply, part_size: int, held: int, start: Checkpoint | None) -> None:
        kept = job.encoding.method is Method.KEEP
        self._job = job
        self._supply = supply
        # A kept layer has no segments of its own: with a checkpoint at each part's end nothing is ever read twice.
        self._segment = part_size if kept else job.encoding.segment
        self._encoder = job.encoding.encoder(start.crc32 if start else 0)
        self._input_sum = None if kept else sha256(start.input_sha256 if start else None)
        self._unpacked = _unpacked(job.packed) if job.packed and start is None else None
        self._output_sum = sha256(start.output_sha256 if start else None)
        self._read = start.input_offset if start else 0
        self._produced = start.output_offset if start else 0
        self._checkpoint = self._checkpoint_before = start
        self._cutter = _Cutter(self._produced, held, part_size, supply.new_buffer)

    def parts(self) -> Iterator[Part]:
        """
        Yield the parts.

        Raises:
            RefusedError: SIZE, DIGEST_MISMATCH, EMPTY_BLOB.
            FailedError: OBJECT_GONE, OBJECT_CHANGED, ACCESS_DENIED.
            TemporaryError: The source cannot be read now.
        """
        _check_size(self._job)
        if not self._read:
            yield from self._cut(self._note(self._encoder.begin()))
        with self._open() as stream:
            while self._read < self._job.length:
                yield from self._cut(self._encode(stream.read(self._next_block())))
        yield from self._cut(self._note(self._encoder.finish(self._job.length)))
        self.result = self._verified()
        yield from self._parts(self._cutter.rest(), last=True)

    def _open(self) -> SteadyStream:
        content = self._job.content
        source = InMemory(content) if isinstance(content, bytes) else self._supply.source
        start = 0 if isinstance(content, bytes) else content.start
        rest = ByteRange(start + self._read, self._job.length - self._read)
        return SteadyStream(source, rest, self._supply.reconnects, self._supply.stop)

    def _next_block(self) -> int:
        left_in_segment = self._segment - self._read % self._segment
        return min(self._job.encoding.block, left_in_segment, self._job.length - self._read)

    def _encode(self, block: bytes) -> bytes:
        """Return what *block* becomes; at a segment's end, all of it."""
        self._read += len(block)
        if self._input_sum is not None:
            self._input_sum.update(block)
        if self._unpacked is not None:
            self._unpacked.update(block)
        piece = self._note(self._encoder.encode(block))
        if self._read % self._segment == 0:
            piece += self._note(self._encoder.end_segment())
            self._checkpoint_before, self._checkpoint = self._checkpoint, self._here()
        return piece

    def _note(self, piece: bytes) -> bytes:
        self._output_sum.update(piece)
        self._produced += len(piece)
        return piece

    def _here(self) -> Checkpoint | None:
        output_state = self._output_sum.state()
        if output_state is None:
            return None
        return Checkpoint(
            input_offset=self._read,
            output_offset=self._produced,
            crc32=self._encoder.crc32,
            input_sha256=self._input_sum.state() if self._input_sum is not None else None,
            output_sha256=output_state,
        )

    def _cut(self, piece: bytes) -> Iterator[Part]:
        return self._parts(self._cutter.cut(piece))

    def _parts(self, cuts: Iterator[tuple[int, PartBuffer]], *, last: bool = False) -> Iterator[Part]:
        for first, buffer in cuts:
            yield Part(first, buffer, self._checkpoint_up_to(first + len(buffer)), last)

    def _checkpoint_up_to(self, end: int) -> Checkpoint | None:
        """The latest checkpoint may lie inside the part that is filled next; the one before it does not."""
        latest = self._checkpoint
        return latest if latest is not None and latest.output_offset <= end else self._checkpoint_before

    def _verified(self) -> StoredLayer:
        job, digest = self._job, self._output_sum.digest()
        if self._input_sum is None and job.digest not in (None, digest):
            raise RefusedError(Code.DIGEST_MISMATCH, f"a layer's bytes are not {job.digest}")
        if self._input_sum is not None and job.diff_id not in (None, self._input_sum.digest()):
            raise RefusedError(Code.DIGEST_MISMATCH, f"a layer's bytes are not those of diff_id {job.diff_id}")
        if self._unpacked is not None and job.diff_id != self._unpacked.digest():
            raise RefusedError(Code.DIGEST_MISMATCH, f"a layer does not inflate to diff_id {job.diff_id}")
        diff_id = self._input_sum.digest() if self._input_sum is not None else None
        return StoredLayer(digest, self._produced, diff_id)


def _unpacked(compression: str) -> Unpacked:
    from chalicelib.transfer.unpacked import Unpacked  # noqa: PLC0415 - the layers of most images are none

    return Unpacked(compression)


def _check_size(job: LayerJob) -> None:
    if job.size is not None and job.size != job.length:
        raise RefusedError(Code.SIZE, f"a blob of {job.size} bytes has {job.length} bytes in the archive")
    if job.encoding.method is Method.KEEP and not job.length:
        # ECR cannot store it (ecr.md 1.4).
        raise RefusedError(Code.EMPTY_BLOB, "a blob has no bytes")


class _Cutter:
    """Cuts pieces of any length into parts, from *held* on."""

    def __init__(self, offset: int, held: int, part_size: int, new_buffer: Callable[[], PartBuffer]) -> None:
        self._offset = offset
        self._held = held
        self._part_size = part_size
        self._new_buffer = new_buffer
        self._buffer: PartBuffer | None = None

    def cut(self, piece: bytes) -> Iterator[tuple[int, PartBuffer]]:
        """Take *piece* in, and yield each part that it fills, with its first byte."""
        known = min(max(self._held - self._offset, 0), len(piece))
        self._offset += known
        view = memoryview(piece)[known:]
        while view:
            if self._buffer is None:
                self._buffer = self._new_buffer()
            buffer = self._buffer
            taken = min(len(view), self._part_size - len(buffer))
            buffer.write(view[:taken])
            view = view[taken:]
            self._offset += taken
            if len(buffer) == self._part_size:
                yield from self.rest()

    def rest(self) -> Iterator[tuple[int, PartBuffer]]:
        """Yield the part that is not full yet, if there is one."""
        if self._buffer is not None:
            buffer, self._buffer = self._buffer, None
            yield self._offset - len(buffer), buffer
