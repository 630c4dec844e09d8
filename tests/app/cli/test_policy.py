"""`transship policy`: what each purpose needs to be told, and that what it prints is a policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chalicelib.access.documents import PUSH_ACTIONS
from chalicelib.access.needs import SCAN, TIDY
from chalicelib.access.policy_document import PolicyKind, parse_policy
from chalicelib.names import FUNCTIONS
from tests.linters import lint_policy, lint_templates
from transship.cli import main
from transship.deploy import project
from transship.policy_requests import PURPOSES

PLACE = ("--account", "111122223333", "--region", "us-east-1")
REQUESTS = {
    "push": (*PLACE, "--repository", "vendor/app"),
    "push-across-accounts": ("--principal", "arn:aws:iam::444455556666:role/ci"),
    "writer": (*PLACE, "--role", "arn:aws:iam::111122223333:role/transship-prod-push-here", "--create"),
    "looker": PLACE,
    "replicas": (*PLACE, "--source-account", "444455556666", "--prefix", "team/"),
    "read-back": (*PLACE, "--role", "arn:aws:iam::111122223333:role/transship-prod-read-back"),
    "heal": (*PLACE, "--create"),
    "trust": ("--principal", "arn:aws:iam::111122223333:role/transship-prod-confirm", "--external-id", "secret"),
    "function": (*PLACE, "--stage", "local", "--function", "push"),
    "uploader": (
        *PLACE,
        "--bucket",
        "b-1",
        "--prefix",
        "uploads/team/",
        "--principal",
        "arn:aws:iam::444455556666:root",
    ),
    "subscriber": (*PLACE, "--bus", "transship-prod", "--principal", "444455556666"),
}
VARIANTS = {
    **{purpose: (purpose, arguments) for purpose, arguments in REQUESTS.items()},
    "push everywhere": ("push", ()),
    "several repositories": ("push", (*REQUESTS["push"], "--repository", "team/*")),
    "several principals": (
        "push-across-accounts",
        (*REQUESTS["push-across-accounts"], "--principal", "arn:aws:iam::777788889999:root"),
    ),
    "a repository by name": ("push-across-accounts", (*REQUESTS["push-across-accounts"], "--repository", "vendor/app")),
    "writer without creating": ("writer", REQUESTS["writer"][:-1]),
    "read-back that asks about healing": (
        "read-back",
        (*REQUESTS["read-back"], "--heal-role", "arn:aws:iam::111122223333:role/transship-prod-heal"),
    ),
    "heal without creating": ("heal", PLACE),
    "replicas of all": ("replicas", (*PLACE, "--source-account", "444455556666")),
    "several prefixes": ("uploader", (*REQUESTS["uploader"], "--prefix", "uploads/other/")),
    "several subscribers": ("subscriber", (*REQUESTS["subscriber"], "--principal", "777788889999")),
    "subscribers of an organization": ("subscriber", (*REQUESTS["subscriber"][:-1], "o-a1b2c3d4e5")),
    **{f"function {function}": ("function", (*REQUESTS["function"][:-1], function)) for function in FUNCTIONS},
}
"""What a person may ask for: the purpose and the options."""
ATTACHED_TO = {
    "push-across-accounts": "arn:aws:ecr:us-east-1:111122223333:repository/vendor/app",
    "trust": "arn:aws:iam::111122223333:role/transship-prod-read-back",
}
"""Policies without a resource speak of what they are attached to, which the linter does not know."""
KINDS = {
    "push-across-accounts": PolicyKind.RESOURCE,
    "replicas": PolicyKind.RESOURCE,
    "trust": PolicyKind.RESOURCE,
    "uploader": PolicyKind.RESOURCE,
    "subscriber": PolicyKind.RESOURCE,
}


def _ask(*arguments: str) -> Any:
    answer = CliRunner(env={"AWS_DEFAULT_REGION": ""}).invoke(main, ["policy", *arguments])
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_purpose_prints_a_policy(purpose: str) -> None:
    document = _ask("--for", purpose, *REQUESTS[purpose])

    assert parse_policy(document, name=purpose, kind=KINDS.get(purpose, PolicyKind.IDENTITY)).statements


@pytest.mark.parametrize("purpose", PURPOSES)
def test_cloudformation_carries_the_same_document(purpose: str) -> None:
    document = _ask("--for", purpose, *REQUESTS[purpose], "--json")
    snippet = _ask("--for", purpose, *REQUESTS[purpose], "--format", "cloudformation", "--json")

    resource = snippet["Resources"]["Policy"]
    assert resource["Type"].startswith("AWS::")
    values = list(resource["Properties"].values())
    assert document in values or document["Statement"][0] in values


@pytest.mark.parametrize(("purpose", "arguments"), VARIANTS.values(), ids=VARIANTS)
def test_the_linter_has_nothing_to_say_of_what_is_printed(purpose: str, arguments: tuple[str, ...]) -> None:
    document = _ask("--for", purpose, *arguments)
    for statement in document["Statement"]:
        if purpose in ATTACHED_TO:
            assert "Resource" not in statement
            statement["Resource"] = ATTACHED_TO[purpose]

    # The guide's policy for all repositories is as wide as it is meant to be.
    assert set(lint_policy(document)) == ({"RESOURCE_STAR"} if (purpose, arguments) == ("push", ()) else set())


def test_the_linter_would_find_an_action_that_does_not_exist() -> None:
    document = _ask("--for", "push", *REQUESTS["push"])
    document["Statement"][0]["Action"].append("ecr:PutImages")

    assert lint_policy(document) == ["UNKNOWN_ACTION"]


@pytest.mark.check
def test_cloudformation_lint_has_nothing_to_say_of_any_snippet(tmp_path: Path) -> None:
    templates = []
    for number, (purpose, arguments) in enumerate(VARIANTS.values()):
        snippet = _ask("--for", purpose, *arguments, "--format", "cloudformation")
        templates.append(tmp_path / f"{number}-{purpose}.json")
        templates[-1].write_text(json.dumps(snippet, indent=2))

    assert lint_templates(templates) == ""


@pytest.mark.check
def test_cloudformation_lint_would_find_a_property_that_does_not_exist(tmp_path: Path) -> None:
    snippet = _ask("--for", "replicas", *REQUESTS["replicas"], "--format", "cloudformation")
    snippet["Resources"]["Policy"]["Properties"]["Policy"] = {}
    template = tmp_path / "wrong.json"
    template.write_text(json.dumps(snippet))

    assert "'Policy' was unexpected" in lint_templates([template])


def test_a_pusher_of_named_repositories_authenticates_in_a_statement_of_its_own() -> None:
    scoped, token = _ask(*REQUESTS["push"])["Statement"]

    assert scoped["Resource"] == "arn:aws:ecr:us-east-1:111122223333:repository/vendor/app"
    assert set(scoped["Action"]) == set(PUSH_ACTIONS)
    assert (token["Action"], token["Resource"]) == ("ecr:GetAuthorizationToken", "*")


def test_a_pusher_of_all_repositories_needs_to_be_told_nothing() -> None:
    (statement,) = _ask()["Statement"]

    assert statement["Resource"] == "*"
    assert {*PUSH_ACTIONS, "ecr:GetAuthorizationToken"} == set(statement["Action"])


@pytest.mark.parametrize(("stage", "receipts"), [((), True), (("--stage", "prod"), False)], ids=["any", "prod"])
def test_an_uploader_reads_receipts_only_of_a_stage_that_writes_them(stage: tuple[str, ...], receipts: bool) -> None:
    statements = _ask("--for", "uploader", *REQUESTS["uploader"], *stage)["Statement"]

    assert ["s3:GetObject" in statement["Action"] for statement in statements].count(True) == receipts


@pytest.mark.parametrize("purpose", [name for name in PURPOSES if name != "push"])
def test_says_which_option_is_missing(purpose: str) -> None:
    answer = CliRunner(env={"AWS_DEFAULT_REGION": ""}).invoke(main, ["policy", "--for", purpose])

    assert answer.exit_code == 2
    assert "This policy needs --" in answer.stderr


def test_an_account_that_is_none_is_refused() -> None:
    answer = CliRunner().invoke(
        main, ["policy", "--for", "replicas", "--account", "12", "--region", "x", "--source-account", "444455556666"]
    )

    assert answer.exit_code == 2
    assert "not a registry" in answer.stderr


@pytest.mark.parametrize("purpose", ["writer", "push-across-accounts"])
def test_who_pushes_elsewhere_may_what_the_stage_chooses(
    purpose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads(project.CONFIG.read_text())
    config["stages"]["local"]["environment_variables"] |= {
        "TRANSSHIP_SCAN_SEVERITY": "HIGH",
        "TRANSSHIP_HEAL": "retag",
    }
    changed = tmp_path / "config.json"
    changed.write_text(json.dumps(config))
    monkeypatch.setattr(project, "CONFIG", changed)

    def actions(*more: str) -> set[str]:
        answer = CliRunner().invoke(main, ["policy", "--for", purpose, *REQUESTS[purpose], *more])
        assert answer.exit_code == 0, answer.output
        return set(json.loads(answer.stdout)["Statement"][0]["Action"])

    assert actions("--stage", "local") - actions() == {SCAN, TIDY}


def test_a_bus_policy_is_of_accounts_or_of_one_organization() -> None:
    asked = ("policy", "--for", "subscriber", *REQUESTS["subscriber"], "--principal", "o-a1b2c3d4e5")
    answer = CliRunner(env={"AWS_DEFAULT_REGION": ""}).invoke(main, list(asked))

    assert answer.exit_code == 2
    assert "of accounts or of one organization" in str(answer.exception) + answer.output
