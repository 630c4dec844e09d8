"""What becomes of an upload, by what was uploaded and by what stands around it: production code in `tests.world`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.ports.registry import ReplicationRule
from chalicelib.replacing import replace
from chalicelib.state.upload import State
from tests import archives
from tests.world import FAR, NEAR, SOURCE, World

KEY = "uploads/team/app/app-1.4.tar"
APP = RepositoryName("team/app")
SOUND = archives.docker_save(archives.image("hello"))


def arrive(content: bytes, key: str = KEY, world: World | None = None) -> tuple[World, str]:
    """Upload *content* and let everything happen."""
    world = world or World()
    upload = world.upload(key, content)
    world.run()
    return world, upload


def assert_clean(world: World) -> None:
    """No message is left anywhere and every event was taken by the bus."""
    assert not any(world.queues.messages.values())
    assert not any(world.queues.dead.values())
    assert all(row.due is None for row in world.table.rows.values())


def wrong_layer() -> bytes:
    layout = archives.hybrid_layout(archives.image("hello"), compression="+gzip")
    name = next(digest for digest, blob in layout.blobs.items() if blob[:2] == b"\x1f\x8b")
    layout.blobs[name] = layout.blobs[name][:-1] + bytes([layout.blobs[name][-1] ^ 1])
    return layout.tar()


def absent_layer() -> bytes:
    layout = archives.Layout()
    layout.list(layout.image(archives.image("hello")), ref="1.0")
    layout.blobs = {digest: blob for digest, blob in layout.blobs.items() if blob[:2] != b"\x1f\x8b"}
    return layout.tar()


REFUSED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "no archive": (lambda: b"\x7fELF" + bytes(4096), KEY, "NOT_ARCHIVE"),
    "empty": (lambda: b"", KEY, "EMPTY_OBJECT"),
    "truncated": (lambda: SOUND[: len(SOUND) // 2], KEY, "TRUNCATED"),
    "layer is not its digest": (wrong_layer, KEY, "DIGEST_MISMATCH"),
    "absent layer": (absent_layer, KEY, "MISSING_BLOB"),
    "key in capitals": (lambda: SOUND, "uploads/Team/App/app.tar", "REPOSITORY_NAME"),
    "key without a repository": (lambda: SOUND, "uploads/app.tar", "KEY"),
    "key climbs": (lambda: SOUND, "uploads/team/../other/app.tar", "REPOSITORY_NAME"),
}


@pytest.mark.parametrize(("build", "key", "code"), REFUSED.values(), ids=REFUSED)
def test_rejects_what_cannot_be_pushed(build: Callable[[], bytes], key: str, code: str) -> None:
    world, upload = arrive(build(), key)

    record = world.record(upload)
    assert (record.state, record.code) == (State.REJECTED, code)
    assert world.bus.types()[-1] == "Upload Rejected"
    event = world.bus.taken[-1].detail
    assert (event["code"], event["remedy"]) == (code, event["remedy"].strip())
    assert world.ecr.count()["PutImage"] == 0
    assert_clean(world)


def test_rejects_a_tar_without_an_image() -> None:
    world, upload = arrive(archives.tar({"etc/passwd": b"root"}))

    assert world.state(upload) is State.REJECTED
    assert_clean(world)


def test_rejects_for_a_missing_permission_and_says_which_statement_mends_it() -> None:
    world = World()
    world.identity.denied.add(("push", "ecr:UploadLayerPart"))
    arrive(SOUND, world=world)

    event = world.bus.taken[-1].detail
    assert event["code"] == "PERMISSION_MISSING"
    assert event["facts"]["statements"] == [
        {
            "attach_to": "identity-based policy",
            "role": "arn:aws:iam::111122223333:role/service/transship-test-push",
            "statement": {
                "Effect": "Allow",
                "Action": "ecr:UploadLayerPart",
                "Resource": "arn:aws:ecr:us-east-1:111122223333:repository/team/app",
            },
        }
    ]
    writes = {"CreateRepository", "InitiateLayerUpload", "PutImage"} & set(world.ecr.count())
    assert not writes, "nothing may be written before the preflight allows it"
    assert_clean(world)


def test_a_permission_granted_meanwhile_is_noticed() -> None:
    """IAM is eventually consistent: a denial is asked once more."""
    world = World()
    world.identity.denied.add(("push", "ecr:UploadLayerPart"))
    upload = world.upload(KEY, SOUND)
    world.run(seconds=1)
    assert world.state(upload) is State.RECEIVED

    world.identity.denied.clear()
    world.run()

    assert world.state(upload) is State.AVAILABLE


def test_a_denial_rejects_only_when_it_still_stands_after_fifteen_seconds() -> None:
    world = World()
    world.identity.denied.add(("push", "ecr:UploadLayerPart"))
    upload, begun = world.upload(KEY, SOUND), world.clock.now()
    while world.state_or_none(upload) in {None, State.RECEIVED}:
        assert world.clock.now() < begun + 60
        world.step()

    assert world.state(upload) is State.REJECTED
    assert world.clock.now() - begun >= world.settings.preflight_again == 15


def test_rejects_when_authentication_is_denied() -> None:
    world = World()
    world.ecr.denied.add("GetAuthorizationToken")
    world, upload = arrive(SOUND, world=world)

    assert (world.state(upload), world.record(upload).code) == (State.REJECTED, "PERMISSION_MISSING")


def test_rejects_an_absent_repository_where_none_may_be_created() -> None:
    world = World()
    world.settings = replace(world.settings, create_repositories=False)
    world, upload = arrive(SOUND, world=world)

    assert (world.state(upload), world.record(upload).code) == (State.REJECTED, "REPOSITORY_ABSENT")


def test_pushes_every_layer_once_and_reads_it_once() -> None:
    world, _ = arrive(SOUND)

    assert world.ecr.count()["InitiateLayerUpload"] == 2, "one layer and the config"
    assert sum(get.taken for get in world.bucket.reads) < 2 * len(SOUND)


def test_keeps_the_bytes_of_a_layout() -> None:
    layout = archives.Layout()
    descriptor = layout.list(layout.image(archives.image("hello")), ref="1.0")
    world, upload = arrive(layout.tar())

    assert world.state(upload) is State.AVAILABLE
    for registry in (SOURCE, NEAR, FAR):
        assert str(world.ecr.repository(registry, APP).tags[Tag("1.0")]) == descriptor["digest"]


def test_puts_children_before_their_index() -> None:
    layout = archives.Layout()
    index = layout.list(archives.multi_platform(layout, "amd64", "arm64"), ref="1.0")
    world, _ = arrive(layout.tar())

    arrived = world.ecr.repository(SOURCE, APP).arrived
    assert [str(digest) == index["digest"] for digest, _ in arrived] == [False, False, True]
    assert [tag for _, tag in arrived] == [None, None, Tag("1.0")], "only the root is tagged"


def test_pushes_each_of_several_images_below_the_keys_repository() -> None:
    images = [
        archives.image("a", tags=("registry.example/x/first:1",)),
        archives.image("b", tags=("second:2", "second:latest")),
    ]
    world, upload = arrive(archives.docker_save(*images))

    assert world.state(upload) is State.AVAILABLE
    assert set(world.ecr.repository(SOURCE, RepositoryName("team/app/first")).tags) == {Tag("1")}
    assert set(world.ecr.repository(SOURCE, RepositoryName("team/app/second")).tags) == {Tag("2"), Tag("latest")}
    assert world.bus.types().count("Image Available") == 2


def test_refuses_several_images_that_meet_at_one_tag() -> None:
    images = [archives.image("a", tags=("one/app:1",)), archives.image("b", tags=("two/app:1",))]
    world, upload = arrive(archives.docker_save(*images))

    assert (world.state(upload), world.record(upload).code) == (State.REJECTED, "TAG_COLLISION")


def test_refuses_an_unnamed_one_of_several_images() -> None:
    images = [archives.image("a", tags=("one/app:1",)), archives.image("b", tags=())]
    world, upload = arrive(archives.docker_save(*images))

    assert (world.state(upload), world.record(upload).code) == (State.REJECTED, "IMAGE_NAME")


def test_an_unnamed_image_takes_its_tag_from_the_file_name() -> None:
    world, _ = arrive(archives.docker_save(archives.image("a", tags=())))

    assert set(world.ecr.repository(SOURCE, APP).tags) == {Tag("1.4")}


def test_the_same_archive_again_moves_no_byte_of_a_layer() -> None:
    world, _ = arrive(SOUND)
    before, parts = world.ecr.count(), len(world.bucket.reads)
    world, upload = arrive(SOUND, world=world)

    assert world.state(upload) is State.AVAILABLE
    assert world.ecr.count()["InitiateLayerUpload"] == before["InitiateLayerUpload"]
    assert world.ecr.count()["UploadLayerPart"] == before["UploadLayerPart"]
    layers = [get for get in world.bucket.reads[parts:] if get.taken > 65_536]
    assert not layers


def test_a_layer_that_the_registry_has_lost_is_compressed_and_remembered_again() -> None:
    world, _ = arrive(SOUND)
    there = world.ecr.repository(SOURCE, APP)
    for held in (there.images, there.tags, there.blobs):
        held.clear()
    world, upload = arrive(SOUND, world=world)

    assert world.state(upload) is State.AVAILABLE
    remembered = {place: row.revision for place, row in world.table.rows.items() if place[0].startswith("blob#")}
    assert set(remembered.values()) == {2}


def test_a_rebuilt_image_moves_only_its_new_layer() -> None:
    world, _ = arrive(archives.docker_save(archives.image("base", "app v1")))
    before = world.ecr.count()["InitiateLayerUpload"]
    world, upload = arrive(archives.docker_save(archives.image("base", "app v2")), world=world)

    assert world.state(upload) is State.AVAILABLE
    assert world.ecr.count()["InitiateLayerUpload"] - before == 2, "the new layer and the new config"


def test_layers_that_vanish_before_they_are_named_are_pushed_again() -> None:
    world = World()
    upload = world.upload(KEY, SOUND)
    while world.state_or_none(upload) is not State.PUBLISHING:
        world.step()
    world.ecr.repository(SOURCE, APP).blobs.clear()
    world.run()

    assert world.state(upload) is State.AVAILABLE


@pytest.mark.parametrize("pack", [lambda content: content, archives.gzipped], ids=["plain", "sealed"])
def test_layers_that_vanish_every_time_end_the_upload(pack: Callable[[bytes], bytes]) -> None:
    world = World()
    upload = world.upload(KEY, pack(SOUND))
    while world.state_or_none(upload) not in {State.FAILED, State.REJECTED, State.AVAILABLE}:
        if world.state_or_none(upload) is State.PUBLISHING:
            world.ecr.repository(SOURCE, APP).blobs.clear()
        world.step()

    ended = world.record(upload)
    assert (ended.state, ended.code, ended.returns) == (State.FAILED, "LAYERS_GONE", 3)
    assert world.ecr.count()["PutImage"] == 4
    assert not world.ecr.repository(SOURCE, APP).tags


def test_an_immutable_tag_on_the_same_image_is_success() -> None:
    world = World()
    world.ecr.create(SOURCE, APP, "IMMUTABLE")
    world, _ = arrive(SOUND, world=world)
    world, upload = arrive(SOUND, world=world)

    assert world.state(upload) is State.AVAILABLE


def test_an_immutable_tag_on_another_image_is_refused() -> None:
    world = World()
    world.ecr.create(SOURCE, APP, "IMMUTABLE")
    world, _ = arrive(SOUND, world=world)
    world, upload = arrive(archives.docker_save(archives.image("other")), world=world)

    assert (world.state(upload), world.record(upload).code) == (State.REJECTED, "TAG_IMMUTABLE")
    assert_clean(world)


def test_an_immutable_tag_that_is_refused_after_another_was_put_is_a_failure() -> None:
    world = World()
    world.ecr.create(SOURCE, APP, "IMMUTABLE")
    world, _ = arrive(archives.docker_save(archives.image("hello", tags=("app:2.0",))), world=world)
    both = archives.image("other", tags=("app:1.0", "app:2.0"))
    world, upload = arrive(archives.docker_save(both), world=world)

    assert {str(tag) for tag in world.ecr.repository(SOURCE, APP).tags} == {"1.0", "2.0"}
    assert (world.state(upload), world.record(upload).code) == (State.FAILED, "TAG_IMMUTABLE")


def test_a_deleted_object_is_refused() -> None:
    world = World()
    upload = world.upload(KEY, SOUND)
    world.bucket.objects[KEY].clear()
    world.run()

    assert world.record(upload).code == "OBJECT_GONE"
    assert_clean(world)


def test_messages_delivered_five_times_publish_once() -> None:
    world = World()
    upload = world.upload(KEY, SOUND)
    body = world.queues.messages["uploads"][0].body
    for _ in range(4):
        world.queues.deliver("uploads", body)
    world.run()

    assert world.state(upload) is State.AVAILABLE
    assert world.ecr.count()["PutImage"] == 1
    assert world.bus.types().count("Upload Accepted") == 1
    assert_clean(world)


def test_a_lost_notification_is_found_by_the_sweep() -> None:
    world = World()
    upload = world.upload(KEY, SOUND, notify=False)
    world.clock.seconds += 1_000
    world.run_sweep()
    world.run()

    assert world.state(upload) is State.AVAILABLE


def test_events_that_the_bus_refuses_are_sent_again() -> None:
    world = World()
    world.bus.refuse = [(0,)] * 20
    upload = world.upload(KEY, SOUND)
    world.run()

    assert world.state(upload) is State.AVAILABLE
    assert {"Upload Accepted", "Image Pushed", "Image Available"} <= set(world.bus.types())
    assert_clean(world)


def test_a_message_that_fails_for_ever_closes_its_upload() -> None:
    world = World()
    upload = world.upload(KEY, SOUND)
    world.broken.add("ecr.put_manifest")
    world.run()

    assert (world.state(upload), world.record(upload).code) == (State.FAILED, "GAVE_UP")
    assert world.bus.types()[-1] == "Upload Failed"
    assert_clean(world)


def test_a_foreign_message_is_dropped() -> None:
    world = World()
    world.queues.deliver("uploads", '{"Records": [{"eventSource": "aws:s3"}]}')
    world.queues.deliver("push", "not JSON")
    world.queues.deliver("confirm", '{"source": "aws.ecr", "detail": {}}')
    world.run()

    assert_clean(world)
    assert [number[0] for number in world.metrics.numbers].count("ForeignMessages") == 3


# --- replication ---------------------------------------------------------------------------------------------------


def test_without_a_matching_rule_it_is_available_in_the_source_only() -> None:
    world = World()
    world.ecr.rules[SOURCE] = (ReplicationRule((NEAR,), ("teams/",)),)
    world, upload = arrive(SOUND, world=world)

    record = world.record(upload)
    assert record.state is State.AVAILABLE
    assert any("team/app" in warning for warning in record.warnings), "an empty set of destinations is said so"
    assert world.bus.taken[-1].detail["destinations"] == []


def test_an_empty_status_is_never_success() -> None:
    world = World()
    world.ecr.lag = float("inf")
    world, upload = arrive(SOUND, world=world)

    assert (world.state(upload), world.record(upload).code) == (State.FAILED, "NOT_REPLICATED")
    assert "Image Late" in world.bus.types()
    assert "Image Available" not in world.bus.types()
    assert_clean(world)


def test_slow_replication_is_waited_for() -> None:
    world = World()
    world.ecr.lag = 2_400.0
    world, upload = arrive(SOUND, world=world)

    assert world.state(upload) is State.AVAILABLE
    assert "Image Late" in world.bus.types()


def test_one_failed_destination_fails_the_upload_and_names_it() -> None:
    world = World()
    world.ecr.failing[FAR] = "AccessDeniedException"
    world, upload = arrive(SOUND, world=world)

    assert world.record(upload).code == "NOT_REPLICATED"
    event = world.bus.taken[-1].detail
    statuses = {one["region"]: (one["status"], one.get("failure")) for one in event["images"][0]["destinations"]}
    assert statuses == {NEAR.region: ("verified", None), FAR.region: ("failed", "AccessDeniedException")}
    assert world.bus.types().count("Image Replicated") == 1, "the good ones have been announced one by one"


def test_an_immutable_destination_tag_is_noticed() -> None:
    world = World()
    other = Digest(hashlib.sha256(b"other").hexdigest())
    world.ecr.create(FAR, APP, "IMMUTABLE").tags[Tag("1.0")] = other
    world, upload = arrive(SOUND, world=world)

    assert world.record(upload).code == "NOT_REPLICATED"
    destination = world.bus.taken[-1].detail["images"][0]["destinations"][-1]
    assert (destination["digest_verified"], destination["tags_verified"]) == (True, False)
    assert destination["failure"] == "TagNamesAnotherImage"


def test_a_destination_without_read_back_is_only_reported() -> None:
    world = World()
    world.ecr.readers.clear()
    world, upload = arrive(SOUND, world=world)
    assert world.record(upload).code == "NOT_REPLICATED"

    world = World()
    world.ecr.readers.clear()
    world.settings = replace(world.settings, reported_suffices=True)
    world, upload = arrive(SOUND, world=world)
    assert world.state(upload) is State.AVAILABLE


def test_of_two_uploads_of_one_tag_the_later_wins_and_the_earlier_is_superseded() -> None:
    world = World()
    world.ecr.lag = 60.0
    earlier = world.upload(KEY, SOUND)
    world.run(seconds=20)
    assert world.state(earlier) is State.CONFIRMING
    later = world.upload(KEY, archives.docker_save(archives.image("newer")))
    world.run()

    assert (world.state(earlier), world.state(later)) == (State.SUPERSEDED, State.AVAILABLE)
    assert "Upload Superseded" in world.bus.types()
    assert_clean(world)


def test_a_replication_event_brings_the_look_forward() -> None:
    world = World()
    world.settings = replace(world.settings, confirm_first=600.0, confirm_most=900.0)
    world.ecr.lag = 5.0
    upload = world.upload(KEY, SOUND)
    world.run(seconds=30)
    assert world.state(upload) is State.CONFIRMING
    digest = str(world.ecr.repository(SOURCE, APP).tags[Tag("1.0")])
    detail = {
        "source-account": SOURCE.account,
        "source-region": SOURCE.region,
        "repository-name": str(APP),
        "image-digest": digest,
    }
    world.hint(detail)
    world.run(seconds=30)

    assert world.state(upload) is State.AVAILABLE
