"""`transship policy`: what each purpose needs to be told, and that what it prints is a policy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from chalicelib.access.documents import PUSH_ACTIONS
from chalicelib.access.policy_document import PolicyKind, parse_policy
from transship.cli import main
from transship.policy_requests import PURPOSES

PLACE = ("--account", "111122223333", "--region", "us-east-1")
REQUESTS = {
    "push": (*PLACE, "--repository", "vendor/app"),
    "push-across-accounts": ("--principal", "arn:aws:iam::444455556666:role/ci"),
    "writer": (*PLACE, "--role", "arn:aws:iam::111122223333:role/transship-prod-push-here", "--create"),
    "looker": PLACE,
    "replicas": (*PLACE, "--source-account", "444455556666", "--prefix", "team/"),
    "read-back": PLACE,
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


def test_a_pusher_of_named_repositories_authenticates_in_a_statement_of_its_own() -> None:
    scoped, token = _ask(*REQUESTS["push"])["Statement"]

    assert scoped["Resource"] == "arn:aws:ecr:us-east-1:111122223333:repository/vendor/app"
    assert set(scoped["Action"]) == set(PUSH_ACTIONS)
    assert (token["Action"], token["Resource"]) == ("ecr:GetAuthorizationToken", "*")


def test_a_pusher_of_all_repositories_needs_to_be_told_nothing() -> None:
    (statement,) = _ask()["Statement"]

    assert statement["Resource"] == "*"
    assert {*PUSH_ACTIONS, "ecr:GetAuthorizationToken"} == set(statement["Action"])


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
