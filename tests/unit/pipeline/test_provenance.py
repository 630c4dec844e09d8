"""Charts and the files that sign them: whichever comes first, both are brought, or somebody is told why not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.names import UPLOADS
from chalicelib.oci.reference import RepositoryName
from chalicelib.ports.bucket import ListedVersion, ObjectVersion
from chalicelib.replacing import replace
from chalicelib.state.upload import State, upload_id
from tests import archives
from tests.fakes.bucket import FakeBucket
from tests.world import SOURCE, World

KEY = "uploads/charts/webapp-1.2.3.tgz"
PROV = f"{KEY}.prov"
CHART = archives.chart()
NEXT = archives.chart(**{"NOTES.txt": b"the same version, built again"})
LAYER = "application/vnd.cncf.helm.chart.provenance.v1.prov"


def signing(content: bytes) -> bytes:
    """Return what `helm package --sign` writes beside a chart, signed by nobody."""
    named = f"files:\n  webapp.tgz: sha256:{hashlib.sha256(content).hexdigest()}\n"
    return f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nname: webapp\n\n...\n{named}".encode()


def put(world: World, key: str, content: bytes) -> str:
    """Upload something now and let everything happen."""
    world.bucket.times[key] = world.clock.now()
    upload = world.upload(key, content)
    world.run()
    return upload


def later(world: World, seconds: float) -> None:
    world.clock.seconds += seconds
    world.run_sweep()
    world.run()


def tagged(world: World) -> list[str]:
    """Return the media types of what the chart's tag names, below its config."""
    repository = world.ecr.repository(SOURCE, RepositoryName("charts/webapp"))
    (digest,) = repository.tags.values()
    return [one["mediaType"] for one in repository.images[digest].document["layers"]]


def told(world: World) -> list[str]:
    return [one.detail_type for one in world.bus.taken]


def small_world(**settings: Any) -> World:
    world = World()
    world.settings = replace(world.settings, **settings)
    return world


def test_a_provenance_file_that_is_there_goes_with_its_chart() -> None:
    world = small_world(chart_provenance="required")
    early = put(world, PROV, signing(CHART))
    assert (world.state_or_none(early), told(world)) == (None, []), "it waits"

    chart = put(world, KEY, CHART)

    assert world.state(chart) is State.AVAILABLE
    assert tagged(world)[1:] == [LAYER]
    later(world, 1_000)
    assert world.state_or_none(early) is None, "it has been read: neither is it lost nor does it begin anything"


def test_one_that_comes_later_brings_its_chart_once_more() -> None:
    world = small_world()
    chart = put(world, KEY, CHART)
    assert tagged(world)[1:] == []

    late = put(world, PROV, signing(CHART))

    assert (world.state(chart), world.state(late)) == (State.AVAILABLE, State.AVAILABLE)
    assert tagged(world)[1:] == [LAYER]
    available = [one.detail for one in world.bus.taken if one.detail_type == "Image Available"][-1]
    assert available["upload"]["key"] == KEY
    assert any("provenance file came after its chart" in warning for warning in available["warnings"])
    assert world.record(late).told.key == PROV
    assert not world.record(late).sequencer, "that of another key would be taken for one of the chart's"


def test_where_it_is_required_the_order_does_not_matter() -> None:
    world = small_world(chart_provenance="required")
    chart = put(world, KEY, CHART)
    assert world.record(chart).code == "CHART_PROVENANCE"

    assert world.state(put(world, PROV, signing(CHART))) is State.AVAILABLE
    assert tagged(world)[1:] == [LAYER]


@pytest.mark.parametrize("again", [KEY, PROV])
def test_a_notification_that_comes_twice_begins_nothing_new(again: str) -> None:
    world = small_world()
    put(world, KEY, CHART)
    put(world, PROV, signing(CHART))
    before = len(world.bus.taken)

    found = world.bucket.latest(again)
    assert found
    for _ in range(3):
        world.queues.deliver(UPLOADS, world.notification_text(found.object))
        world.run()
    later(world, 1_000)

    assert len(world.bus.taken) == before


def test_the_next_version_of_a_chart_may_be_signed_before_it_is_sent() -> None:
    """Its provenance file fits no chart that is there yet: nobody is told that it is wrong."""
    world = small_world()
    put(world, PROV, signing(CHART))
    put(world, KEY, CHART)
    before = told(world)

    early = put(world, PROV, signing(NEXT))
    assert (world.state_or_none(early), told(world)) == (None, before)

    assert world.state(put(world, KEY, NEXT)) is State.AVAILABLE
    assert tagged(world)[1:] == [LAYER]


def test_the_next_version_of_a_chart_may_be_sent_before_it_is_signed() -> None:
    """What lies beside it signs the last one: it is not brought before its own comes."""
    world = small_world()
    put(world, PROV, signing(CHART))
    put(world, KEY, CHART)

    assert world.record(put(world, KEY, NEXT)).code == "CHART_PROVENANCE"
    assert world.state(put(world, PROV, signing(NEXT))) is State.AVAILABLE
    assert tagged(world)[1:] == [LAYER]
    assert told(world).count("Upload Rejected") == 1


def neighbour(world: World) -> None:
    put(world, KEY, CHART)


def image(world: World) -> None:
    put(world, KEY, archives.docker_save(archives.image()))


def packed_image(world: World) -> None:
    put(world, KEY, archives.gzipped(archives.docker_save(archives.image())))


@pytest.mark.parametrize(
    ("beside", "detail"),
    [
        (lambda _: None, "no chart lies beside"),
        (neighbour, "names another chart"),
        (image, "is no chart"),
        (packed_image, "is no chart"),
    ],
)
def test_one_that_fits_nothing_for_long_is_told_of(beside: Callable[[World], None], detail: str) -> None:
    world = small_world()
    beside(world)
    lone = put(world, PROV, signing(b"another"))
    assert world.state_or_none(lone) is None

    later(world, 1_000)

    ended = world.record(lone)
    assert (ended.state, ended.code) == (State.REJECTED, "CHART_PROVENANCE")
    assert detail in ended.detail
    count = len(world.bus.taken)
    later(world, 1_000)
    assert len(world.bus.taken) == count, "once"


def test_one_that_was_told_of_is_still_read_with_its_chart() -> None:
    world = small_world()
    put(world, PROV, signing(CHART))
    later(world, 1_000)

    assert world.state(put(world, KEY, CHART)) is State.AVAILABLE
    assert tagged(world)[1:] == [LAYER]


def test_one_that_comes_while_its_chart_is_read_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own notification finds a chart that is not decided; so the chart looks again when it is."""
    world = small_world()
    real = FakeBucket.latest
    seen: list[ObjectVersion] = []

    def latest(bucket: FakeBucket, key: str) -> ListedVersion | None:
        found = real(bucket, key)
        if key == PROV and not seen:
            version = world.bucket.put(PROV, signing(CHART))
            world.bucket.times[PROV] = world.clock.now()
            seen.append(version)
        return found

    monkeypatch.setattr(FakeBucket, "latest", latest)
    chart = world.upload(KEY, CHART)
    world.step()
    world.clock.seconds += 1  # what is accepted later has the tag; here nothing else takes time
    world.run()

    assert world.state(chart) in {State.AVAILABLE, State.SUPERSEDED}
    assert world.state(upload_id(seen[0], "uploads/")) is State.AVAILABLE
    assert tagged(world)[1:] == [LAYER]


def test_one_whose_notification_was_lost_is_found() -> None:
    world = small_world()
    put(world, KEY, CHART)
    late = world.upload(PROV, signing(CHART), notify=False)

    later(world, 1_000)

    assert world.state(late) is State.AVAILABLE
    assert tagged(world)[1:] == [LAYER]


def test_one_that_was_taken_away_again_begins_nothing() -> None:
    world = small_world()
    late = world.upload(PROV, signing(CHART))
    found = world.bucket.latest(PROV)
    assert found
    world.bucket.delete(found.object)

    world.run()

    assert world.state_or_none(late) is None


def test_an_immutable_tag_is_not_moved_for_it_and_that_is_told() -> None:
    world = small_world(repository_mutability="IMMUTABLE")
    chart = put(world, KEY, CHART)

    late = put(world, PROV, signing(CHART))

    assert (world.state(chart), world.record(late).code) == (State.AVAILABLE, "TAG_IMMUTABLE")
    assert tagged(world)[1:] == []


@pytest.mark.parametrize("content", [b"", b"x" * 300_000], ids=["empty", "too long"])
def test_one_that_cannot_be_one_refuses_its_chart(content: bytes) -> None:
    world = small_world()
    put(world, PROV, content)

    assert world.record(put(world, KEY, CHART)).code == "CHART_PROVENANCE"


def test_the_bucket_of_charts_and_what_signs_them_is_swept_without_a_message() -> None:
    world = small_world()
    world.bucket.page = 1
    for number in range(3):
        key = f"uploads/charts/webapp-{number}.tgz"
        put(world, f"{key}.prov", signing(CHART))
        put(world, key, CHART)
    before = list(world.invocations)

    later(world, 1_000)

    assert set(world.invocations[len(before) :]) <= {"sweep"}
