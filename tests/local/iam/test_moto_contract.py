"""What transship/local/iam/moto_iam.py leans on in moto; an upgrade of moto fails here first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.iam.models import iam_backends

from transship.local.iam import moto_iam

ACCOUNT = "111122223333"
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


@pytest.fixture(name="iam")
def _iam() -> Iterator[Any]:
    BackendDict.reset()
    moto_iam.load_aws_managed_policies()
    yield iam_backends[ACCOUNT]["aws"]
    BackendDict.reset()


def test_switch_for_aws_managed_policies_exists(iam: Any) -> None:
    assert default_user_config["iam"]["load_aws_managed_policies"] is True
    assert "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser" in iam.managed_policies


def test_user_is_found_by_key_with_all_policies(iam: Any) -> None:
    iam.create_user("eu-west-1", "alice", "/team/", [{"Key": "team", "Value": "blue"}])
    iam.put_user_policy("alice", "own", DOCUMENT)
    iam.create_group("group")
    iam.put_group_policy("group", "shared", DOCUMENT)
    iam.add_user_to_group("group", "alice")
    key = iam.create_access_key("alice")

    account, user = moto_iam.owner_of_key(key.access_key_id) or ("", None)

    assert account == ACCOUNT
    assert user is not None
    assert user.arn == f"arn:aws:iam::{ACCOUNT}:user/team/alice"
    assert [policy.name for policy in user.policies] == ["user_alice_own", "group_group_shared"]
    assert user.tags == {"team": "blue"}
    assert moto_iam.find_entity(user.arn) == user
    iam.update_access_key("alice", key.access_key_id, "Inactive")
    assert moto_iam.owner_of_key(key.access_key_id) is None


def test_role_is_found_with_everything_of_it(iam: Any) -> None:
    boundary = iam.create_policy(policy_name="b", description="", path="/", policy_document=DOCUMENT, tags=[])
    tags = [{"Key": "team", "Value": "blue"}]
    role = iam.create_role("pusher", DOCUMENT, "/team/", boundary.arn, "", tags, "7200")
    iam.attach_role_policy("arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess", "pusher")

    found = moto_iam.find_entity(f"arn:aws:iam::{ACCOUNT}:role/team/pusher")

    assert found is not None
    assert (found.id, found.trust, found.max_session, found.tags) == (role.id, DOCUMENT, 7200, {"team": "blue"})
    assert found.id.startswith("AROA")
    assert found.boundary is not None
    assert (found.boundary.name, found.boundary.source) == (boundary.arn, "user-managed")
    assert [policy.source for policy in found.policies] == ["aws-managed"]
    assert moto_iam.find_entity(f"arn:aws:iam::{ACCOUNT}:role/pusher") is None
    assert moto_iam.find_named(ACCOUNT, "role", "pusher") == found


def test_default_version_of_a_managed_policy_counts(iam: Any) -> None:
    policy = iam.create_policy(policy_name="p", description="", path="/", policy_document=DOCUMENT, tags=[])
    iam.create_policy_version(policy.arn, DOCUMENT.replace("Allow", "Deny"), "true")

    found = moto_iam.managed_policy(policy.arn, ACCOUNT)

    assert found is not None
    assert '"Deny"' in found.document


def test_group_is_found(iam: Any) -> None:
    iam.create_group("group", "/")

    group = moto_iam.find_entity(f"arn:aws:iam::{ACCOUNT}:group/group")

    assert group is not None
    assert group.kind == "group"


@pytest.mark.usefixtures("iam")
def test_nobody_is_found_in_an_account_that_does_not_exist() -> None:
    assert moto_iam.find_entity("arn:aws:iam::999988887777:role/pusher") is None
    assert moto_iam.find_named("999988887777", "role", "pusher") is None
