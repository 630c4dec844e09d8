"""What the sweep finds has nobody's name on it: it is not denied for that as long as S3 may still name somebody."""

from __future__ import annotations

import json
from pathlib import Path

from chalicelib.access.admission import _TOLD_WITHIN
from chalicelib.names import UPLOADS
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.state.upload import State, upload_id
from tests.unit.pipeline.test_admission import KEY, RULE, SOUND, ended, world_with
from tests.world import World

FOUNDATION = Path(__file__).parents[3] / ".chalice" / "foundation.json"
A_WHILE = 2_700.0  # in which the sweep finds the object several times


def pass_by(world: World, seconds: float) -> None:
    """Let time go on, and the sweep be run in it, though no message is waiting for it."""
    until = world.clock.now() + seconds
    while world.clock.now() < until:
        world.clock.seconds += 300.0
        world.run_sweep()
        world.run(seconds=1.0)


def unheard_of(rule: dict[str, object]) -> tuple[World, ObjectVersion]:
    world = world_with(rule)
    version = world.bucket.put(KEY, SOUND)
    pass_by(world, A_WHILE)
    return world, version


def test_a_late_notification_names_the_uploader_of_what_the_sweep_had_found() -> None:
    world, version = unheard_of(RULE)
    assert "found an upload without a notification" in {line[1] for line in world.log.lines}
    assert world.state_or_none(upload_id(version, "uploads/")) is None

    world.queues.deliver(UPLOADS, world.notification_text(version))
    world.run()
    assert ended(world, upload_id(version, "uploads/")) == (State.AVAILABLE, "")


def test_whoever_is_not_named_in_the_end_is_denied() -> None:
    world, version = unheard_of(RULE)
    pass_by(world, _TOLD_WITHIN)

    assert ended(world, upload_id(version, "uploads/")) == (State.REJECTED, "UPLOADER_DENIED")
    assert not any(world.queues.messages.values())


def test_a_rule_for_anybody_does_not_wait_for_a_name() -> None:
    world, version = unheard_of({**RULE, "principals": ["any"]})

    assert world.state(upload_id(version, "uploads/")) in {State.CONFIRMING, State.AVAILABLE}


def test_a_notification_is_a_dead_letter_before_the_wait_for_it_is_over() -> None:
    queue = json.loads(FOUNDATION.read_text())["Resources"]["UploadsQueue"]["Properties"]

    assert queue["VisibilityTimeout"] * queue["RedrivePolicy"]["maxReceiveCount"] + 300 <= _TOLD_WITHIN
