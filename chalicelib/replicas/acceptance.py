"""
Whether a destination's registry policy accepts replicas of another account, and the policy that would. Pure.

Replication needs ecr:ReplicateImage, and ecr:CreateRepository too where the repository is not there (ecr.md 4).
PutRegistryPolicy replaces the whole policy, so the document that mends holds the one that is there.
A statement that denies is named and for its owner to take away: what else it is there for nobody but they can know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from msgspec import Struct

from chalicelib.access.documents import REPLICATION_ACTIONS, accept_replicas
from chalicelib.access.evaluate import (
    Decision,
    Policy,
    PolicyGrammarError,
    PolicyKind,
    Principal,
    Request,
    Verdict,
    evaluate_resource_policy,
    parse_policy,
)
from chalicelib.oci.reference import Repository

_CREATE, _REPLICATE = REPLICATION_ACTIONS


class Lacking(Enum):
    """What a registry policy lacks: it is not there, it does not let replicate, or not create."""

    POLICY = auto()
    REPLICATION = auto()
    CREATION = auto()


class Rejection(Struct, frozen=True):
    """
    Why replicas are not accepted.

    Attributes:
        detail: In words that follow the policy's name; "" where there is no policy.
        document: The registry policy that accepts them; None where the one that is there denies, or is no policy.
    """

    lacking: Lacking
    detail: str
    document: Mapping[str, Any] | None


class Replica(Struct, frozen=True, kw_only=True):
    """
    What is to be accepted.

    Attributes:
        partition: `aws`, `aws-cn`, `aws-us-gov` …
        source_account: Whose images they are.
        repository: Where they go.
        exists: Whether it is there; else replication must create it.
        prefixes: Beginnings of names for which a policy that mends accepts replicas; none: this repository's.
    """

    partition: str
    source_account: str
    repository: Repository
    exists: bool
    prefixes: tuple[str, ...] = ()


def rejection(policy: str | None, replica: Replica) -> Rejection | None:
    """Return why the registry policy *policy*, JSON text or None for none, rejects *replica*; None if it accepts it."""
    if policy is None:
        return Rejection(Lacking.POLICY, "", _document(replica, {}))
    try:
        parsed = parse_policy(policy, name="registry policy", kind=PolicyKind.RESOURCE)
    except PolicyGrammarError as error:
        return Rejection(Lacking.REPLICATION, f"cannot be understood: {error}", None)
    actions = (_REPLICATE,) if replica.exists else (_REPLICATE, _CREATE)
    verdicts = {action: _verdict(parsed, replica, action) for action in actions}
    denied = [action for action, verdict in verdicts.items() if not verdict.allowed]
    if not denied:
        return None
    forbidden = any(verdict.decision is Decision.EXPLICIT_DENY for verdict in verdicts.values())
    return Rejection(
        Lacking.REPLICATION if denied[0] == _REPLICATE else Lacking.CREATION,
        _told(replica, denied[0], verdicts[denied[0]]),
        None if forbidden else _document(replica, json.loads(policy)),
    )


def _verdict(policy: Policy, replica: Replica, action: str) -> Verdict:
    principal = Principal.from_arn(f"arn:{replica.partition}:iam::{replica.source_account}:root")
    arn = replica.repository.arn(replica.partition)
    # ECR's replication brings none of a caller's context: a condition on anything else is never fulfilled.
    return evaluate_resource_policy(policy, Request(principal, action, arn, replica.repository.registry.account, {}))


def _told(replica: Replica, action: str, verdict: Verdict) -> str:
    keys = ", ".join(sorted(verdict.missing_keys))
    by = "".join(f", by statement {one.sid or one.index + 1}," for one in verdict.statements[:1])
    how = f"denies{by}" if verdict.decision is Decision.EXPLICIT_DENY else "does not allow"
    arn = replica.repository.arn(replica.partition)
    return f"{how} {action} on {arn}" + (f"; it asks for {keys}, which replication does not bring" if keys else "")


def _document(replica: Replica, there: Mapping[str, Any]) -> dict[str, Any]:
    made = accept_replicas(
        replica.repository.registry,
        replica.source_account,
        partition=replica.partition,
        prefixes=replica.prefixes or [str(replica.repository.name)],
    )
    found = there.get("Statement", [])
    kept = found if isinstance(found, list) else [found]
    taken = {statement.get("Sid") for statement in kept}
    added = [
        {key: value for key, value in statement.items() if key != "Sid" or value not in taken}
        for statement in made["Statement"]
    ]
    return {**(there or made), "Statement": [*kept, *added]}
