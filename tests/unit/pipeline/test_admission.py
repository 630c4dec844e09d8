"""Access rules in the pipeline: read from the bucket, decided on before the first ECR call, renewed before PutImage."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.names import RECEIVE
from chalicelib.oci.reference import RepositoryName
from chalicelib.replacing import replace
from chalicelib.state.upload import State
from tests import archives
from tests.fakes.faults import Fault
from tests.fakes.table import FakeTable
from tests.world import NEAR, SOURCE, Planned, World

KEY = "uploads/team/app/app-1.4.tar"
APP = RepositoryName("team/app")
SOUND = archives.docker_save(archives.image("hello"))
RULE: dict[str, Any] = {
    "name": "team",
    "principals": [{"role_id": "AROAEXAMPLE"}],
    "prefix": "uploads/team/",
    "create_repositories": True,
}


def world_with(*rules: dict[str, Any]) -> World:
    world = World()
    put(world, *rules)
    return world


def put(world: World, *rules: dict[str, Any]) -> str:
    """Put a document and return its version."""
    return world.bucket.put("access/rules.json", json.dumps({"version": 1, "rules": list(rules)}).encode()).version_id


def arrive(world: World, key: str = KEY, content: bytes = SOUND) -> str:
    upload = world.upload(key, content)
    world.run()
    return upload


def until(world: World, upload: str, state: State) -> None:
    while world.state_or_none(upload) is not state:
        world.step()


def ended(world: World, upload: str) -> tuple[State, str]:
    record = world.record(upload)
    return record.state, record.code


@pytest.mark.parametrize(("tag", "end"), [("v2", (State.AVAILABLE, "")), ("prod", (State.REJECTED, "UPLOADER_DENIED"))])
def test_a_tag_of_the_objects_metadata_is_bound_by_the_rule(tag: str, end: tuple[State, str]) -> None:
    world = world_with({**RULE, "tags": ["v*"]})
    world.settings = replace(world.settings, tag_source="metadata")
    world.bucket.given[KEY] = {"tag": tag}

    assert ended(world, arrive(world)) == end


def test_the_decision_is_kept_with_the_version_of_the_rules() -> None:
    world = World()
    version = put(world, RULE)
    upload = arrive(world)

    record = world.record(upload)
    assert record.state is State.AVAILABLE
    assert (record.access["rule"], record.access["rules_version"]) == ("team", version)


def test_a_stranger_is_refused_before_the_archive_is_read() -> None:
    world = world_with({**RULE, "principals": [{"role_id": "AROASOMEBODYELSE"}]})
    upload = arrive(world)

    assert ended(world, upload) == (State.REJECTED, "UPLOADER_DENIED")
    assert not world.bucket.reads
    assert not world.ecr.calls
    assert world.bus.taken[-1].detail["facts"]["rules_version"]


def test_a_session_name_lets_nobody_in() -> None:
    world = world_with({**RULE, "principals": [{"role_id": "producer"}]})

    assert ended(world, arrive(world)) == (State.REJECTED, "UPLOADER_DENIED")


def test_a_name_in_the_archive_is_only_a_candidate() -> None:
    world = world_with({**RULE, "tags": ["v*"]})
    upload = arrive(world)

    assert ended(world, upload) == (State.REJECTED, "UPLOADER_DENIED")
    assert not world.ecr.calls


@pytest.mark.parametrize("content", [b"", b"{}", b'{"version": 1, "rules": [{"name": "x"}]}'])
def test_rules_that_cannot_be_read_let_nobody_in(content: bytes) -> None:
    world = World()
    world.bucket.put("access/rules.json", content)

    assert ended(world, arrive(world)) == (State.REJECTED, "RULES_INVALID")


def test_rules_of_a_mebibyte_are_too_long() -> None:
    world = World()
    world.bucket.put("access/rules.json", bytes((1 << 20) + 1))

    assert ended(world, arrive(world)) == (State.REJECTED, "RULES_INVALID")


def test_rules_that_do_not_answer_are_asked_for_again() -> None:
    world = world_with(RULE)
    world.broken.add("s3.document")
    upload = world.upload(KEY, SOUND)
    world.run(seconds=5)
    world.broken.clear()
    world.run()

    assert world.state(upload) is State.AVAILABLE


def test_a_rule_taken_away_after_acceptance_stops_the_publication() -> None:
    world = world_with(RULE)
    upload = world.upload(KEY, SOUND)
    until(world, upload, State.PUBLISHING)
    version = put(world, {**RULE, "prefix": "uploads/other/"})
    world.run()

    assert ended(world, upload) == (State.REJECTED, "UPLOADER_DENIED")
    assert world.record(upload).facts["rules_version"] == version
    assert world.bus.types()[-1] == "Upload Rejected"
    assert world.ecr.count()["PutImage"] == 0


@pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.KILLED_AFTER])
def test_a_rule_taken_away_after_an_image_was_put_unheard_fails_and_does_not_reject(fault: Fault) -> None:
    """Rejected promises that nothing was published; whoever put the image never heard that it is there."""
    twin = world_with(RULE)
    arrive(twin)
    world = world_with(RULE)
    world.planned = Planned(1 + twin.calls.index("ecr.put_manifest"), fault)
    upload = world.upload(KEY, SOUND)
    while not world.ecr.count()["PutImage"]:
        world.step()
    put(world, {**RULE, "prefix": "uploads/other/"})
    world.clock.seconds += world.settings.rules_age
    world.run()

    assert world.ecr.repository(SOURCE, APP).tags
    assert world.ecr.count()["PutImage"] == 1
    assert ended(world, upload) == (State.FAILED, "UPLOADER_DENIED")
    assert world.bus.types()[-1] == "Upload Failed"


def test_rules_are_believed_for_their_stated_age_and_no_longer() -> None:
    world = world_with(RULE)
    arrive(world)
    put(world, {**RULE, "prefix": "uploads/other/"})
    world.clock.seconds += world.settings.rules_age
    second = arrive(world)

    assert ended(world, second) == (State.REJECTED, "UPLOADER_DENIED")


def test_a_rule_that_does_not_create_leaves_a_missing_repository_missing() -> None:
    world = world_with({**RULE, "create_repositories": False})

    assert ended(world, arrive(world)) == (State.REJECTED, "REPOSITORY_ABSENT")
    assert world.ecr.count()["CreateRepository"] == 0


def test_a_demanded_destination_that_replication_does_not_reach_rejects() -> None:
    world = world_with({**RULE, "destinations": ["777788889999/eu-west-1"]})

    assert ended(world, arrive(world)) == (State.REJECTED, "DESTINATION_REQUIRED")
    assert world.ecr.count()["InitiateLayerUpload"] == 0


def test_a_demanded_destination_that_replication_reaches_is_no_hindrance() -> None:
    world = world_with({**RULE, "destinations": [str(NEAR)]})

    assert ended(world, arrive(world)) == (State.AVAILABLE, "")


def test_the_bytes_of_a_day_are_limited() -> None:
    world = world_with({**RULE, "limits": {"bytes_a_day": 2 * len(SOUND)}})
    uploads = [arrive(world, f"uploads/team/app/app-{number}.tar") for number in range(3)]

    assert [ended(world, upload)[1] for upload in uploads] == ["", "", "LIMIT_DAY"]
    world.clock.seconds += 86_400
    assert ended(world, arrive(world, "uploads/team/app/app-9.tar")) == (State.AVAILABLE, "")


def test_a_notification_told_twice_counts_once() -> None:
    world = world_with({**RULE, "limits": {"bytes_a_day": len(SOUND)}})
    version = world.bucket.put(KEY, SOUND)
    for _ in range(3):
        world.queues.deliver("uploads", json.dumps(world.notification(version)))
    world.run()

    assert world.bus.types()[-1] == "Image Available"


def test_uploads_at_once_are_limited_and_free_again_when_they_end() -> None:
    world = world_with({**RULE, "limits": {"uploads_at_once": 1}})
    first, second = (world.upload(f"uploads/team/app/app-{number}.tar", SOUND) for number in range(2))
    world.run()

    assert sorted(ended(world, upload)[1] for upload in (first, second)) == ["", "LIMIT_AT_ONCE"]
    assert ended(world, arrive(world, "uploads/team/app/app-3.tar")) == (State.AVAILABLE, "")


def test_two_decisions_on_the_same_view_do_not_both_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard's revision: of two acceptances that saw nobody, the later one sees the earlier."""
    world = world_with({**RULE, "limits": {"uploads_at_once": 1}})
    first = world.upload("uploads/team/app/app-1.tar", SOUND)
    write = FakeTable.write
    intruding: list[str] = []

    def intrude(table: FakeTable, changes: Any) -> None:
        if not intruding and any(change.key.pk.startswith("used#") for change in changes):
            intruding.append(world.upload("uploads/team/app/app-2.tar", SOUND))
            invoked = len(world.invocations)
            while RECEIVE not in world.invocations[invoked:]:
                world.step()
        write(table, changes)

    monkeypatch.setattr(FakeTable, "write", intrude)
    world.run()

    codes = [ended(world, upload)[1] for upload in (first, *intruding)]
    assert sorted(codes) == ["", "LIMIT_AT_ONCE"]


def test_limits_cost_nothing_where_no_rule_has_them() -> None:
    world = world_with(RULE)
    arrive(world)

    assert not [pk for pk, _ in world.table.rows if pk.startswith("used#")]


def test_a_world_without_rules_is_as_before() -> None:
    world = World()
    world.settings = replace(world.settings, rules_key="access/none.json")

    assert ended(world, arrive(world)) == (State.AVAILABLE, "")
