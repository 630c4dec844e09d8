"""
Whether each function's role may do what its own policy in `.chalice` lists: what was taken away by hand, or denied by
a boundary or the organization, is named by function, action and resource.

The policy files are the list: a test holds that every action in them is one that somebody calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.access.documents import missing_statement
from chalicelib.access.verdict import Decision
from chalicelib.names import FUNCTIONS, Deployment, role_name
from chalicelib.ports.identity import Identity
from chalicelib.settings import Settings
from transship.deploy.policies import narrow
from transship.deploy.project import read_policy
from transship.finding import Finding

_PLACEHOLDER: Final = "any"


@dataclass(frozen=True, slots=True)
class MissingRight:
    """An action of a function's policy that its role is denied on *resource*, and what denies it, if a statement."""

    action: str
    resource: str
    denied: bool
    by: tuple[str, ...]


def examine_rights(deployment: Deployment, settings: Settings, identity: Identity) -> Iterator[Finding]:
    """
    Yield a finding for each function.

    Raises:
        FinalError, TemporaryError: IAM does not tell.
    """
    for function in FUNCTIONS:
        missing = list(missing_rights(deployment, settings, identity, function))
        yield Finding(
            f"role {role_name(deployment.stage, function)} may do what its function does",
            not missing,
            "\n  ".join(_remedies(missing)),
        )


def _remedies(missing: Sequence[MissingRight]) -> Iterator[str]:
    for one in missing:
        if one.denied:
            by = f" by {', '.join(one.by)}" if one.by else ", by its organization or a boundary"
            yield f"{one.action} on {one.resource} is denied{by}: take that away."
    absent: dict[str, list[str]] = {}
    for one in missing:
        if not one.denied:
            absent.setdefault(one.resource, []).append(one.action)
    if absent:
        yield "Deploy again, or add what its policy lacks:"
        yield from (json.dumps(missing_statement(actions, resource)) for resource, actions in absent.items())


def missing_rights(
    deployment: Deployment, settings: Settings, identity: Identity, function: str
) -> Iterator[MissingRight]:
    """Yield each action and resource of a function's policy that its role is denied."""
    arn = identity.role_arn(role_name(deployment.stage, function))
    for statement in narrow(read_policy(function), deployment, settings)["Statement"]:
        actions, patterns = _listed(statement["Action"]), _listed(statement["Resource"])
        asked = {_one_of(pattern, deployment): pattern for pattern in patterns}
        for told in identity.simulate(arn, actions, list(asked), _context(statement, deployment)):
            if not told.allowed:
                denied = told.decision == Decision.EXPLICIT_DENY
                yield MissingRight(told.action, asked[told.resource], denied, told.source if denied else ())


def _one_of(resource: str, deployment: Deployment) -> str:
    """Return one resource that a pattern means: the simulator takes a resource literally."""
    if resource == "*":
        return resource
    head, partition, service, region, account, path = resource.split(":", 5)
    region = deployment.region if region == "*" else region
    bucket = deployment.bucket.removesuffix(deployment.region) + "*"
    path = path.replace(bucket, deployment.bucket).replace("*", _PLACEHOLDER)
    return f"{head}:{partition}:{service}:{region}:{account}:{path}"


def _context(statement: Mapping[str, Any], deployment: Deployment) -> dict[str, str | Sequence[str]]:
    """Return what the statement's own conditions ask for, as our calls bring it."""
    asked = {key: value for block in statement.get("Condition", {}).values() for key, value in block.items()}
    values = {key: _listed(value)[0].replace("*", deployment.region) for key, value in asked.items()}
    return {"aws:RequestedRegion": deployment.region, **values}


def _listed(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
