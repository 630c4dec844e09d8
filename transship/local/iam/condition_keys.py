"""
The condition keys that AWS itself puts into every request ("AWS global condition context keys").

A request counts as sent over TLS: the local AWS stands in for endpoints that offer nothing else.
Left out: keys of VPCs and identity providers, none of which exist here, and the paths of organizations.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from chalicelib.access.evaluate import PrincipalKind
from transship.local.caller import AccessRequest, Caller, ContextValue
from transship.local.iam.subjects import Subject

_PRINCIPAL_TYPES = {
    PrincipalKind.ROOT: "Account",
    PrincipalKind.USER: "User",
    PrincipalKind.ROLE: "AssumedRole",
    PrincipalKind.SESSION: "AssumedRole",
    PrincipalKind.FEDERATED: "FederatedUser",
    PrincipalKind.ANONYMOUS: "Anonymous",
}
_GLOBAL_SERVICES = {"iam", "organizations"}
"""Their requests count as sent to us-east-1 (key aws:RequestedRegion)."""


def request_context(
    subject: Subject, caller: Caller, request: AccessRequest, now: float, organizations: Mapping[str, str]
) -> dict[str, ContextValue]:
    """
    Return the keys of *request*, the service's own included, at *now* (seconds since the epoch).

    *organizations* are those of accounts: whoever is in none has no value for the key, as on AWS.
    """
    service = request.action.partition(":")[0]
    return {
        "aws:RequestedRegion": "us-east-1" if service in _GLOBAL_SERVICES else caller.region,
        "aws:ResourceAccount": request.resource_account,
        "aws:SecureTransport": "true",
        "aws:SourceIp": caller.source_ip,
        **organization_of("aws:ResourceOrgID", request.resource_account, organizations),
        **organization_of("aws:PrincipalOrgID", subject.principal.account, organizations),
        **_time("aws:CurrentTime", now),
        "aws:EpochTime": str(int(now)),
        **principal_context(subject, caller.user_id),
        **request.context,
    }


def principal_context(subject: Subject, user_id: str) -> dict[str, ContextValue]:
    """Return the keys that describe *subject*."""
    principal, session = subject.principal, subject.session
    if principal.account is None:
        return {"aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": principal.name}
    context: dict[str, ContextValue] = {
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "false",
        "aws:PrincipalArn": principal.role or principal.name,
        "aws:PrincipalAccount": principal.account,
        "aws:PrincipalType": _PRINCIPAL_TYPES[principal.kind],
        "aws:userid": user_id,
        **{f"aws:PrincipalTag/{key}": value for key, value in subject.tags.items()},
    }
    if principal.kind is PrincipalKind.USER and subject.entity:
        context["aws:username"] = subject.entity.name
    if session:
        context |= _time("aws:TokenIssueTime", session.issued)
        context["aws:MultiFactorAuthPresent"] = "false"
        if session.grant.source_identity:
            context["aws:SourceIdentity"] = session.grant.source_identity
    return context


def organization_of(key: str, account: str | None, organizations: Mapping[str, str]) -> dict[str, ContextValue]:
    """Return the *key* that names an account's organization, nothing for an account that is in none."""
    found = organizations.get(account) if account else None
    return {key: found} if found else {}


def _time(key: str, seconds: float) -> dict[str, ContextValue]:
    return {key: datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
