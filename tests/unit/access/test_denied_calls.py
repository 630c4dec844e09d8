"""A call that AWS denied although nobody foresaw it: whose statement is lacking where, from AWS's own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pytest

from chalicelib.access.denied_look import explained
from chalicelib.errors import Code, FailedError, FinalError, RefusedError
from chalicelib.names import CONFIRM, PUBLISH, PUSH, RECEIVE, function_name
from chalicelib.outside import Outside
from chalicelib.replacing import replace
from chalicelib.settings import Reader
from tests.world import World

HOME, AWAY = "111122223333", "444455556666"
APP: Final = f"arn:aws:ecr:us-east-1:{HOME}:repository/team/app"
THEIR_APP: Final = APP.replace(HOME, AWAY)
WRITER: Final = f"arn:aws:iam::{AWAY}:role/transship-test-push-here"
OBJECT: Final = "arn:aws:s3:::transship-test-111122223333-us-east-1/uploads/team/app/app.tar"


def role(function: str, *, path: str = "") -> str:
    return f"arn:aws:iam::{HOME}:role/{path}transship-test-{function}"


@dataclass(frozen=True)
class Denied:
    """
    A denial.

    Attributes:
        function: That met it.
        resource: What our own code says that the call was about.
        words: How AWS's message ends, after the action.
        places: (what the statement is attached to, whose it is) in their order.
        writer: Whether the target account is written through a role there; else by our own roles.
    """

    function: str
    action: str
    resource: str
    words: str
    places: tuple[tuple[str, str], ...]
    account: str = HOME
    writer: bool = False


IDENTITY, REPOSITORY, TRUST = "identity-based policy", "repository policy", "trust policy"
SITUATIONS: Final = {
    "our own repository": Denied(
        PUBLISH, "ecr:PutImage", APP, f"on resource: {APP} because no identity-based policy allows the ecr:PutImage "
        "action", ((IDENTITY, role(PUBLISH, path="service/")),),
    ),
    "our own repository, without a reason": Denied(
        PUSH, "ecr:UploadLayerPart", APP, f"on resource: {APP}", ((IDENTITY, role(PUSH)),)
    ),
    "a statement that denies": Denied(
        PUSH, "ecr:UploadLayerPart", APP, f"on resource: {APP} with an explicit deny in a resource-based policy", ()
    ),
    "their repository, whose policy lacks it": Denied(
        PUBLISH, "ecr:PutImage", THEIR_APP, f"on resource: {THEIR_APP} because no resource-based policy allows the "
        "ecr:PutImage action", ((REPOSITORY, THEIR_APP),), AWAY,
    ),
    "their repository, for which our role lacks it": Denied(
        PUBLISH, "ecr:PutImage", THEIR_APP, f"on resource: {THEIR_APP} because no identity-based policy allows the "
        "ecr:PutImage action", ((IDENTITY, role(PUBLISH, path="service/")),), AWAY,
    ),
    "their repository, without a reason": Denied(
        PUSH, "ecr:UploadLayerPart", THEIR_APP, f"on resource: {THEIR_APP}",
        ((IDENTITY, role(PUSH)), (REPOSITORY, THEIR_APP)), AWAY,
    ),
    "their repository through their role": Denied(
        PUBLISH, "ecr:PutImage", THEIR_APP, f"on resource: {THEIR_APP}", ((IDENTITY, WRITER),), AWAY, writer=True
    ),
    "their role, simulated": Denied(
        RECEIVE, "iam:SimulatePrincipalPolicy", WRITER, f"on resource: {WRITER}", ((IDENTITY, WRITER),), AWAY,
        writer=True,
    ),
    "their role, not assumed": Denied(
        PUSH, "sts:AssumeRole", WRITER, f"on resource: {WRITER}", ((IDENTITY, role(PUSH)), (TRUST, WRITER)), AWAY,
        writer=True,
    ),
    "the archive, in quotation marks as S3 has it": Denied(
        PUSH, "s3:GetObjectVersion", "bucket/key", f'on resource: "{OBJECT}" because no identity-based policy allows '
        "the s3:GetObjectVersion action", ((IDENTITY, role(PUSH)),), AWAY, writer=True,
    ),
    "the archive, of which AWS says nothing": Denied(PUSH, "s3:GetObjectVersion", "bucket/key", "", ()),
    "the registry, which is no resource": Denied(
        RECEIVE, "ecr:DescribeRegistry", "*", "on resource: * because no identity-based policy allows it",
        ((IDENTITY, role(RECEIVE, path="service/")),),
    ),
    "the table": Denied(
        CONFIRM, "dynamodb:Query", "transship-test", "on resource: arn:aws:dynamodb:us-east-1:111122223333:table/x",
        ((IDENTITY, role(CONFIRM)),),
    ),
}  # fmt: skip


def outside(denied: Denied) -> Outside:
    target = "" if denied.account == HOME else denied.account
    world = World()
    writers = {AWAY: Reader(WRITER, "4711")} if denied.writer else {}
    world.settings = replace(world.settings, target_account=target, writers=writers)
    made = world.outside()
    name = function_name("test", denied.function)
    return replace(made, deployment=replace(made.deployment, function=name, target_account=target))


@pytest.mark.parametrize("denied", SITUATIONS.values(), ids=SITUATIONS)
def test_says_which_statement_is_lacking_where(denied: Denied) -> None:
    words = f"User: somebody is not authorized to perform: {denied.action} {denied.words}"
    error = FailedError(
        Code.ACCESS_DENIED, words, facts={"action": denied.action, "resource": denied.resource}, member="layer.tar"
    )
    told = explained(outside(denied), error)

    assert (type(told), told.code, told.detail, told.member) == (FailedError, Code.ACCESS_DENIED, words, "layer.tar")
    assert (told.facts["action"], told.facts["resource"]) == (denied.action, denied.resource)
    (finding,) = told.facts["denied"]
    assert (finding["function"], finding["action"]) == (denied.function, denied.action)
    found = [(one["attach_to"], one.get("repository") or one["role"]) for one in told.facts["statements"]]
    assert tuple(found) == denied.places
    for one in told.facts["statements"]:
        assert one["statement"]["Action"] == denied.action
        assert str(one["statement"].get("Resource", "arn:")).startswith(("arn:", "*"))


OTHERS: Final[dict[str, FinalError]] = {
    "no denial": FailedError(Code.KMS, "the key is gone", facts={"action": "ecr:PutImage"}),
    "a refusal of ours": RefusedError(Code.UPLOADER_DENIED, "no rule"),
    "a denial of which nothing is known": FailedError(Code.ACCESS_DENIED, "denied"),
}


@pytest.mark.parametrize("error", OTHERS.values(), ids=OTHERS)
def test_everything_else_stays_as_it_is(error: FinalError) -> None:
    facts: dict[str, Any] = dict(error.facts)

    assert explained(World().outside(), error) is error
    assert error.facts == facts
