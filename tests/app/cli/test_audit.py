"""Audit records: who, what digest, when, where verified."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chalicelib.outcome.audit import months
from chalicelib.state.upload import State
from tests import archives
from tests.world import World
from transship.audit import audit_records

KEY = "uploads/team/app/app-1.4.tar"
SOUND = archives.docker_save(archives.image("hello"))
NOW = datetime(2027, 3, 1, tzinfo=UTC)


def ended(world: World, content: bytes = SOUND) -> str:
    upload = world.upload(KEY, content)
    world.run()
    return upload


def test_a_record_names_who_what_when_and_where() -> None:
    world = World()
    upload = ended(world)

    (record,) = audit_records(world.table, now=NOW)
    assert (record["upload"], record["principal"], record["status"]) == (
        upload,
        "AWS:AROAEXAMPLE:producer",
        "available",
    )
    (image,) = record["images"]
    assert image["digest"].startswith("sha256:")
    assert [(one["region"], one["status"], one["tags_verified"]) for one in image["destinations"]] == [
        ("eu-west-1", "verified", True),
        ("eu-central-1", "verified", True),
    ]
    assert record["received"] <= record["accepted"] <= record["published"] <= record["ended"]


def test_what_did_not_happen_has_no_time() -> None:
    world = World()
    ended(world, b"")

    (record,) = audit_records(world.table, now=NOW)
    assert (record["status"], record["code"]) == ("rejected", "EMPTY_OBJECT")
    assert (record["accepted"], record["published"], record["images"]) == (None, None, [])


def test_records_come_in_the_order_of_their_ends_and_older_ones_are_left_out() -> None:
    world = World()
    first = ended(world)
    world.clock.seconds += 10
    second = ended(world, b"")
    records = list(audit_records(world.table, now=NOW))

    assert [record["upload"] for record in records] == [first, second]
    since = datetime.fromisoformat(records[0]["ended"])
    assert [record["upload"] for record in audit_records(world.table, since=since, now=NOW)] == [second]


def test_records_outlive_the_upload() -> None:
    world = World()
    upload = ended(world)
    days = {
        place: ((row.expires or 0.0) - world.clock.now()) / 86_400
        for place, row in world.table.rows.items()
        if place[0].startswith(("upload#", "audit#"))
    }

    assert all(89 < left < 92 for place, left in days.items() if place[0] == f"upload#{upload}"), "every part expires"
    assert [left for place, left in days.items() if place[0].startswith("audit#")] == [pytest.approx(730, abs=1)]


def test_an_upload_of_many_images_fits_into_the_table() -> None:
    world = World()
    images = [archives.image(f"{number}", tags=(f"app{number}:1",)) for number in range(45)]
    upload = ended(world, archives.docker_save(*images))

    assert world.state(upload) is State.AVAILABLE
    parts = list(audit_records(world.table, now=NOW))
    assert [(record["part"], len(record["images"])) for record in parts] == [(0, 40), (1, 5)]


def test_months_follow_each_other() -> None:
    assert list(months(datetime(2026, 11, 30, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))) == [
        "audit#2026-11",
        "audit#2026-12",
        "audit#2027-01",
    ]
