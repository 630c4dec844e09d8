"""What our roles may, as the pipeline asks it: before the first write, again before PutImage, and at what price."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from chalicelib.errors import TemporaryError
from chalicelib.names import CONFIRM, PUBLISH, PUSH, RECEIVE
from chalicelib.oci.reference import RepositoryName
from chalicelib.replacing import replace
from chalicelib.state.upload import State
from tests import archives
from tests.fakes.registry import Call
from tests.world import SOURCE, World

KEY = "uploads/team/app/app-1.4.tar"
APP = RepositoryName("team/app")
SOUND = archives.docker_save(archives.image("hello"))
WRITES = {"CreateRepository", "InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage"}


def world_with(**settings: object) -> World:
    world = World()
    world.settings = replace(world.settings, **settings)  # type: ignore[arg-type]
    return world


def arrive(world: World) -> str:
    upload = world.upload(KEY, SOUND)
    world.run()
    return upload


def until(world: World, upload: str, state: State) -> None:
    while world.state_or_none(upload) is not state:
        world.step()


@pytest.mark.parametrize("later", [1.0, 3600.0], ids=["at once", "when every verdict is old"])
def test_a_receive_of_what_is_there_already_makes_few_calls(later: float) -> None:
    world = World()
    arrive(world)
    world.clock.seconds += later
    again = world.upload(KEY, SOUND)
    before, invoked = len(world.calls), len(world.invocations)
    while RECEIVE not in world.invocations[invoked:]:
        world.step()

    apart = {"sqs.change_visibility", "s3.read"}  # of the message, and of the archive's index
    services = Counter(call.partition(".")[0] for call in world.calls[before:] if call not in apart)
    assert services["ecr"] == 2
    assert services.total() - services["ecr"] <= 4
    assert services["iam"] == 0
    world.run()
    assert (world.state(again), {PUSH, PUBLISH} & set(world.invocations[invoked:])) == (State.AVAILABLE, set())


def test_what_is_there_already_goes_the_long_way_where_receive_may_not_look() -> None:
    world = World()
    arrive(world)
    world.clock.seconds += 3600  # the verdict on the roles is old
    world.identity.denied.add((RECEIVE, "ecr:BatchGetImage"))
    world.ecr.denied.add("BatchGetImage")
    again = world.upload(KEY, SOUND)
    world.run()

    assert (world.state(again), world.record(again).code) == (State.REJECTED, "PERMISSION_MISSING")


def test_a_denial_is_recorded_with_its_source_and_what_mends_it() -> None:
    world = World()
    world.identity.denied.add((PUBLISH, "ecr:PutImage"))
    upload = arrive(world)

    (denied,) = world.record(upload).preflight["denied"]
    assert (denied["function"], denied["action"], denied["decision"], denied["by"]) == (
        PUBLISH, "ecr:PutImage", "implicitDeny", "simulator",
    )  # fmt: skip
    assert any(facts.get("action") == "ecr:PutImage" for _, _, facts in world.log.lines), "it is in the log"
    (mend,) = (facts for _, _, facts in world.log.lines if "attach_to" in facts)
    assert mend["statement"]["Action"] == "ecr:PutImage", "what to add is, too"
    assert not WRITES & set(world.ecr.count())


def test_a_repository_policy_that_denies_rejects_before_anything_is_written() -> None:
    world = World()
    world.ecr.create(SOURCE, APP)
    statement = {"Sid": "Frozen", "Effect": "Deny", "Principal": "*", "Action": "ecr:PutImage"}
    world.ecr.policies[f"{SOURCE}/{APP}"] = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    upload = arrive(world)

    assert (world.state(upload), world.record(upload).code) == (State.REJECTED, "PERMISSION_MISSING")
    assert "Frozen" in str(world.bus.taken[-1].detail["facts"]["denied"][0]["source"])
    assert not WRITES & set(world.ecr.count())


def test_what_cannot_be_found_out_rejects_and_says_so() -> None:
    world = World()
    world.ecr.create(SOURCE, APP)
    world.ecr.denied.add("GetRepositoryPolicy")
    upload = arrive(world)

    assert (world.state(upload), world.record(upload).code) == (State.REJECTED, "PREFLIGHT_UNKNOWN")
    assert not WRITES & set(world.ecr.count())


def test_an_outage_of_iam_is_waited_for() -> None:
    world = World()
    world.broken.add("iam.simulate")
    upload = world.upload(KEY, SOUND)
    world.run(seconds=40)
    assert world.state(upload) is State.RECEIVED

    world.broken.clear()
    world.run()

    assert world.state(upload) is State.AVAILABLE


def test_a_long_outage_of_iam_rejects_and_says_that_it_is_none_of_the_uploader() -> None:
    world = World()
    world.broken.add("iam.simulate")
    upload = arrive(world)

    assert (world.state(upload), world.record(upload).code) == (State.REJECTED, "PREFLIGHT_UNKNOWN")


@pytest.mark.parametrize("operation", ["GetAuthorizationToken", "DescribeRepositories", "DescribeRegistry"])
def test_a_look_that_is_denied_rejects_with_the_statement_to_add(operation: str) -> None:
    world = World()
    world.ecr.denied.add(operation)
    upload = arrive(world)

    assert (world.state(upload), world.record(upload).code) == (State.REJECTED, "PERMISSION_MISSING")
    (addition,) = world.bus.taken[-1].detail["facts"]["statements"]
    assert addition["statement"]["Action"] == f"ecr:{operation}"
    assert not WRITES & set(world.ecr.count())


def test_permission_revoked_after_acceptance_stops_the_publication() -> None:
    world = World()
    upload = world.upload(KEY, SOUND)
    until(world, upload, State.PUBLISHING)
    world.identity.denied.add((PUBLISH, "ecr:PutImage"))
    world.clock.seconds += world.settings.preflight_age
    world.run()

    record = world.record(upload)
    assert (record.state, record.code) == (State.REJECTED, "PERMISSION_MISSING")
    assert world.bus.taken[-1].detail["facts"]["statements"][0]["statement"]["Action"] == "ecr:PutImage"
    assert world.ecr.count()["PutImage"] == 0


def test_a_revocation_that_is_taken_back_is_noticed() -> None:
    world = World()
    upload = world.upload(KEY, SOUND)
    until(world, upload, State.PUBLISHING)
    world.identity.denied.add((PUBLISH, "ecr:PutImage"))
    world.clock.seconds += world.settings.preflight_age
    world.step()
    world.identity.denied.clear()
    world.run()

    assert world.state(upload) is State.AVAILABLE


def test_a_repository_frozen_during_the_push_gets_no_image() -> None:
    world = World()
    upload = world.upload(KEY, SOUND)
    until(world, upload, State.PUBLISHING)
    statement = {"Effect": "Deny", "Principal": "*", "Action": "ecr:PutImage"}
    world.ecr.policies[f"{SOURCE}/{APP}"] = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.clock.seconds += world.settings.preflight_age
    world.run()

    assert world.state(upload) is State.REJECTED
    assert world.ecr.count()["PutImage"] == 0


def test_without_asking_nothing_is_simulated() -> None:
    world = world_with(preflight="off")
    world.identity.denied.add((PUBLISH, "ecr:PutImage"))
    upload = arrive(world)

    assert (world.state(upload), world.identity.asked) == (State.AVAILABLE, 0)
    assert world.record(upload).preflight["mode"] == "off"


def test_probes_make_no_difference_and_are_told_from_certainty() -> None:
    world = world_with(preflight="probe")
    upload = arrive(world)

    assert (world.state(upload), world.identity.asked) == (State.AVAILABLE, 0)
    assert "push: ecr:InitiateLayerUpload" in world.record(upload).preflight["untold"]
    assert world.ecr.count()["InitiateLayerUpload"] == 2, "one layer and the config: a probe never begins an upload"
    assert len(world.ecr.repository(SOURCE, APP).images) == 1


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (PUSH, "BatchCheckLayerAvailability"),
        (PUSH, "UploadLayerPart"),
        (PUSH, "CompleteLayerUpload"),
        (PUBLISH, "PutImage"),
    ],
)
def test_a_probe_finds_what_is_denied_before_anything_is_stored(function: str, operation: str) -> None:
    world = world_with(preflight="probe")
    upload = world.upload(KEY, SOUND)
    until(world, upload, State.ACCEPTED if function == PUSH else State.PUBLISHING)
    world.ecr.denied.add(operation)
    begun = world.ecr.count()["InitiateLayerUpload"]
    world.run()

    record = world.record(upload)
    assert (record.state, record.code) == (State.REJECTED, "PERMISSION_MISSING")
    assert record.facts["statements"][0]["statement"]["Action"] == f"ecr:{operation}"
    assert world.ecr.count()["InitiateLayerUpload"] == begun
    assert not world.ecr.repository(SOURCE, APP).images


@pytest.mark.parametrize("function", [RECEIVE, PUSH, PUBLISH, CONFIRM])
def test_a_function_under_another_role_does_nothing(function: str) -> None:
    world = World()
    upload = world.upload(KEY, SOUND)
    world.identity.impostor = function
    world.run()

    record = world.record(upload)
    assert record.code == "IDENTITY_MISMATCH"
    assert record.state is (State.FAILED if function == CONFIRM else State.REJECTED)


def test_a_function_of_another_stage_does_nothing() -> None:
    world = World()
    world.deployment = replace(world.deployment, function="transship-other-receive")
    upload = arrive(world)

    assert world.record(upload).code == "IDENTITY_MISMATCH"


@pytest.mark.parametrize(
    "elsewhere",
    [{"account": "444455556666"}, {"partition": "aws-cn"}, {"region": "eu-west-1"}],
    ids=str,
)
def test_a_function_whose_calls_go_elsewhere_than_its_arn_says_does_nothing(elsewhere: dict[str, str]) -> None:
    world = World()
    for name, value in elsewhere.items():
        setattr(world.identity, name, value)
    upload = arrive(world)

    assert world.record(upload).code == "IDENTITY_MISMATCH"
    assert world.ecr.calls == []


def test_a_step_that_is_denied_although_it_was_allowed_publishes_nothing() -> None:
    """The simulator is advice: what counts is the call."""
    world = World()
    upload = world.upload(KEY, SOUND)
    until(world, upload, State.PUBLISHING)

    def deny(call: Call) -> None:
        if call.operation == "PutImage":
            world.ecr.denied.add("PutImage")

    world.ecr.on_call = deny
    world.run()

    record = world.record(upload)
    assert (record.state, record.code, record.facts["action"]) == (State.FAILED, "ACCESS_DENIED", "ecr:PutImage")
    assert not world.ecr.repository(SOURCE, APP).images


def test_an_unanswered_policy_is_asked_for_again() -> None:
    world = World()
    world.ecr.create(SOURCE, APP)
    failed: list[Call] = []

    def fail_once(call: Call) -> None:
        if call.operation == "GetRepositoryPolicy" and not failed:
            failed.append(call)
            raise TemporaryError("not now")

    world.ecr.on_call = fail_once
    upload = arrive(world)

    assert world.state(upload) is State.AVAILABLE
