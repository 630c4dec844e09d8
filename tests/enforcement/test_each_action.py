"""
The whole way under exactly the policies of `.chalice`, and what happens where any one action is taken out of them.

Preflight names each action of ECR and STS beforehand, doctor each action at all; where nobody asks beforehand, the same
function fails at the same action. So no action is missing, and none is idle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from click.testing import CliRunner

from chalicelib.access.documents import trust_policy
from chalicelib.access.needs import BESIDES, LOOKERS, ON_ANYTHING, ON_REPLICA, ON_REPOSITORY, SCAN
from chalicelib.aws.sts_iam import AwsIdentity
from chalicelib.names import CONFIRM, FUNCTIONS, PUBLISH, PUSH, RECEIVE, SWEEP, Deployment, role_name
from chalicelib.replacing import replace
from chalicelib.settings import Settings
from chalicelib.state.ledger import PATIENCE
from chalicelib.state.upload import State
from tests.enforcement.bench import Bench, Denial, furnished_bench
from tests.enforcement.troubles import GROWN, RENEWING, SEALED, SOUND, TROUBLES
from tests.policies import without
from transship.cli import main
from transship.deploy.policies import narrow
from transship.deploy.project import Stage, read_policy
from transship.doctor.rights import missing_rights
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT
from transship.local_world import EXTERNAL_ID, HOME, READ_BACK_ROLE

pytestmark = [pytest.mark.check, pytest.mark.timeout(120)]

TAGGING: Final = {"repository_tags": {"team": "vendor"}}
SCANNED: Final = {"scan_severity": "CRITICAL"}
ALL_CHOSEN: Final = {**SCANNED, "heal": "retag", "receipts": True}

NOT_IN_THIS_PROCESS: Final = {
    "logs:CreateLogStream": "Lambda writes the log",
    "logs:PutLogEvents": "Lambda writes the log",
}

CONTENT: Final = {
    (PUSH, "dynamodb:ConditionCheckItem"): SEALED,
    (RECEIVE, "ecr:BatchCheckLayerAvailability"): GROWN,
}
"""
What comes to an action that `SOUND` does not.

Only opening an archive that is compressed as a whole checks items of others. Receive asks about layers that it knows
under an image that it does not: the layers of an image that is there are there.
"""


def granted() -> list[Denial]:
    """
    Return every function and action of the narrowed policies, with all that settings add.

    But for keys of KMS, of which the local AWS has none: tests/app/test_policies.py holds what is granted on them.
    """
    settings = replace(Stage.read("local").settings, **ALL_CHOSEN)  # type: ignore[arg-type]
    deployment = Deployment("local", "aws", HOME, SOURCE_ACCOUNT)
    found = []
    for function in FUNCTIONS:
        for statement in narrow(read_policy(function), deployment, settings)["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            found += [(function, action) for action in actions if action not in NOT_IN_THIS_PROCESS]
    return sorted(set(found))


LOOKS_OF_RECEIVE: Final = (
    "ecr:GetAuthorizationToken",
    "ecr:DescribeRegistry",
    "ecr:DescribeRepositories",
    "ecr:GetRegistryPolicy",
    "ecr:GetRepositoryPolicy",
    "ecr:CreateRepository",
    "ecr:TagResource",
)
GRANTED: Final = granted()
NEEDED: Final = sorted(
    {
        *(
            (function, action)
            for table in (ON_REPOSITORY, ON_ANYTHING)
            for function in table
            for action in table[function]
        ),
        *((CONFIRM, action) for action in (*ON_REPLICA, SCAN)),
        *((function, "sts:AssumeRole") for function in LOOKERS),
        *((RECEIVE, action) for action in LOOKS_OF_RECEIVE),
    }
    - BESIDES
)
"""What preflight must name beforehand, and refuse."""
NOTED: Final = sorted(BESIDES)
"""What it must name, and refuse nothing."""
SMOOTH: Final = [case for case in GRANTED if case not in TROUBLES]
"""What an upload comes to that nothing happens to."""


def named(cases: list[Denial]) -> list[str]:
    return [f"{function}-{action}" for function, action in cases]


@pytest.fixture(name="bench", scope="module")
def _bench() -> Iterator[Bench]:
    with furnished_bench() as bench:
        yield bench


@pytest.fixture(name="settings")
def _settings(bench: Bench) -> Iterator[Settings]:
    kept = bench.settings
    yield kept
    bench.settings = kept
    bench.forget()


def configure(bench: Bench, settings: Settings, **changes: Any) -> None:
    bench.settings = replace(settings, **changes)
    for function in FUNCTIONS:
        bench.put_policy(function, bench.policy(function))


def repository(bench: Bench, name: str) -> str:
    bench.admin("ecr").create_repository(repositoryName=f"vendor/{name}")
    return name


def test_the_whole_way_goes_through_and_nothing_is_denied(bench: Bench, settings: Settings) -> None:
    assert settings.preflight == "enforce"
    record = bench.run(bench.upload(SOUND, "whole"))
    again = bench.run(bench.upload(SOUND, "whole"))
    bench.sweep()

    assert record
    assert again
    assert (record.state, again.state, bench.denials) == (State.AVAILABLE, State.AVAILABLE, [])


@pytest.mark.parametrize(("function", "action"), NEEDED, ids=named(NEEDED))
def test_preflight_names_what_is_missing_and_nothing_is_written(
    bench: Bench, settings: Settings, function: str, action: str
) -> None:
    configure(bench, settings, **_asking(action))
    name = f"named-{function}-{action.partition(':')[2].lower()}"
    if action in {"ecr:ListTagsForResource", "ecr:GetRepositoryPolicy"}:
        repository(bench, name)
    with bench.without(function, action):
        record = bench.run(bench.upload(SOUND, name))

    assert record
    assert record.state is State.REJECTED
    told = record.facts["denied"]
    assert any(
        (one["function"], one["action"]) == (function, action) or action in one.get("reason", "") for one in told
    )
    assert all(addition["statement"]["Action"] for addition in record.facts["statements"])
    made = [found["repositoryName"] for found in bench.admin("ecr").describe_repositories()["repositories"]]
    images = (
        bench.admin("ecr").list_images(repositoryName=f"vendor/{name}")["imageIds"] if f"vendor/{name}" in made else []
    )
    assert images == []


@pytest.mark.parametrize(("function", "action"), NOTED, ids=named(NOTED))
def test_preflight_names_what_no_upload_needs_and_refuses_nothing(
    bench: Bench, settings: Settings, function: str, action: str
) -> None:
    configure(bench, settings, **ALL_CHOSEN)
    name = f"noted-{function}-{action.partition(':')[2].lower()}"
    with bench.without(function, action):
        record = bench.run(bench.upload(SOUND, name))
        assert record
        assert record.state is State.AVAILABLE, (record.code, record.detail)
        assert {(one["function"], one["action"]) for one in record.preflight["noted"]} == {(function, action)}
        statements = [*without(bench.policy(function), action)["Statement"]]
        statements += [addition["statement"] for addition in record.preflight["statements"]]
        bench.put_policy(function, {"Version": "2012-10-17", "Statement": statements})
        bench.forget()
        mended = bench.run(bench.upload(GROWN, name))

    assert mended
    assert (mended.state, "noted" in mended.preflight) == (State.AVAILABLE, False)


@pytest.mark.parametrize(("function", "action"), SMOOTH, ids=named(SMOOTH))
def test_doctor_names_it_and_the_function_fails_there(
    bench: Bench, settings: Settings, function: str, action: str
) -> None:
    name = f"fails-{function}-{action.replace(':', '-').lower()}"
    configure(bench, settings, **_provoking(action))
    if function == RECEIVE and action in {"ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability"}:
        bench.run(bench.upload(SOUND, name))
    elif action in {"ecr:ListTagsForResource", "ecr:GetRepositoryPolicy"}:
        repository(bench, name)
    with bench.without(function, action):
        doctor = _named_by_doctor(bench, function)
        if function == SWEEP:
            _make_work_for_the_sweep(bench, name)
            bench.sweep()
        else:
            content = CONTENT.get((function, action), SOUND)
            bench.run(bench.upload(content, name), until_denied=True)
        denials = list(bench.denials)

    assert doctor == {action}
    assert denials[:1] == [(function, action)]


@pytest.mark.parametrize(("function", "action"), TROUBLES, ids=named(list(TROUBLES)))
def test_doctor_names_what_only_trouble_comes_to_and_the_function_fails_there(
    bench: Bench, settings: Settings, function: str, action: str
) -> None:
    trouble = TROUBLES[function, action]
    configure(bench, settings, **trouble.settings)
    goes_on = trouble.begin(bench, f"trouble-{function}-{action.replace(':', '-').lower()}")
    bench.denials.clear()
    with bench.without(function, action):
        doctor = _named_by_doctor(bench, function)
        goes_on()
        denials = list(bench.denials)

    assert doctor == {action}
    assert denials[:1] == [(function, action)]


PROBED: Final = [
    (PUSH, "ecr:BatchCheckLayerAvailability"),
    (PUSH, "ecr:CompleteLayerUpload"),
    (PUSH, "ecr:UploadLayerPart"),
    (PUBLISH, "ecr:CompleteLayerUpload"),
    (PUBLISH, "ecr:PutImage"),
    (PUBLISH, "ecr:UploadLayerPart"),
]
"""What a call without effect tells; the rest is untold, and fails where it is called."""


@pytest.mark.parametrize(("function", "action"), PROBED, ids=named(PROBED))
def test_a_probe_names_what_is_missing_and_the_statement_mends_it(
    bench: Bench, settings: Settings, function: str, action: str
) -> None:
    configure(bench, settings, preflight="probe")
    name = f"probed-{function}-{action.partition(':')[2].lower()}"
    with bench.without(function, action):
        record = bench.run(bench.upload(SOUND, name))
        assert record
        assert (record.state, record.code) == (State.REJECTED, "PERMISSION_MISSING")
        (addition,) = record.facts["statements"]
        assert addition["role"].endswith(f":role/{role_name('local', function)}")
        assert addition["statement"]["Resource"].endswith(f":repository/vendor/{name}")
        assert bench.admin("ecr").list_images(repositoryName=f"vendor/{name}")["imageIds"] == []
        bench.forget()
        statements = [*without(bench.policy(function), action)["Statement"], addition["statement"]]
        bench.put_policy(function, {"Version": "2012-10-17", "Statement": statements})
        mended = bench.run(bench.upload(SOUND, name))

    assert mended
    assert mended.state is State.AVAILABLE, (mended.code, mended.detail)


def _named_by_doctor(bench: Bench, function: str) -> set[str]:
    identity = AwsIdentity(bench.outside(RECEIVE, admin=True).identity._session)  # type: ignore[attr-defined] # the administrator's
    return {one.action for one in missing_rights(bench.deployment, bench.settings, identity, function)}


def _provoking(action: str) -> dict[str, Any]:
    """Return the settings under which a function comes to *action* unasked."""
    if action.startswith("iam:") or action in {"ecr:GetRepositoryPolicy", "ecr:GetRegistryPolicy"}:
        return RENEWING
    return {"preflight": "off", **_asking(action)}


def _asking(action: str) -> dict[str, Any]:
    """Return the settings that ask for *action*."""
    return {"ecr:TagResource": TAGGING, SCAN: SCANNED}.get(action, {})


def _make_work_for_the_sweep(bench: Bench, name: str) -> None:
    """Leave an upload whose message and event were lost, and time enough to be noticed."""
    bench.run(bench.upload(SOUND, name), until=State.CONFIRMING)
    bench.clock.advance(2 * PATIENCE)


def test_access_revoked_between_acceptance_and_putting_publishes_nothing(bench: Bench, settings: Settings) -> None:
    configure(bench, settings, **RENEWING)
    upload = bench.upload(SOUND, "revoked")
    accepted = bench.run(upload, until=State.PUBLISHING)
    assert accepted
    assert accepted.state is State.PUBLISHING
    with bench.without(PUBLISH, "ecr:PutImage"):
        record = bench.run(upload)

    assert record
    assert (record.state, record.code) == (State.REJECTED, "PERMISSION_MISSING")
    assert [one["action"] for one in record.facts["denied"]] == ["ecr:PutImage"]
    assert bench.admin("ecr").list_images(repositoryName="vendor/revoked")["imageIds"] == []
    assert bench.denials == [], "the call itself was never made"


def test_every_case_has_a_place() -> None:
    assert {function for function, _ in SMOOTH} == set(FUNCTIONS)
    assert set(TROUBLES) <= set(GRANTED)
    assert set(NEEDED) <= set(GRANTED)
    assert len(SMOOTH) + len(TROUBLES) == len(GRANTED)


def test_preflight_names_each_action_of_ecr_and_sts_beforehand() -> None:
    asked = {(function, action) for function, action in GRANTED if action.startswith(("ecr:", "sts:"))}

    assert asked == {*NEEDED, *NOTED}


def test_a_reader_that_does_not_trust_confirm_is_named_with_the_statement_to_add(
    bench: Bench, settings: Settings
) -> None:
    configure(bench, settings, confirm_deadline=60)
    iam = bench.admin("iam", OTHER_ACCOUNT)
    reader = settings.readers[OTHER_ACCOUNT].role_arn
    ours = {function: f"arn:aws:iam::{SOURCE_ACCOUNT}:role/{role_name('local', function)}" for function in LOOKERS}
    confirm = ours.pop(CONFIRM)
    others = list(ours.values())

    def trust(document: dict[str, Any]) -> None:
        iam.update_assume_role_policy(RoleName=READ_BACK_ROLE, PolicyDocument=json.dumps(document))
        bench.forget_sessions()

    trust(trust_policy(others, EXTERNAL_ID))
    try:
        upload = bench.upload(SOUND, "unread")
        bench.run(upload, until=State.CONFIRMING)
        bench.clock.advance(60)
        record = bench.run(upload)
        assert record
        assert (record.state, record.code) == (State.FAILED, "NOT_REPLICATED")
        causes = [cause for place in record.facts["destinations"] for cause in place["causes"] if cause["certain"]]
        (mend,) = {json.dumps(cause["mend"]) for cause in causes}
        told = json.loads(mend)
        assert {cause["cause"] for cause in causes} == {"ReadBackDenied"}
        assert told["attach_to"] == f"trust policy of {reader}"
        assert told["statement"]["Principal"] == {"AWS": confirm}
        before = trust_policy(others, EXTERNAL_ID)
        trust({**before, "Statement": [*before["Statement"], told["statement"]]})
        bench.forget()
        mended = bench.run(bench.upload(SOUND, "unread-no-more"))
    finally:
        trust(trust_policy([*others, confirm], EXTERNAL_ID))

    assert mended
    assert mended.state is State.AVAILABLE


@pytest.mark.usefixtures("bench")
def test_doctor_of_a_deployment_without_any_function_still_fits_on_a_screen() -> None:
    answer = CliRunner().invoke(main, ["doctor"])

    assert answer.exit_code == 1, answer.output
    assert len(answer.stdout.splitlines()) <= 30
    assert "function transship-local-push is ready" in answer.stdout
    assert answer.stdout.count("Deploy again.") == 1
