"""Access rules from the operator's side: ids are looked up, and nothing is put that the pipeline would not read."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.names import Deployment
from chalicelib.settings import Settings
from transship.access_rules import put_rules, resolve
from transship.errors import CommandError

EXAMPLE = json.loads((Path(__file__).parents[3] / "docs" / "access" / "rules.json").read_text())
DEPLOYMENT = Deployment("prod", "aws", "us-east-1", "111122223333")


class Iam:
    """IAM with one role and one user."""

    def get_role(self, *, RoleName: str) -> dict[str, Any]:  # noqa: N803 - botocore's name
        arn = f"arn:aws:iam::111122223333:role/team/{RoleName}"
        return {"Role": {"RoleId": f"AROA{RoleName.upper()}", "Arn": arn}}

    def get_paginator(self, operation: str) -> Iam:
        self.pages = {
            "list_roles": {"Roles": [{"RoleId": "AROAONE"}]},
            "list_users": {"Users": [{"UserId": "AIDAONE"}]},
        }
        self.operation = operation
        return self

    def paginate(self) -> Iterator[dict[str, Any]]:
        yield self.pages[self.operation]


class S3:
    """A bucket that takes one object."""

    def __init__(self) -> None:
        self.put: dict[str, Any] = {}

    def put_object(self, **request: Any) -> dict[str, str]:
        self.put = request
        return {"VersionId": "v7"}


def principals(*given: Any) -> list[Any]:
    document = {"version": 1, "rules": [{"name": "r", "prefix": "uploads/a/", "principals": list(given)}]}
    found: list[Any] = resolve(document, Iam(), "111122223333")["rules"][0]["principals"]
    return found


def test_a_role_of_our_account_gets_its_id() -> None:
    arn = "arn:aws:iam::111122223333:role/team/ci"

    assert principals({"role_arn": arn}) == [{"role_arn": arn, "role_id": "AROACI"}]


def test_our_account_gets_the_ids_of_its_roles_and_users() -> None:
    (found,) = principals({"account": "111122223333"})

    assert found["ids"] == ["AIDAONE", "AROAONE"]


def test_a_role_of_another_account_keeps_the_id_that_was_written() -> None:
    given = {"role_arn": "arn:aws:iam::444455556666:role/ci", "role_id": "AROAX"}

    assert principals(given, "any") == [given, "any"]


def test_a_role_of_another_account_without_an_id_is_refused() -> None:
    with pytest.raises(CommandError, match="known only in its account"):
        principals({"role_arn": "arn:aws:iam::444455556666:role/ci"})


def test_a_role_by_another_path_than_its_own_is_refused() -> None:
    with pytest.raises(CommandError, match="There is no"):
        principals({"role_arn": "arn:aws:iam::111122223333:role/other/ci"})


@pytest.mark.parametrize(
    "arn", ["", "ci", "arn:aws:iam::1:role/ci", "arn:aws:iam::111122223333:user/ci", "a:b:c:d:e:f"]
)
def test_what_is_no_role_is_refused(arn: str) -> None:
    with pytest.raises(CommandError, match="is not the ARN of a role"):
        principals({"role_arn": arn})


@pytest.mark.parametrize(
    "document",
    [None, 1, "rules", [], {}, {"rules": 1}, {"rules": [1]}, {"rules": [{"principals": "any"}]},
     {"rules": [{"principals": [None, 1, [], {"role_arn": 1}, {"account": []}]}]}],
    ids=json.dumps,
)  # fmt: skip
def test_what_is_no_document_stays_as_it_is_and_is_not_put(document: Any) -> None:
    s3 = S3()

    assert resolve(document, Iam(), "111122223333") == document
    with pytest.raises(CommandError, match="no access rules"):
        put_rules(s3, DEPLOYMENT, Settings(stage="prod"), document)
    assert not s3.put


def test_sound_rules_are_put_below_the_key_of_the_settings() -> None:
    s3 = S3()

    assert put_rules(s3, DEPLOYMENT, Settings(stage="prod"), EXAMPLE) == "v7"
    assert (s3.put["Key"], json.loads(s3.put["Body"])) == ("access/rules.json", EXAMPLE)
    assert s3.put["ExpectedBucketOwner"] == "111122223333"


def test_rules_that_nobody_could_read_are_not_put() -> None:
    s3, wrong = S3(), copy.deepcopy(EXAMPLE)
    wrong["rules"][0]["limits"] = {"bites": 1}

    with pytest.raises(CommandError, match="bites"):
        put_rules(s3, DEPLOYMENT, Settings(stage="prod"), wrong)
    assert not s3.put
