"""In the local AWS: a bus that takes nothing, or not everything, and a notification that never came."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.state.upload import State
from tests.acceptance.scene import HOUR, SOUND, Scene
from tests.acceptance.situations import bus_out_of_order, one_entry_refused, without_notifications
from tests.acceptance.test_replicas import ALL_FINE, counts
from transship.local.s3.buckets import find, open_bucket

pytestmark = [pytest.mark.check, pytest.mark.timeout(300)]


def test_a_bus_out_of_order_delays_what_is_told_and_nothing_that_is_done(scene: Scene) -> None:
    with bus_out_of_order(scene.stage):
        seen = scene.push("uploads/team/unheard/x.tar", SOUND)
        scene.sweep()
        scene.listen()
        assert not scene.heard_of(seen.upload.id)

    assert seen.upload.state is State.AVAILABLE
    scene.sweep()
    assert counts(scene.heard(seen)) == ALL_FINE
    scene.sweep()
    scene.listen()
    assert {scene.copies[event.detail["id"]] for event in seen.events} == {1}


def test_one_entry_of_three_that_is_refused_is_sent_again_alone(scene: Scene) -> None:
    with one_entry_refused(scene.stage, 1, entries=3) as refused:
        seen = scene.push("uploads/team/refused/x.tar", SOUND)
        others = {event.detail["id"] for event in seen.events} - set(refused)
        scene.until(lambda: scene.listen() is not None and others <= scene.events.keys())
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
