"""Versions of one object whose notifications come in another order than they were put: the latest has the tag."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

import pytest

from chalicelib.errors import TemporaryError
from chalicelib.names import RECEIVE, UPLOADS
from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.receive import _long_way, _propose, _see
from chalicelib.state.order import order_key, ranked
from chalicelib.state.upload import State, Upload, upload_id
from tests import archives
from tests.world import FAR, NEAR, SOURCE, World

KEY = "uploads/team/app/app-1.0.tar"
APP = RepositoryName("team/app")
ONE = Tag("1.0")


def content(text: str) -> bytes:
    return archives.docker_save(archives.image(text))


def identity(version: ObjectVersion) -> str:
    return upload_id(version, "uploads/")


@pytest.mark.parametrize("before", [State.ACCEPTED, State.PUBLISHING, State.CONFIRMING, State.AVAILABLE])
def test_the_later_version_has_the_tag_whose_notification_came_first(before: State) -> None:
    """Whatever the later one has come to when the earlier one is heard of."""
    world = World()
    old, new = world.bucket.put(KEY, content("old")), world.bucket.put(KEY, content("new"))
    world.queues.deliver(UPLOADS, world.notification_text(new))
    while world.state_or_none(identity(new)) is not before:
        world.step()
    world.queues.deliver(UPLOADS, world.notification_text(old))
    world.run()

    assert world.state(identity(old)) is State.SUPERSEDED
    assert world.state(identity(new)) is State.AVAILABLE
    put = next(e.detail["image"]["digest"] for e in world.bus.taken if e.detail_type == "Image Available")
    assert {str(world.ecr.repository(registry, APP).tags[ONE]) for registry in (SOURCE, NEAR, FAR)} == {put}


def test_a_retried_upload_has_the_tag_whatever_came_since() -> None:
    """Whoever retries an old version wants that one now."""
    world = World()
    world.ecr.denied.add("PutImage")
    old = world.upload(KEY, content("old"))
    world.run()
    world.ecr.denied.clear()
    world.upload(KEY, content("new"))
    world.run()
    place = (f"upload#{old}", "upload")
    ended = world.record(old)
    again = Upload(id=old, object=ended.object, sequencer=ended.sequencer, received=world.clock.now(), attempt=2)
    world.table.rows[place].text = json.dumps(again.to_item())
    world.queues.deliver(UPLOADS, world.notification_text(ended.object))
    world.run()

    assert world.state(old) is State.AVAILABLE


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=lambda order: "".join(map(str, order)))
def test_ranks_are_in_the_order_of_sequencers(order: Sequence[int]) -> None:
    """Sequencers of different lengths are compared with zeros on their right."""
    world = World()
    sequencers = ("0055AED6", "0055AED6DCD9", "0055AED6DCD90281E5", "0055AF")
    outside = world.outside()
    ranks: dict[int, float] = {}
    for place in order:
        world.clock.seconds += 1
        version = ObjectVersion(bucket="b", key=KEY, version_id=str(place), etag="e", size=1)
        upload = Upload(id=str(place), object=version, sequencer=sequencers[place], accepted=world.clock.now())
        upload, changes = ranked(outside, upload, world.table.get(order_key(upload)))
        world.table.write(changes)
        ranks[place] = upload.rank

    assert sorted(ranks, key=ranks.__getitem__) == [0, 1, 2, 3]
    assert len(set(ranks.values())) == 4


def test_a_version_that_nobody_heard_of_is_superseded_once_it_has_a_successor() -> None:
    """To push it after its successor would give the tag to the old archive."""
    world = World()
    lost = world.upload(KEY, content("old"), notify=False)
    heard = world.upload(KEY, content("new"))
    world.run()
    world.clock.seconds += 1_000
    world.run_sweep()
    world.run()

    assert (world.state(lost), world.state(heard)) == (State.SUPERSEDED, State.AVAILABLE)
    assert [event.detail["upload"]["id"] for event in world.bus.taken if "Superseded" in event.detail_type] == [lost]


def test_a_plan_made_before_an_archive_was_opened_does_not_replace_what_was_found() -> None:
    """Two functions take one sealed archive; the slower one knows of no image, and must not say so."""
    world = World()
    upload = world.upload(KEY + ".gz", archives.gzipped(content("hello")))
    world.identity.function = RECEIVE
    outside = world._outside(RECEIVE, lambda _: None, float("inf"))
    (message,) = world.queues.messages[UPLOADS]
    told = json.loads(message.body)["Records"][0]["s3"]["object"]
    version = world.bucket._version(KEY + ".gz", told["versionId"])
    taken = Upload.new(version, "AWS:AROAEXAMPLE:producer", told["sequencer"], world.clock.now(), prefix="uploads/")
    slow = _propose(outside, _see(outside, taken))
    while not ((record := world.state_or_none(upload)) is State.RECEIVED and world.record(upload).opening):
        assert record is not State.AVAILABLE
        world.step()

    with pytest.raises(TemporaryError, match="opened while it was judged"):
        _long_way(outside, taken, slow)

    world.run()
    assert world.state(upload) is State.AVAILABLE
    assert "Image Available" in world.bus.types()
