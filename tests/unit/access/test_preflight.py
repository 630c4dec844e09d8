"""What preflight answers in IAM's situations: the decision, its source, and a statement that really mends it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.access.judgement import Outcome, Place, Source
from chalicelib.access.needs import BESIDES, HEAL, ON_ANYTHING, needs
from chalicelib.at_once import Each, at_once
from chalicelib.errors import Code, FailedError, TemporaryError
from chalicelib.names import CONFIRM, PUBLISH, PUSH, RECEIVE
from chalicelib.replacing import replace
from chalicelib.settings import Reader, Settings
from tests.unit.access.scene import (
    APP_ARN,
    AWAY,
    EVERYTHING,
    HEALER,
    HOME,
    KEY,
    NEAR_ARN,
    READER,
    Scene,
    document,
    refused,
)

PUT = "ecr:PutImage"
PART = "ecr:UploadLayerPart"
REPOSITORY = f"{HOME}/us-east-1/team/app"
REGISTRY = f"{HOME}/us-east-1"
ROLE = f"arn:aws:iam::{HOME}:role/service/transship-test-publish"
SESSION = f"arn:aws:sts::{HOME}:assumed-role/transship-test-publish/transship-test-publish"
WRITER = f"arn:aws:iam::{AWAY}:role/team/push-here"
AWAY_APP = APP_ARN.replace(HOME, AWAY)
Change = Callable[[Scene], object]


@dataclass(frozen=True)
class Denied:
    """What the verdict must say of one action."""

    function: str
    action: str
    outcome: Outcome
    source: Source
    mended_at: tuple[Place, ...] = ()
    resource: str = APP_ARN
    mentions: str = ""
    look: str = ""  # of ours that was itself denied


def missing(function: str, action: str, resource: str = APP_ARN, **more: Any) -> Denied:
    mended_at = more.pop("mended_at", (Place.IDENTITY,))
    return Denied(function, action, Outcome.IMPLICIT_DENY, Source.SIMULATOR, mended_at, resource, **more)


def explicit(source: Source, mentions: str = "", action: str = PUT, function: str = PUBLISH) -> Denied:
    return Denied(function, action, Outcome.EXPLICIT_DENY, source, mentions=mentions)


def unknown(source: Source, mentions: str, action: str = PUT, function: str = PUBLISH) -> Denied:
    return Denied(function, action, Outcome.UNKNOWN, source, mentions=mentions)


def allow(action: str | list[str], resource: str | list[str] = APP_ARN, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str, resource: str | None = APP_ARN, **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, **({"Resource": resource} if resource else {}), **more}


def identity(*statements: dict[str, Any]) -> Change:
    return lambda scene: scene.give(PUBLISH, *statements)


def only(*statements: dict[str, Any]) -> Change:
    return lambda scene: scene.only(PUBLISH, *statements)


def boundary(*statements: dict[str, Any]) -> Change:
    def change(scene: Scene) -> None:
        scene.roles[PUBLISH].boundary = document(*statements)

    return change


def organization(*levels: list[dict[str, Any]]) -> Change:
    def change(scene: Scene) -> None:
        scene.roles[PUBLISH].organization = [document(*level) for level in levels]

    return change


def policy(where: str, *statements: dict[str, Any]) -> Change:
    def change(scene: Scene) -> None:
        scene.policies[where] = document(*statements)

    return change


def on_repository(effect: str, principal: Any, action: str | list[str] = PUT, **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": action, **more}


def without(action: str, function: str = PUBLISH) -> Change:
    return lambda scene: scene.take(function, action)


def tagged(**tags: str) -> Change:
    def change(scene: Scene) -> None:
        scene.tags = tags
        scene.reset()

    return change


def creating(**tags: str) -> Change:
    def change(scene: Scene) -> None:
        scene.create, scene.tags = True, tags
        scene.reset()

    return change


def knowing(**keys: str) -> Change:
    def change(scene: Scene) -> None:
        context = {name.replace("__", ":"): value for name, value in keys.items()}
        scene.settings = replace(scene.settings, preflight_context=context)

    return change


def into_another_account(*, writer: bool = False) -> Change:
    def change(scene: Scene) -> None:
        writers = {AWAY: Reader(WRITER, "x")} if writer else {}
        scene.settings = replace(scene.settings, target_account=AWAY, writers=writers)
        scene.target = AWAY
        scene.reset()

    return change


def unreadable(operation: str, error: Exception) -> Change:
    def change(scene: Scene) -> None:
        scene.unreadable[operation] = error

    return change


def refusing(make: Callable[[], Exception]) -> Change:
    def change(scene: Scene) -> None:
        scene.refusing = make

    return change


def path(text: str) -> Change:
    def change(scene: Scene) -> None:
        scene.path = text

    return change


IF_RED: dict[str, Any] = {"Condition": {"StringEquals": {"aws:ResourceTag/team": "red"}}}
IF_RED_TOO: dict[str, Any] = {"Condition": {"StringEquals": {"ecr:ResourceTag/team": "red"}}}
ORGANIZATION: dict[str, Any] = {"Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-ours"}}}
PUBLISHED = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:InitiateLayerUpload",
    PART,
    "ecr:CompleteLayerUpload",
    PUT,
    "ecr:BatchGetImage",
    "ecr:GetRepositoryPolicy",
    "ecr:ListTagsForResource",
]
ROOT = {"AWS": f"arn:aws:iam::{HOME}:root"}


def no_access(operation: str) -> FailedError:
    return FailedError(Code.ACCESS_DENIED, "ecr: denied", facts={"action": f"ecr:{operation}", "resource": "*"})


ALLOWED: dict[str, list[Change]] = {
    "exactly what is needed": [],
    "a role without a path": [path("/")],
    "a role with a long path": [path("/aws-reserved/sso.amazonaws.com/eu-west-1/")],
    "every action of ECR": [only(allow("ecr:*"))],
    "everything": [only(EVERYTHING)],
    "actions by prefix": [only(allow(["ecr:Put*", "ecr:Batch*", "ecr:*Layer*", "ecr:Get*", "ecr:List*"]))],
    "actions in another case": [only(allow([action.upper().replace("ECR:", "ecr:") for action in PUBLISHED]))],
    "all repositories": [only(allow(PUBLISHED, "*"))],
    "repositories by prefix": [only(allow(PUBLISHED, APP_ARN.replace("team/app", "team/*")))],
    "a repository with one unknown character": [only(allow(PUBLISHED, APP_ARN.replace("app", "a?p")))],
    "any account and Region": [only(allow(PUBLISHED, "arn:aws:ecr:*:*:repository/team/app"))],
    "all but deleting": [only({"Effect": "Allow", "NotAction": "ecr:Delete*", "Resource": "*"})],
    "all but another repository": [only({"Effect": "Allow", "Action": "ecr:*", "NotResource": f"{APP_ARN}-2"})],
    "a tag under its global name": [tagged(team="red"), only(allow(PUBLISHED, **IF_RED))],
    "a tag under ECR's name": [tagged(team="red"), only(allow(PUBLISHED, **IF_RED_TOO))],
    "a Region that is ours": [
        only(allow(PUBLISHED, Condition={"StringEquals": {"aws:RequestedRegion": ["us-east-1", "eu-west-1"]}}))
    ],
    "a key that the operator told us": [
        knowing(aws__SourceVpce="vpce-1"),
        only(allow(PUBLISHED, Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})),
    ],
    "a denial of another action": [identity(deny("ecr:DeleteRepository"))],
    "a denial for another repository": [identity(deny(PUT, f"{APP_ARN}-2"))],
    "a denial for another tag": [tagged(team="blue"), identity(deny(PUT, **IF_RED))],
    "a boundary that allows": [boundary(EVERYTHING)],
    "service control policies that allow": [organization([EVERYTHING], [EVERYTHING])],
    "a repository policy that names the role": [
        without(PUT),
        policy(REPOSITORY, on_repository("Allow", {"AWS": ROLE})),
    ],
    "a repository policy that names the session, against the boundary": [
        without(PUT),
        boundary(
            {**EVERYTHING, "Action": "s3:*"},
            allow([one for one in PUBLISHED if one != PUT]),
            allow([*ON_ANYTHING[PUBLISH], "kms:Decrypt", "sts:AssumeRole"], "*"),
        ),
        policy(REPOSITORY, on_repository("Allow", {"AWS": SESSION})),
    ],
    "a repository policy that denies others": [
        policy(REPOSITORY, on_repository("Deny", {"AWS": f"arn:aws:iam::{HOME}:role/somebody"}))
    ],
    "a repository policy that spares us": [
        policy(
            REPOSITORY,
            {
                "Effect": "Deny",
                "NotPrincipal": {"AWS": [ROLE, SESSION, f"arn:aws:iam::{HOME}:root"]},
                "Action": PUT,
            },
        )
    ],
    "a registry policy for replication only": [
        policy(REGISTRY, on_repository("Allow", {"AWS": AWAY}, "ecr:ReplicateImage", Resource="*"))
    ],
    "a registry policy for our organization": [
        knowing(aws__PrincipalOrgID="o-ours"),
        policy(REGISTRY, on_repository("Deny", "*", Resource="*", **ORGANIZATION)),
    ],
    "creating": [creating()],
    "creating with tags": [creating(team="red")],
    "both sides across accounts": [
        into_another_account(),
        policy(f"{AWAY}/us-east-1/team/app", on_repository("Allow", {"AWS": HOME}, "ecr:*")),
    ],
    "a role to push in the other account": [into_another_account(writer=True)],
}

DENIED: dict[str, tuple[list[Change], Denied]] = {
    "explicit denial in an identity policy": ([identity(deny(PUT))], explicit(Source.SIMULATOR, "role line")),
    "explicit denial of everything": ([identity(deny("*", "*"))], explicit(Source.SIMULATOR)),
    "explicit denial by wildcard": ([identity(deny("ecr:P*"))], explicit(Source.SIMULATOR)),
    "explicit denial outside other Regions": (
        [identity(deny("ecr:*", "*", Condition={"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}))],
        explicit(Source.SIMULATOR),
    ),
    "explicit denial of a tag": ([tagged(team="red"), identity(deny(PUT, **IF_RED))], explicit(Source.SIMULATOR)),
    "explicit denial in the boundary": ([boundary(EVERYTHING, deny(PUT))], explicit(Source.SIMULATOR)),
    "explicit denial in a service control policy": (
        [organization([EVERYTHING, deny(PUT, "*")])], explicit(Source.SIMULATOR),
    ),
    "explicit denial in a lower service control policy": (
        [organization([EVERYTHING], [EVERYTHING, deny(PUT, "*")])], explicit(Source.SIMULATOR),
    ),
    "explicit denial in the repository policy": (
        [policy(REPOSITORY, on_repository("Deny", "*", Sid="Frozen"))], explicit(Source.REPOSITORY, "Frozen"),
    ),
    "repository policy denies the role": (
        [policy(REPOSITORY, on_repository("Deny", {"AWS": ROLE}))], explicit(Source.REPOSITORY, "statement 1"),
    ),
    "repository policy denies all but others": (
        [policy(REPOSITORY, {"Effect": "Deny", "NotPrincipal": {"AWS": f"arn:aws:iam::{HOME}:user/a"}, "Action": PUT})],
        explicit(Source.REPOSITORY),
    ),
    "repository policy denies the account": (
        [policy(REPOSITORY, on_repository("Deny", ROOT))], explicit(Source.REPOSITORY),
    ),
    "explicit denial in the registry policy": (
        [policy(REGISTRY, on_repository("Deny", "*", Resource=APP_ARN, Sid="NoPush"))],
        explicit(Source.REGISTRY, "NoPush"),
    ),
    "registry policy denies a prefix": (
        [policy(REGISTRY, on_repository("Deny", "*", "ecr:*", Resource=APP_ARN.replace("app", "*")))],
        explicit(Source.REGISTRY),
    ),
    "registry policy of another Region keeps confirm out": (
        [policy(f"{HOME}/eu-west-1", on_repository("Deny", "*", "ecr:BatchGetImage", Resource="*"))],
        dataclasses.replace(explicit(Source.REGISTRY, action="ecr:BatchGetImage", function=CONFIRM), resource=NEAR_ARN),
    ),
    "boundary without the action": (
        [boundary(allow([one for one in PUBLISHED if one != PUT]), allow(["s3:*", "kms:*"], "*"),
                  allow(list(ON_ANYTHING[PUBLISH]), "*"))],
        missing(PUBLISH, PUT, mended_at=(Place.BOUNDARY, Place.IDENTITY)),
    ),
    "neither boundary nor identity policy": (
        [without(PUT), boundary(allow([one for one in PUBLISHED if one != PUT]), allow(["s3:*", "kms:*"], "*"),
                                allow(list(ON_ANYTHING[PUBLISH]), "*"))],
        missing(PUBLISH, PUT, mended_at=(Place.BOUNDARY, Place.IDENTITY)),
    ),
    "service control policy without ECR": (
        [organization([allow(["s3:*", "kms:*"], "*")])],
        missing(PUBLISH, PUT, mended_at=(Place.ORGANIZATION, Place.IDENTITY)),
    ),
    "one level of service control policies without the action": (
        [organization([EVERYTHING], [{"Effect": "Allow", "NotAction": PUT, "Resource": "*"}])],
        missing(PUBLISH, PUT, mended_at=(Place.ORGANIZATION, Place.IDENTITY)),
    ),
    "another repository": ([only(allow(PUBLISHED, f"{APP_ARN}-2"))], missing(PUBLISH, PUT)),
    "a repository in capitals": ([only(allow(PUBLISHED, APP_ARN.replace("app", "App")))], missing(PUBLISH, PUT)),
    "another prefix": ([only(allow(PUBLISHED, APP_ARN.replace("team/app", "vendor/*")))], missing(PUBLISH, PUT)),
    "another Region": ([only(allow(PUBLISHED, NEAR_ARN))], missing(PUBLISH, PUT)),
    "another account": ([only(allow(PUBLISHED, AWAY_APP))], missing(PUBLISH, PUT)),
    "another partition": ([only(allow(PUBLISHED, APP_ARN.replace("aws:", "aws-cn:", 1)))], missing(PUBLISH, PUT)),
    "a tag of another value": ([tagged(team="blue"), only(allow(PUBLISHED, **IF_RED))], missing(PUBLISH, PUT)),
    "no tag": ([only(allow(PUBLISHED, **IF_RED))], missing(PUBLISH, PUT, mentions="aws:ResourceTag/team")),
    "no tag under ECR's name": ([only(allow(PUBLISHED, **IF_RED_TOO))], missing(PUBLISH, PUT, mentions="ecr:Resource")),
    "a Region that is not ours": (
        [only(allow(PUBLISHED, Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}))],
        missing(PUBLISH, PUT),
    ),
    "a key that nobody knows": (
        [only(allow(PUBLISHED, Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}}))],
        missing(PUBLISH, PUT, mentions="aws:SourceVpce"),
    ),
    "repository policy that names the account only": (
        [without(PUT), policy(REPOSITORY, on_repository("Allow", ROOT))], missing(PUBLISH, PUT),
    ),
    "repository policy that names the role, against the boundary": (
        [without(PUT), policy(REPOSITORY, on_repository("Allow", {"AWS": ROLE})),
         boundary({"Effect": "Allow", "NotAction": PUT, "Resource": "*"})],
        missing(PUBLISH, PUT, mended_at=(Place.BOUNDARY, Place.IDENTITY)),
    ),
    "repository policy that names everybody, against the organization": (
        [policy(REPOSITORY, on_repository("Allow", "*")),
         organization([{"Effect": "Allow", "NotAction": PUT, "Resource": "*"}])],
        missing(PUBLISH, PUT, mended_at=(Place.ORGANIZATION, Place.IDENTITY)),
    ),
    "registry policy that allows within the account": (
        [without(PUT), policy(REGISTRY, on_repository("Allow", {"AWS": ROLE}, Resource="*"))], missing(PUBLISH, PUT),
    ),
    "creating without the permission": (
        [creating(), without("ecr:CreateRepository", RECEIVE)], missing(RECEIVE, "ecr:CreateRepository"),
    ),
    "creating with tags that may not be given": (
        [creating(team="red"), without("ecr:TagResource", RECEIVE)], missing(RECEIVE, "ecr:TagResource"),
    ),
    "creating where only other tags may be given": (
        [creating(team="blue"), without("ecr:CreateRepository", RECEIVE),
         lambda scene: scene.give(RECEIVE, allow(
             "ecr:CreateRepository", Condition={"StringEquals": {"aws:RequestTag/team": "red"}}))],
        missing(RECEIVE, "ecr:CreateRepository"),
    ),
    "creating where only other tag keys may be given": (
        [creating(team="blue"), without("ecr:CreateRepository", RECEIVE),
         lambda scene: scene.give(RECEIVE, allow(
             "ecr:CreateRepository", Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["cost"]}}))],
        missing(RECEIVE, "ecr:CreateRepository"),
    ),
    "across accounts without the repository's side": (
        [into_another_account()],
        Denied(PUBLISH, PUT, Outcome.IMPLICIT_DENY, Source.REPOSITORY, (Place.REPOSITORY,), AWAY_APP),
    ),
    "across accounts without our side": (
        [into_another_account(), without(PUT),
         policy(f"{AWAY}/us-east-1/team/app", on_repository("Allow", {"AWS": HOME}, "ecr:*"))],
        missing(PUBLISH, PUT, AWAY_APP),
    ),
    "across accounts without either side": (
        [into_another_account(), without(PUT)],
        Denied(PUBLISH, PUT, Outcome.IMPLICIT_DENY, Source.REPOSITORY, (Place.REPOSITORY, Place.IDENTITY), AWAY_APP),
    ),
    "across accounts where the repository names somebody else": (
        [into_another_account(),
         policy(f"{AWAY}/us-east-1/team/app", on_repository("Allow", {"AWS": "777788889999"}, "ecr:*"))],
        Denied(PUBLISH, PUT, Outcome.IMPLICIT_DENY, Source.REPOSITORY, (Place.REPOSITORY,), AWAY_APP),
    ),
    "across accounts where the repository denies": (
        [into_another_account(),
         policy(f"{AWAY}/us-east-1/team/app", on_repository("Allow", {"AWS": HOME}, "ecr:*"),
                on_repository("Deny", {"AWS": HOME}))],
        dataclasses.replace(explicit(Source.REPOSITORY, "statement 2"), resource=AWAY_APP),
    ),
    "a role to push there that we may not assume": (
        [into_another_account(writer=True), without("sts:AssumeRole")], missing(PUBLISH, "sts:AssumeRole", WRITER),
    ),
    "a role to push there that may not": (
        [into_another_account(writer=True), without(PUT, WRITER)], missing(PUBLISH, PUT, AWAY_APP),
    ),
    "simulation not permitted": (
        [refusing(lambda: refused("AccessDenied"))],
        dataclasses.replace(
            unknown(Source.SIMULATOR, "iam:SimulatePrincipalPolicy"), look="iam:SimulatePrincipalPolicy"
        ),
    ),
    "simulator down": ([refusing(lambda: refused("ServiceFailure", status=503))], unknown(Source.SIMULATOR, "words")),
    "simulator throttles": ([refusing(lambda: refused("Throttling", status=400))], unknown(Source.SIMULATOR, "words")),
    "no such role": ([refusing(lambda: refused("NoSuchEntity", status=404))], unknown(Source.SIMULATOR, "words")),
    "repository policy cannot be read": (
        [unreadable("GetRepositoryPolicy", no_access("GetRepositoryPolicy"))],
        dataclasses.replace(unknown(Source.REPOSITORY, "denied"), look="ecr:GetRepositoryPolicy"),
    ),
    "registry policy cannot be read": (
        [unreadable("GetRegistryPolicy", no_access("GetRegistryPolicy"))],
        dataclasses.replace(unknown(Source.REGISTRY, "denied"), look="ecr:GetRegistryPolicy"),
    ),
    "registry does not answer": (
        [unreadable("GetRegistryPolicy", TemporaryError("ecr is down"))], unknown(Source.REGISTRY, "down"),
    ),
    "repository policy cannot be understood": (
        [lambda scene: scene.policies.update({REPOSITORY: '{"Statement": [{"Effect": "Perhaps"}]}'})],
        unknown(Source.REPOSITORY, "Effect"),
    ),
    "registry policy hangs on our organization, which we do not know": (
        [policy(REGISTRY, on_repository("Deny", "*", Resource="*", **ORGANIZATION))],
        unknown(Source.REGISTRY, "aws:PrincipalOrgID"),
    ),
    "registry policy for another organization": (
        [knowing(aws__PrincipalOrgID="o-other"),
         policy(REGISTRY, on_repository("Deny", "*", Resource="*", **ORGANIZATION))],
        explicit(Source.REGISTRY),
    ),
    "key that may not be used": ([without("kms:Decrypt", PUSH)], missing(PUSH, "kms:Decrypt", KEY)),
    "read-back role that may not be assumed": (
        [without("sts:AssumeRole", CONFIRM)], missing(CONFIRM, "sts:AssumeRole", READER),
    ),
    "object that may not be read": (
        [without("s3:GetObjectVersion", PUSH)],
        missing(PUSH, "s3:GetObjectVersion", "arn:aws:s3:::drop/uploads/team/app/app-1.tar"),
    ),
}  # fmt: skip

CHOOSY = Settings(
    stage="test", bucket_kms_key=KEY, readers={AWAY: Reader(READER, "x")}, scan_severity="HIGH", heal="retag",
    healers={AWAY: Reader(HEALER, "y")},
)  # fmt: skip
EVERY_NEED = [
    (need.through or need.function, need.function, action, need.resources[0])
    for need in needs(Scene(settings=CHOOSY).wanted())
    for action in need.actions
]


def staged(changes: list[Change]) -> Scene:
    scene = Scene()
    for change in changes:
        change(scene)
    return scene


@pytest.mark.parametrize("changes", ALLOWED.values(), ids=ALLOWED)
def test_allows(changes: list[Change]) -> None:
    verdict = staged(changes).judge()

    assert verdict.denied == ()
    assert verdict.findings


@pytest.mark.parametrize(("changes", "expected"), DENIED.values(), ids=DENIED)
def test_denies_and_says_where_and_what_to_add(changes: list[Change], expected: Denied) -> None:
    scene = staged(changes)
    verdict = scene.judge()

    found = {(one.function, one.action, one.resource): one for one in verdict.denied}
    finding = found[expected.function, expected.action, expected.resource]
    assert (finding.outcome, finding.source) == (expected.outcome, expected.source)
    assert finding.mended_at == expected.mended_at
    said = [finding.reason, *finding.decided_by, *finding.missing_context]
    assert any(expected.mentions in text for text in said) or not expected.mentions
    unsure = expected.outcome is Outcome.UNKNOWN
    assert verdict.refusal().code is (Code.PREFLIGHT_UNKNOWN if unsure else Code.PERMISSION_MISSING)
    if expected.mended_at:
        _assert_mended(scene)
    else:
        # What is unknown is mended by no statement, but that it was not to be found out is.
        added = {addition["statement"]["Action"] for addition in verdict.statements()}
        assert added == ({expected.look} if expected.look else set())


def _assert_mended(scene: Scene) -> None:
    """Adding the statements makes it pass, at once."""
    scene.mend(scene.judge())

    assert scene.judge().lacking == ()


@pytest.mark.parametrize(
    ("role", "function", "action", "resource"), EVERY_NEED, ids=lambda value: value.rpartition("/")[2]
)
def test_every_missing_action_is_found_and_mended(role: str, function: str, action: str, resource: str) -> None:
    scene = Scene(settings=CHOOSY)
    scene.take(role, action)
    verdict = scene.judge()

    found = verdict.noted if function == HEAL or (function, action) in BESIDES else verdict.denied
    assert found == verdict.lacking
    assert {(one.function, one.action) for one in found} == {(function, action)}
    assert all(one.role.endswith(role) for one in found)
    assert resource in {one.resource for one in found}
    _assert_mended(scene)


def test_what_only_explains_refuses_nothing_and_is_noted_with_its_statement() -> None:
    scene = Scene()
    scene.take(CONFIRM, "ecr:GetLifecyclePolicy")
    verdict = scene.judge()

    assert verdict.denied == ()
    item = verdict.to_item()
    assert [(one["function"], one["action"]) for one in item["noted"]] == [(CONFIRM, "ecr:GetLifecyclePolicy")]
    assert [one["statement"]["Resource"] for one in item["statements"]] == [NEAR_ARN]


def test_an_outage_is_told_from_a_refusal() -> None:
    down = staged([refusing(lambda: refused("ServiceFailure", status=503))])
    forbidden = staged([refusing(lambda: refused("AccessDenied"))])

    assert (down.judge().outage, forbidden.judge().outage) == (True, False)


@dataclass
class Meeting(Scene):
    """Of each thread the first simulation waits for those of three others."""

    each: Each = at_once
    meeting: threading.Barrier = field(default_factory=lambda: threading.Barrier(4))
    came: set[int] = field(default_factory=set)

    def simulate(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if threading.get_ident() not in self.came:
            self.came.add(threading.get_ident())
            self.meeting.wait(10)
        return super().simulate(request)


def test_four_roles_are_asked_about_at_once_and_the_verdict_is_the_same() -> None:
    scenes = Scene(), Meeting()
    for scene in scenes:
        scene.take(PUSH, "ecr:UploadLayerPart")
        scene.policies[f"{HOME}/eu-west-1/team/app"] = document({**EVERYTHING, "Effect": "Deny", "Principal": "*"})
    in_turn, at_once = (scene.judge() for scene in scenes)

    assert at_once == in_turn
    assert {finding.function for finding in at_once.denied} >= {PUSH, CONFIRM}


def test_there_are_enough_situations() -> None:
    assert len(ALLOWED) + len(DENIED) >= 60
