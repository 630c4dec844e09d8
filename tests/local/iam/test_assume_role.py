"""sts:AssumeRole and sts:GetCallerIdentity, through real boto3 clients."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT
from transship.local.clock import ManualClock
from transship.local.iam.authorizer import LocalIam
from transship.local.iam.sts import assume_for_service
from transship.local.protocol_error import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.iam.conftest import World

OWN_ACCOUNT = {"AWS": SOURCE_ACCOUNT}


def error_of(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_user_is_who_their_key_says(world: World) -> None:
    user = world.user("alice")
    true = world.client("iam").get_user(UserName="alice")["User"]

    identity = world.client("sts", user).get_caller_identity()

    assert (identity["Arn"], identity["UserId"]) == (true["Arn"], true["UserId"])
    assert identity["Account"] == SOURCE_ACCOUNT


def test_session_drops_the_path_of_its_role(world: World) -> None:
    role = world.role("pusher", world.trust(OWN_ACCOUNT), Path="/teams/blue/")
    role_id = world.client("iam").get_role(RoleName="pusher")["Role"]["RoleId"]
    session = world.assume(role, RoleSessionName="build-7")

    identity = world.client("sts", session).get_caller_identity()

    assert role.endswith(":role/teams/blue/pusher")
    assert identity["Arn"] == f"arn:aws:sts::{SOURCE_ACCOUNT}:assumed-role/pusher/build-7"
    assert identity["UserId"] == f"{role_id}:build-7"


def test_answer_has_the_documented_shape(world: World) -> None:
    role = world.role("pusher", world.trust(OWN_ACCOUNT))
    before = datetime.now(UTC)

    answer = world.client("sts").assume_role(RoleArn=role, RoleSessionName="session", DurationSeconds=900)

    assert answer["AssumedRoleUser"]["Arn"].endswith(":assumed-role/pusher/session")
    assert answer["AssumedRoleUser"]["AssumedRoleId"].endswith(":session")
    assert answer["Credentials"].keys() == {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert 895 < (answer["Credentials"]["Expiration"] - before).total_seconds() < 930


def test_role_that_does_not_exist_is_denied(world: World) -> None:
    missing = f"arn:aws:iam::{SOURCE_ACCOUNT}:role/missing"

    code, message = error_of(world.client("sts").assume_role, RoleArn=missing, RoleSessionName="session")

    assert code == "AccessDenied"
    assert message.endswith(f"is not authorized to perform: sts:AssumeRole on resource: {missing}")


def test_role_is_not_found_without_its_path(world: World) -> None:
    world.role("pusher", world.trust(OWN_ACCOUNT), Path="/teams/")
    without = f"arn:aws:iam::{SOURCE_ACCOUNT}:role/pusher"

    assert error_of(world.client("sts").assume_role, RoleArn=without, RoleSessionName="session")[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("trusted", "permitted", "works"),
    [
        ("account", True, True),
        ("account", False, False),
        ("user", False, True),
        ("somebody else", True, False),
    ],
)
def test_trust_within_an_account(world: World, trusted: str, permitted: bool, works: bool) -> None:
    principals = {
        "account": OWN_ACCOUNT,
        "user": {"AWS": f"arn:aws:iam::{SOURCE_ACCOUNT}:user/alice"},
        "somebody else": {"AWS": f"arn:aws:iam::{SOURCE_ACCOUNT}:user/bob"},
    }
    statements = [world.allow("sts:AssumeRole")] if permitted else []
    alice = world.user("alice", *statements)
    role = world.role("pusher", world.trust(principals[trusted]))

    if works:
        assert world.assume(role, alice).access_key.startswith("ASIA")
    else:
        arguments = {"RoleArn": role, "RoleSessionName": "session"}
        assert error_of(world.client("sts", alice).assume_role, **arguments)[0] == "AccessDenied"


@pytest.mark.parametrize("trusts", [True, False], ids=["trusting", "not trusting"])
@pytest.mark.parametrize("permitted", [True, False], ids=["permitted", "not permitted"])
def test_other_account_needs_trust_and_permission(world: World, trusts: bool, permitted: bool) -> None:
    role = world.role(
        "read-back", world.trust({"AWS": SOURCE_ACCOUNT if trusts else OTHER_ACCOUNT}), account=OTHER_ACCOUNT
    )
    alice = world.user("alice", world.allow("sts:AssumeRole" if permitted else "sts:GetSessionToken", role))

    if trusts and permitted:
        session = world.assume(role, alice)
        assert world.client("sts", session).get_caller_identity()["Account"] == OTHER_ACCOUNT
    else:
        arguments = {"RoleArn": role, "RoleSessionName": "session"}
        assert error_of(world.client("sts", alice).assume_role, **arguments)[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("given", "works"), [({"ExternalId": "4711"}, True), ({"ExternalId": "4712"}, False), ({}, False)]
)
def test_external_id_must_be_right(world: World, given: dict[str, str], works: bool) -> None:
    condition = {"StringEquals": {"sts:ExternalId": "4711"}}
    role = world.role("read-back", world.trust(OWN_ACCOUNT, Condition=condition))

    if works:
        world.assume(role, **given)
    else:
        arguments = {"RoleArn": role, "RoleSessionName": "session", **given}
        assert error_of(world.client("sts").assume_role, **arguments)[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("arguments", "member", "constraint"),
    [
        ({"DurationSeconds": 899}, "durationSeconds", "greater than or equal to 900"),
        ({"DurationSeconds": 43_201}, "durationSeconds", "less than or equal to 43200"),
        ({"RoleSessionName": "x" * 65}, "roleSessionName", "length less than or equal to 64"),
        ({"RoleSessionName": "a b"}, "roleSessionName", "regular expression pattern"),
        ({"ExternalId": "a b"}, "externalId", "regular expression pattern"),
        ({"Policy": "x" * 2049}, "policy", "length less than or equal to 2048"),
    ],
    ids=["too short", "too long", "long name", "bad name", "bad external id", "long policy"],
)
def test_parameter_out_of_bounds_is_refused(
    world: World, arguments: dict[str, Any], member: str, constraint: str
) -> None:
    role = world.role("pusher", world.trust(OWN_ACCOUNT))

    code, message = error_of(
        world.client("sts").assume_role, **{"RoleArn": role, "RoleSessionName": "session"} | arguments
    )

    assert code == "ValidationError"
    assert f"at '{member}' failed to satisfy constraint: Member must" in message
    assert constraint in message


def test_session_is_not_longer_than_the_role_allows(world: World) -> None:
    role = world.role("pusher", world.trust(OWN_ACCOUNT), MaxSessionDuration=7200)
    world.assume(role, DurationSeconds=7200)

    code, message = error_of(
        world.client("sts").assume_role, RoleArn=role, RoleSessionName="session", DurationSeconds=7201
    )

    assert (code, "MaxSessionDuration" in message) == ("ValidationError", True)


def test_chained_session_lasts_an_hour_at_most(world: World) -> None:
    trust = world.trust(OWN_ACCOUNT)
    first = world.assume(world.role("first", trust, world.allow("sts:AssumeRole")))
    second = world.role("second", trust, MaxSessionDuration=43_200)
    world.assume(second, first, DurationSeconds=3600)

    code, message = error_of(
        world.client("sts", first).assume_role, RoleArn=second, RoleSessionName="session", DurationSeconds=3601
    )

    assert (code, "1 hour session limit" in message) == ("ValidationError", True)


def test_session_policy_must_be_a_policy(world: World) -> None:
    role = world.role("pusher", world.trust(OWN_ACCOUNT))

    code, _ = error_of(world.client("sts").assume_role, RoleArn=role, RoleSessionName="session", Policy='{"a": 1}')

    assert code == "MalformedPolicyDocument"


def test_managed_session_policies_are_joined(world: World) -> None:
    trust = world.trust(OWN_ACCOUNT)
    role = world.role("pusher", trust, world.allow("*"))
    arn = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
    session = world.assume(role, PolicyArns=[{"arn": arn}])

    world.client("sqs", session).list_queues()
    assert error_of(world.client("ecr", session).describe_registry)[0] == "AccessDeniedException"


def test_session_tags_need_tag_session_and_become_principal_tags(world: World) -> None:
    world.create_repository("blue", tags=[{"Key": "team", "Value": "blue"}])
    condition = {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
    allowed = world.allow("ecr:ListImages", Condition=condition)
    plain = world.role("plain", world.trust(OWN_ACCOUNT), allowed)
    tagged = world.role("tagged", world.trust(OWN_ACCOUNT, "sts:AssumeRole", "sts:TagSession"), allowed)
    tags = [{"Key": "team", "Value": "blue"}]

    denied = error_of(world.client("sts").assume_role, RoleArn=plain, RoleSessionName="session", Tags=tags)
    session = world.assume(tagged, Tags=tags)

    assert (denied[0], "sts:TagSession" in denied[1]) == ("AccessDenied", True)
    world.client("ecr", session).list_images(repositoryName="blue")


def test_session_expires(world: World) -> None:
    world.role("pusher", world.trust({"Service": "lambda.amazonaws.com"}))
    clock = ManualClock()
    iam = LocalIam(clock)
    arn = f"arn:aws:iam::{SOURCE_ACCOUNT}:role/pusher"
    session = assume_for_service(iam, "lambda.amazonaws.com", arn, "function")

    clock.advance(3599)
    assert iam.resolve(session.access_key, "eu-west-1").arn == session.arn
    clock.advance(1)
    with pytest.raises(LookupError):
        iam.resolve(session.access_key, "eu-west-1")


def test_service_assumes_only_roles_that_trust_it(world: World) -> None:
    arn = world.role("pusher", world.trust({"Service": "lambda.amazonaws.com"}))

    with pytest.raises(AwsError, match=r"cannot be assumed by events\.amazonaws\.com"):
        assume_for_service(world.aws.iam, "events.amazonaws.com", arn, "rule")
