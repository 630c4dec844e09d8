"""In the local AWS: a bus that takes nothing, or not everything, and a notification that never came."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from chalicelib.state.upload import State
from tests.acceptance.scene import HOUR, SOUND, Scene
from tests.acceptance.situations import (
    FAR,
    HELD,
    bus_out_of_order,
    faults,
    one_entry_refused,
    without_notifications,
)
from tests.acceptance.test_replicas import ALL_FINE, counts
from transship.local.s3.buckets import find, open_bucket

pytestmark = [pytest.mark.check, pytest.mark.timeout(300)]


QUARTERS = 4
"""Parts of the hour for which the bus is out of order; after each the sweep, which runs every five minutes, tries."""


def test_a_bus_out_of_order_for_an_hour_delays_what_is_told_and_nothing_that_is_done(scene: Scene) -> None:
    """From the upload on; what was decided meanwhile, a warning among it, is told afterwards: once, as it was put."""
    with faults(scene.stage, HELD), bus_out_of_order(scene.stage) as bus:
        upload = scene.put("uploads/team/unheard/x.tar", SOUND)
        scene.confirming(upload, waiting=FAR)
        for _ in range(QUARTERS):
            scene.age(upload, HOUR / QUARTERS)
            refused = bus.refused
            scene.sweep()
            assert bus.refused > refused, "the sweep has tried"
        scene.until(lambda: (standing := scene.look(upload)) and standing.upload.late)
        scene.stage.aws.ecr.hurry()
        seen = scene.await_end(upload)
        scene.await_quiet()
        scene.listen()
        assert not scene.heard_of(upload), "nobody has heard of it"
        assert seen.upload.state is State.AVAILABLE
        assert seen.upload.ended - seen.upload.received >= HOUR

        bus.mend()
        scene.sweep()
        heard = scene.heard(seen)
        scene.sweep()
        scene.listen()

    assert counts(heard) == {**ALL_FINE, "Image Late": 1}
    for identity in (event.detail["id"] for event in seen.events):
        (text,) = bus.texts[identity]
        assert (bus.taken[identity], scene.copies[identity]) == (1, 1)
        assert scene.events[identity]["detail"] == json.loads(text)


def test_one_entry_of_three_that_is_refused_is_sent_again_alone(scene: Scene) -> None:
    with one_entry_refused(scene.stage, 1, entries=3) as refused:
        seen = scene.push("uploads/team/refused/x.tar", SOUND)
        told = {event.detail["id"] for event in seen.events}
        # An upload has ended before its last events are put.
        scene.until(lambda: scene.listen() is not None and refused and told - set(refused) <= scene.events.keys())
        assert len(refused) == 1
        assert refused[0] not in scene.events

    scene.sweep()
    assert counts(scene.heard(seen)) == ALL_FINE
    assert {scene.copies[event.detail["id"]] for event in seen.events} == {1}


def test_an_upload_whose_notification_was_lost_is_found(scene: Scene) -> None:
    key = "uploads/team/unnoticed/x.tar"
    with without_notifications(scene.stage):
        upload = scene.put(key, SOUND)
    scene.sweep()
    assert scene.look(upload) is None, "its notification may still be on its way"

    stored = find(open_bucket(scene.stage.deployment.bucket, None), key, None)
    stored.last_modified -= timedelta(seconds=HOUR)
    scene.sweep()

    seen = scene.await_end(upload)
    assert seen.upload.state is State.AVAILABLE
    assert counts(scene.heard(seen)) == ALL_FINE
