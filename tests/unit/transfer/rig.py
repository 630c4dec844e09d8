"""A layer of a few hundred bytes, a registry with parts of a few dozen, and all that a push between them needs."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zstandard

from chalicelib.byte_range import ByteRange
from chalicelib.meter import Meter
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName
from chalicelib.transfer.encoding import Encoding, Method
from chalicelib.transfer.job import LayerJob, LayerTask, Paused, Route, StoredLayer, TransferOptions
from chalicelib.transfer.layer import store_layer
from chalicelib.transfer.progress import LayerProgress
from tests.fakes.bucket import FakeBucket
from tests.fakes.registry import FakeEcr
from tests.fakes.repository import EcrRules, FakeRepository
from transship.local.clock import ManualClock

HOME = Registry("111122223333", "us-east-1")
NAME = RepositoryName("team/app")
PART = 40
CONTENT = b"".join(f"line {number * number} of a layer\n".encode() for number in range(40))
BEFORE = b"a tar header and what else stands before"

KEEP = Encoding(block=16, frame=64)
GZIP = Encoding(Method.GZIP, block=32, frame=128)
ZSTD = Encoding(Method.ZSTD, block=32, frame=128)


def decoded(encoding: Encoding, blob: bytes) -> bytes:
    """Undo *encoding* with a library that did not do it, where there is one."""
    if encoding.method is Method.GZIP:
        return gzip.decompress(blob)
    if encoding.method is Method.ZSTD:
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(blob), read_across_frames=True).read()
    return blob


@dataclass(slots=True)
class Rig:
    """One repository, one object with one layer in it, and what was saved so far."""

    ecr: FakeEcr = field(default_factory=lambda: FakeEcr(ManualClock(), sizes=EcrRules(PART, smallest_part=PART // 2)))
    bucket: FakeBucket = field(default_factory=FakeBucket)
    content: bytes = CONTENT
    encoding: Encoding = KEEP
    saved: list[LayerProgress] = field(default_factory=list)
    stored: list[StoredLayer] = field(default_factory=list)
    meter: Meter = field(default_factory=Meter)

    def __post_init__(self) -> None:
        self.ecr.create(HOME, NAME)
        self.source = self.bucket.source(self.bucket.put("uploads/team/app/1.tar", BEFORE + self.content + b"after"))

    source: Any = field(init=False)

    @property
    def repository(self) -> FakeRepository:
        return self.ecr.repository(HOME, NAME)

    @property
    def last_saved(self) -> LayerProgress | None:
        """What a new invocation finds, after its way through the table."""
        return LayerProgress.from_item(self.saved[-1].to_item()) if self.saved else None

    def job(self, **changes: Any) -> LayerJob:
        digest = Digest.of(self.content)
        kept: dict[str, Any] = {"digest": digest, "size": len(self.content)}
        claims = kept if self.encoding.method is Method.KEEP else {"diff_id": digest}
        claims |= {"content": ByteRange(len(BEFORE), len(self.content)), "encoding": self.encoding}
        return LayerJob(**claims | changes)

    def route(self, registry: Any = None, out_of_time: Callable[[], bool] = lambda: False) -> Route:
        return Route(
            source=self.source,
            registry=registry or self.ecr.client(HOME),
            repository=NAME,
            out_of_time=out_of_time,
            options=TransferOptions(layers_at_once=2, reconnects=2, restarts=2),
            meter=self.meter,
        )

    def task(self, **changes: Any) -> LayerTask:
        return LayerTask(
            job=self.job(**changes), progress=self.last_saved, save=self.saved.append, stored=self.stored.append
        )

    def store(self, registry: Any = None, out_of_time: Callable[[], bool] = lambda: False) -> StoredLayer | Paused:
        """Push the layer once, going on from what was saved last."""
        return store_layer(self.task(), self.route(registry, out_of_time))

    def check_stored(self, outcome: StoredLayer | Paused) -> None:
        """Demand that the repository holds the layer and that *outcome* says so truly."""
        assert isinstance(outcome, StoredLayer)
        blob = self.repository.blobs[outcome.digest]
        assert (Digest.of(blob), len(blob)) == (outcome.digest, outcome.size)
        assert decoded(self.encoding, blob) == self.content
        assert self.stored == [outcome]


def first_answers(count: int) -> Callable[[], bool]:
    """Say no *count* times, then yes: a function that runs out of time."""
    left = iter([False] * count)
    return lambda: next(left, True)
