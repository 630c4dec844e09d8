"""Several layers at once: bounds, order, the first error, and time."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from chalicelib.byte_range import ByteRange
from chalicelib.errors import TemporaryError
from chalicelib.oci.digest import Digest
from chalicelib.replacing import replace
from chalicelib.transfer.job import LayerJob, LayerTask, Paused, Route, StoredLayer, TransferOptions
from chalicelib.transfer.layers import store_layers
from chalicelib.transfer.progress import LayerProgress
from tests.fakes.faults import Fault, Faulty
from tests.fakes.part import FakePart
from tests.unit.transfer.rig import HOME, PART, Rig


class ManyLayers:
    """A rig whose object holds several layers, the *n*th of *n* + 1 parts."""

    def __init__(self, count: int) -> None:
        pieces = [bytes([65 + number]) * (PART * (number + 1)) for number in range(count)]
        self.rig = Rig(content=b"".join(pieces))
        self.saved: dict[int, LayerProgress] = {}
        offset = len(self.rig.source.read(ByteRange(0, self.rig.source.size))) - len(b"".join(pieces)) - len(b"after")
        self.jobs = []
        for piece in pieces:
            span = ByteRange(offset, len(piece))
            self.jobs.append(LayerJob(content=span, digest=Digest.of(piece), size=len(piece)))
            offset += len(piece)
        self.expected = [StoredLayer(Digest.of(piece), len(piece)) for piece in pieces]

    def tasks(self) -> list[LayerTask]:
        return [
            LayerTask(
                job=job,
                progress=self.saved.get(number),
                save=lambda progress, number=number: self.saved.update({number: progress}),  # type: ignore[misc]
            )
            for number, job in enumerate(self.jobs)
        ]

    def route(self, registry: Any = None, **changes: Any) -> Route:
        return replace(self.rig.route(registry), **changes)


def test_stores_every_layer_and_answers_in_the_order_asked() -> None:
    many = ManyLayers(7)

    assert store_layers(many.tasks(), many.route()) == many.expected


def test_no_task_is_no_work() -> None:
    many = ManyLayers(1)

    assert store_layers([], many.route()) == []
    assert not many.rig.ecr.calls


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_no_more_layers_at_once_than_allowed(at_once: int) -> None:
    many = ManyLayers(6)
    client = many.rig.ecr.client(HOME)
    open_uploads: list[int] = []
    many.rig.ecr.on_call = lambda _: open_uploads.append(len(many.rig.repository.uploads))

    store_layers(many.tasks(), many.route(client, options=TransferOptions(layers_at_once=at_once)))

    assert max(open_uploads) <= at_once


def test_longest_layer_goes_first() -> None:
    many = ManyLayers(4)
    sizes: list[int] = []

    class Noting:
        def __getattr__(self, name: str) -> Any:
            if name == "complete_layer":
                return self.complete_layer
            return getattr(many.rig.ecr.client(HOME), name)

        def complete_layer(self, name: Any, upload_id: str, digest: Digest) -> None:
            sizes.append(len(many.rig.repository.uploads[upload_id].content))
            many.rig.ecr.client(HOME).complete_layer(name, upload_id, digest)

    store_layers(many.tasks(), many.route(Noting(), options=TransferOptions(layers_at_once=1)))

    assert sizes == sorted(sizes, reverse=True)


def test_first_error_stops_the_others_and_what_they_sent_is_kept() -> None:
    many = ManyLayers(6)
    registry = Faulty(many.rig.ecr.client(HOME), "put_part", 5, Fault.REPLY_LOST)
    with pytest.raises(TemporaryError, match="no reply"):
        store_layers(many.tasks(), many.route(registry))
    before = many.rig.ecr.count()["UploadLayerPart"]

    assert before < sum(range(1, 7))
    assert store_layers(many.tasks(), many.route()) == many.expected


def test_all_pause_when_time_runs_out_and_go_on_later() -> None:
    many = ManyLayers(6)
    outcomes = store_layers(many.tasks(), many.route(out_of_time=lambda: many.rig.ecr.count()["UploadLayerPart"] >= 3))
    assert any(isinstance(outcome, Paused) for outcome in outcomes)

    rest = [task for task, outcome in zip(many.tasks(), outcomes, strict=True) if isinstance(outcome, Paused)]
    assert all(isinstance(outcome, StoredLayer) for outcome in store_layers(rest, many.route()))
    assert many.rig.ecr.count()["UploadLayerPart"] == sum(range(1, 7))


def test_source_is_not_read_far_ahead_of_a_slow_registry() -> None:
    """Back-pressure: with two buffers, at most the part that is sent, one that is ready, and a block are read."""
    many = ManyLayers(1)
    content = b"".join(b"%d " % number for number in range(20_000))
    job = LayerJob(content=content, digest=Digest.of(content), size=len(content))
    rig = many.rig
    rig.source = rig.bucket.source(rig.bucket.put("k", content))
    job = replace(job, content=ByteRange(0, len(content)))
    ahead: list[int] = []

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return self.put_part if name == "put_part" else getattr(rig.ecr.client(HOME), name)

        def put_part(self, name: Any, upload_id: str, first_byte: int, part: memoryview) -> int:
            if first_byte < 20 * PART:
                _until_still(rig)
                ahead.append(rig.bucket.reads[-1].taken - first_byte)
            return rig.ecr.client(HOME).put_part(name, upload_id, first_byte, part)

    route = replace(rig.route(Slow()), source=rig.source, options=TransferOptions(layers_at_once=1, spare_buffers=1))
    job = replace(job, encoding=replace(job.encoding, block=8, frame=8))
    assert store_layers([LayerTask(job=job)], route) == [StoredLayer(Digest.of(content), len(content))]

    assert max(ahead) <= 2 * PART + 8


def _until_still(rig: Rig) -> None:
    """Wait until nothing is read any more."""
    taken = -1
    while taken != rig.bucket.reads[-1].taken:
        taken = rig.bucket.reads[-1].taken
        time.sleep(0.005)


def test_buffers_are_bounded_used_again_and_released() -> None:
    many = ManyLayers(8)
    made: list[Noted] = []

    class Noted(FakePart):
        released = False

        def release(self) -> None:
            self.released = True

    class Maker:
        def __getattr__(self, name: str) -> Any:
            return self.part_buffer if name == "part_buffer" else getattr(many.rig.ecr.client(HOME), name)

        def part_buffer(self, capacity: int) -> Noted:
            made.append(Noted(capacity))
            return made[-1]

    options = TransferOptions(layers_at_once=3, spare_buffers=2)
    assert store_layers(many.tasks(), many.route(Maker(), options=options)) == many.expected

    assert [part.capacity for part in made] == [PART] * len(made)
    assert 1 <= len(made) <= 5
    assert all(part.released for part in made)


def test_no_thread_is_left_behind() -> None:
    many = ManyLayers(5)
    before = threading.active_count()
    for number in range(1, 12):
        registry = Faulty(many.rig.ecr.client(HOME), "put_part", number, Fault.NOT_ARRIVED)
        with pytest.raises(TemporaryError):
            store_layers(ManyLayers(5).tasks(), many.route(registry))

    assert threading.active_count() == before


def test_one_buffer_a_layer_is_enough() -> None:
    many = ManyLayers(5)
    options = TransferOptions(layers_at_once=2, spare_buffers=0)

    assert store_layers(many.tasks(), many.route(options=options)) == many.expected
