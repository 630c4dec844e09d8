"""
A thousand images followed at once, against ECR's rates.

BatchGetImage and BatchCheckLayerAvailability have published rates; DescribeImageReplicationStatus and DescribeRegistry
do not (ecr.md section 2), so rates are assumed for them that a thousand independent pollers exceed by far.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.errors import ThrottledError
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.ports.table import Put
from chalicelib.state.ledger import put
from chalicelib.state.records import ImageRecord, ReplicaRecord
from chalicelib.state.upload import State, Upload, upload_id
from tests.fakes.registry import Call
from tests.fakes.repository import FakeImage
from tests.world import FAR, NEAR, SOURCE, World

IMAGES = 1_000
PUTS_A_SECOND = 10  # PutImage's rate: so fast, and no faster, do images come to be followed
CONFIG = b"{}"
RATES = {
    "DescribeImageReplicationStatus": 20.0,
    "DescribeRegistry": 20.0,
    "BatchGetImage": 2_000.0,
    "BatchCheckLayerAvailability": 1_000.0,
}


@dataclass
class Buckets:
    """
    A token bucket for each operation of an account in a Region, as ECR throttles; *throttled* counts refusals.

    Attributes:
        rates: Calls a second by operation.
    """

    world: World
    rates: Mapping[str, float]
    tokens: dict[tuple[str, Registry], tuple[float, float]] = field(default_factory=dict)
    throttled: Counter[str] = field(default_factory=Counter)

    def take(self, call: Call) -> None:
        rate = self.rates.get(call.operation, float("inf"))
        now, place = self.world.clock.now(), (call.operation, call.registry)
        left, at = self.tokens.get(place, (rate, now))
        left = min(rate, left + (now - at) * rate) if now > at else left
        if left < 1:
            self.tokens[place] = (left, now)
            self.throttled[call.operation] += 1
            raise ThrottledError(f"{call.operation}: Rate exceeded")
        self.tokens[place] = (left - 1, now)


class CrowdedWorld(World):
    """A world whose ECR throttles."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.buckets = Buckets(self, RATES)
        self.ecr.on_call = self.buckets.take
        self.waited: dict[str, float] = {}
        self.queues.overhear = self._note

    def _note(self, body: Mapping[str, Any], delay: float) -> None:
        """Keep the poll period in force: the last wait between two looks."""
        self.waited[body["upload"]] = delay


def published(world: World, number: int, lag: float) -> Upload:
    """Put an image as `publish` leaves it, and return its upload; it takes *lag* seconds to arrive."""
    name = RepositoryName(f"team/app{number % 50}")
    manifest = f'{{"config":{{"digest":"{Digest.of(CONFIG)}"}},"layers":[],"n":{number}}}'.encode()
    digest, tag = Digest.of(manifest), Tag(f"v{number}")
    repository = world.ecr.repositories[SOURCE].get(name) or world.ecr.create(SOURCE, name)
    repository.blobs[Digest.of(CONFIG)] = CONFIG
    world.ecr.lag = lag
    repository.put(FakeImage(manifest, "m"), digest, tag)
    world.ecr.replication.start(SOURCE, name, digest, tag)
    version = ObjectVersion(bucket="b", key=f"uploads/{name}/x.tar", version_id=str(number), etag="e", size=1)
    now = world.clock.now()
    upload = Upload(
        id=upload_id(version, "uploads/"),
        object=version,
        state=State.CONFIRMING,
        received=now,
        published=now,
        tenant="team",
    )
    image = ImageRecord(number=0, repository=name, root=True, tags=(tag,), digest=digest, media_type="m", put=True)
    replicas = [ReplicaRecord(image=0, repository=name, digest=digest, registry=place) for place in (NEAR, FAR)]
    world.table.write(
        [Put(upload.key, upload.to_item(), 0), put(upload.id, image, 0), *(put(upload.id, one, 0) for one in replicas)]
    )
    world.queues.send("confirm", {"v": 1, "upload": upload.id}, delay=5, group="team")
    return upload


@dataclass(frozen=True)
class Followed:
    """
    How it went.

    Attributes:
        lateness: 95th percentile of the time from truth to announcement, in poll periods: the last wait between looks.
        requests: To ECR, for each image.
        throttled: Share of them that were refused.
    """

    lateness: float
    requests: float
    throttled: float


def follow(at_once: int) -> Followed:
    """Let a thousand images be put, *at_once* each second, and follow them to their ends."""
    world = CrowdedWorld()
    truth: dict[str, float] = {}
    for number in range(IMAGES):
        if number % at_once == 0:
            world.run(seconds=1.0)
        lag = 8.0 if number % 10 else 600.0  # most in seconds, a tenth in ten minutes
        truth[published(world, number, lag).id] = world.clock.now() + lag
    world.run()
    assert all(world.state(upload) is State.AVAILABLE for upload in truth)
    late = [(world.record(upload).ended - arrived) / world.waited[upload] for upload, arrived in truth.items()]
    requests = Counter(call for call in world.calls if call.startswith("ecr."))
    return Followed(
        lateness=statistics.quantiles(late, n=20)[-1],
        requests=sum(requests.values()) / IMAGES,
        throttled=sum(world.buckets.throttled.values()) / sum(requests.values()),
    )


def test_a_thousand_images_are_told_of_within_a_poll_period() -> None:
    followed = follow(PUTS_A_SECOND)

    assert followed.lateness <= 1.0
    assert followed.requests < 12
    assert followed.throttled < 0.01


@pytest.mark.check
@pytest.mark.parametrize("asked", [20.0, 1.0], ids=["20 a second", "1 a second"])
def test_a_thousand_images_at_once_are_told_of_within_a_poll_period(
    asked: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than ECR lets anybody put, as after an outage, and however few questions it takes: reading back proves."""
    monkeypatch.setitem(RATES, "DescribeImageReplicationStatus", asked)
    followed = follow(IMAGES)

    assert followed.lateness <= 1.0
    assert followed.requests < 15
    assert followed.throttled < 0.4
