"""
What moto knows of users, groups, roles and policies, as values of our own.

Every name of moto's internals that this package leans on stands here; tests/local/test_moto_contract.py holds
them, so that an upgrade of moto fails there first.
A user's permissions boundary, which moto does not keep, is an attribute that its answers show (`boundaries.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.config import default_user_config
from moto.iam.models import iam_backends

from transship.local.resources import PARTITION

DEFAULT_SESSION_SECONDS = 3600
"""MaxSessionDuration of a role that was created without one."""


@dataclass(frozen=True, slots=True)
class AttachedPolicy:
    """
    A policy that an entity has.

    Attributes:
        name: ARN of a managed policy; `role_NAME_POLICY` and the like for an inline one, as the simulator names it.
        source: What the simulator calls its type: `user`, `group`, `role`, `aws-managed` or `user-managed`.
        document: JSON text.
    """

    name: str
    source: str
    document: str


@dataclass(frozen=True, slots=True)
class Entity:
    """
    A user, group or role.

    Attributes:
        kind: `user`, `group` or `role`.
        name: Without the path.
        arn: With the path.
        id: `AIDA…`, `AGPA…` or `AROA…`.
        policies: Inline and managed ones; a user's groups' included.
        boundary: The permissions boundary of a role or user.
        tags: Of a user or role.
        trust: A role's trust policy, JSON text.
        max_session: Longest session of a role, seconds.
    """

    kind: str
    name: str
    arn: str
    id: str
    policies: tuple[AttachedPolicy, ...]
    boundary: AttachedPolicy | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    trust: str | None = None
    max_session: int = DEFAULT_SESSION_SECONDS


def load_aws_managed_policies() -> None:
    """Make accounts that come into being from now on know AWS's managed policies (90 ms an account)."""
    default_user_config["iam"]["load_aws_managed_policies"] = True


def owner_of_key(access_key: str) -> tuple[str, Entity] | None:
    """Return the account and the user that own an active *access_key*; None if nobody does."""
    for account in list(iam_backends):
        iam = iam_backends[account][PARTITION]
        key = iam.access_keys.get(access_key)
        if key is not None and key.user_name in iam.users:
            active = any(
                one.access_key_id == access_key and one.status == "Active"
                for one in iam.users[key.user_name].access_keys
            )
            return (account, _user(iam, iam.users[key.user_name])) if active else None
    return None


def secret_of_key(account: str, access_key: str) -> str:
    """Return the secret of a user's *access_key* in *account*."""
    secret: str = iam_backends[account][PARTITION].access_keys[access_key].secret_access_key
    return secret


def find_entity(arn: str) -> Entity | None:
    """Return the user, group or role whose ARN, path included, is *arn*; None if there is none."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[4] not in iam_backends:
        return None
    iam = iam_backends[parts[4]][PARTITION]
    kind, _, path = parts[5].partition("/")
    name = path.rpartition("/")[2]
    found = _find(iam, kind, name)
    return found if found is not None and found.arn == arn else None


def find_named(account: str, kind: str, name: str) -> Entity | None:
    """Return the `user`, `group` or `role` called *name*, whatever its path; names are unique within an account."""
    return _find(iam_backends[account][PARTITION], kind, name) if account in iam_backends else None


def find_user(account: str, name: str) -> Any:
    """Return moto's user called *name* in *account*; None if there is none."""
    return iam_backends[account][PARTITION].users.get(name) if account in iam_backends else None


def create_user(account: str, name: str, path: str | None, tags: list[dict[str, str]]) -> Any:
    """Create a user in *account*."""
    return iam_backends[account][PARTITION].create_user("us-east-1", name, path or "/", tags)


def set_user_boundary(user: Any, arn: str | None) -> None:
    """Let the managed policy *arn* bound moto's *user*, or nothing."""
    vars(user).pop("permissions_boundary", None)
    if arn:
        user.permissions_boundary = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}


def managed_policy(arn: str, account: str) -> AttachedPolicy | None:
    """Return the managed policy *arn* as *account* sees it; None if there is none."""
    policy = iam_backends[account][PARTITION].managed_policies.get(arn)
    return _managed(policy) if policy is not None else None


def _find(iam: Any, kind: str, name: str) -> Entity | None:
    if kind == "user":
        return _user(iam, iam.users[name]) if name in iam.users else None
    if kind == "group":
        group = iam.groups.get(name)
        return Entity("group", name, group.arn, group.id, tuple(_policies(group, "group"))) if group else None
    role = next((role for role in iam.roles.values() if role.name == name), None) if kind == "role" else None
    return _role(iam, role) if role is not None else None


def _user(iam: Any, user: Any) -> Entity:
    groups = [group for group in iam.groups.values() if user in group.users]
    own = tuple(_policies(user, "user"))
    shared = tuple(policy for group in groups for policy in _policies(group, "group"))
    boundary = iam.managed_policies.get(vars(user).get("permissions_boundary", {}).get("PermissionsBoundaryArn"))
    return Entity(
        "user",
        user.name,
        user.arn,
        user.id,
        own + shared,
        boundary=_managed(boundary) if boundary else None,
        tags=_tags(user.tags),
    )


def _role(iam: Any, role: Any) -> Entity:
    boundary = iam.managed_policies.get(role.permissions_boundary_arn)
    return Entity(
        "role",
        role.name,
        role.arn,
        role.id,
        tuple(_policies(role, "role")),
        boundary=_managed(boundary) if boundary else None,
        tags=_tags(role.tags),
        trust=role.assume_role_policy_document,
        max_session=int(role.max_session_duration or DEFAULT_SESSION_SECONDS),
    )


def _policies(owner: Any, source: str) -> Iterator[AttachedPolicy]:
    for name, document in owner.policies.items():
        yield AttachedPolicy(f"{source}_{owner.name}_{name}", source, document)
    for policy in owner.managed_policies.values():
        yield _managed(policy)


def _managed(policy: Any) -> AttachedPolicy:
    source = "aws-managed" if ":iam::aws:" in policy.arn else "user-managed"
    document = next(version.document for version in policy.versions if version.is_default)
    return AttachedPolicy(policy.arn, source, document)


def _tags(tags: list[dict[str, str]] | None) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags or ()}
