"""
sts:AssumeRole: who may become a role, for how long, and with what left of its rights.

The rules are those of the AWS STS API Reference ("AssumeRole") and of ecr.md 6.4: the trust policy must allow, across
accounts the caller's own policies too; the session lasts 15 minutes to 12 hours, at most what the role allows, and at
most one hour where a role assumes a role; session policies can only take away.
Tags need sts:TagSession and a source identity sts:SetSourceIdentity on both sides as well.
Left out: MFA devices, and the packed size of policies and tags.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.access.evaluate import Policy, PolicyGrammarError, PolicyKind, PrincipalKind
from transship.local.caller import AccessRequest, Caller, ContextValue
from transship.local.iam import moto_iam
from transship.local.iam.authorizer import LocalIam
from transship.local.iam.constraints import TextRule, invalid
from transship.local.iam.moto_iam import Entity
from transship.local.iam.policies import parsed
from transship.local.iam.sessions import Grant, Session
from transship.local.iam.subjects import Subject, subject_of
from transship.local.protocol_error import AwsError

CHAINED_SECONDS = 3600
"""Longest session of a role that was assumed with another role's credentials."""

_SHORTEST, _LONGEST, _DEFAULT = 900, 43_200, 3600
_RULES = {
    "RoleArn": TextRule(20, 2048),
    "RoleSessionName": TextRule(2, 64, r"[\w+=,.@-]*"),
    "ExternalId": TextRule(2, 1224, r"[\w+=,.@:\/-]*"),
    "SourceIdentity": TextRule(2, 64, r"[\w+=,.@-]*"),
    "Policy": TextRule(1, 2048),
}
_MOST_TAGS, _MOST_POLICIES = 50, 10


def assume_role(
    iam: LocalIam, caller: Caller, params: Mapping[str, Any], source: Mapping[str, ContextValue] | None = None
) -> Session:
    """
    Open a session of the role that *params*, the operation's input, names.

    *source* holds the condition keys that only services fill: on whose behalf they assume the role.

    Raises:
        AwsError: ValidationError, MalformedPolicyDocument or AccessDenied. A role that does not exist is denied, as
            AWS does not say which roles exist.
    """
    _check_constraints(params)
    subject = subject_of(caller, iam.sessions)
    if subject.principal.kind is PrincipalKind.ROOT:
        raise AwsError("AccessDenied", "Roles may not be assumed by root accounts.", 403)
    arn = params["RoleArn"]
    role = moto_iam.find_entity(arn)
    if role is None or role.kind != "role":
        raise _denied(caller, "sts:AssumeRole", arn)
    account = arn.split(":")[4]
    for action in _actions(params):
        _judge(iam, caller, role, action, _context(params, role) | dict(source or {}))
    grant = _grant(params, subject, role, account)
    return iam.sessions.open(role, account, grant)


def _check_constraints(params: Mapping[str, Any]) -> None:
    for member, rule in _RULES.items():
        if member in params:
            rule.check(params[member], member[0].lower() + member[1:])
    seconds = params.get("DurationSeconds", _DEFAULT)
    if seconds < _SHORTEST:
        raise invalid(seconds, "durationSeconds", f"Member must have value greater than or equal to {_SHORTEST}")
    if seconds > _LONGEST:
        raise invalid(seconds, "durationSeconds", f"Member must have value less than or equal to {_LONGEST}")
    for member, most in (("Tags", _MOST_TAGS), ("PolicyArns", _MOST_POLICIES)):
        if len(params.get(member, ())) > most:
            name = member[0].lower() + member[1:]
            raise invalid(
                f"{len(params[member])} members", name, f"Member must have length less than or equal to {most}"
            )


def _actions(params: Mapping[str, Any]) -> Iterator[str]:
    yield "sts:AssumeRole"
    if params.get("Tags"):
        yield "sts:TagSession"
    if params.get("SourceIdentity"):
        yield "sts:SetSourceIdentity"


def _context(params: Mapping[str, Any], role: Entity) -> dict[str, ContextValue]:
    context: dict[str, ContextValue] = {"sts:RoleSessionName": params["RoleSessionName"]}
    if "ExternalId" in params:
        context["sts:ExternalId"] = params["ExternalId"]
    if "SourceIdentity" in params:
        context["sts:SourceIdentity"] = params["SourceIdentity"]
    if tags := _tags(params):
        context |= {f"aws:RequestTag/{key}": value for key, value in tags.items()}
        context["aws:TagKeys"] = tuple(tags)
    for key, value in role.tags.items():
        context[f"aws:ResourceTag/{key}"] = context[f"iam:ResourceTag/{key}"] = value
    return context


def _tags(params: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in params.get("Tags", ())}


def _judge(iam: LocalIam, caller: Caller, role: Entity, action: str, context: Mapping[str, ContextValue]) -> None:
    trust = json.loads(role.trust or "{}")
    request = AccessRequest(action, role.arn, role.arn.split(":")[4], context, [trust])
    try:
        verdict = iam.judge(caller, request, resource_must_allow=True)
    except PolicyGrammarError as error:
        raise _denied(caller, action, role.arn) from error
    if not verdict.allowed:
        raise _denied(caller, action, role.arn)


def _denied(caller: Caller, action: str, role: str) -> AwsError:
    # STS gives no reason, so that nobody learns which roles exist and whom they trust.
    message = f"User: {caller.arn} is not authorized to perform: {action} on resource: {role}"
    return AwsError("AccessDenied", message, 403)


def _grant(params: Mapping[str, Any], subject: Subject, role: Entity, account: str) -> Grant:
    chained = subject.session
    inherited = (
        {key: value for key, value in chained.grant.tags.items() if key in chained.grant.transitive} if chained else {}
    )
    return Grant(
        name=params["RoleSessionName"],
        seconds=_seconds(params, subject, role),
        policies=_session_policies(params, account),
        tags={**_tags(params), **inherited},
        transitive=frozenset(params.get("TransitiveTagKeys", ())) | inherited.keys(),
        source_identity=params.get("SourceIdentity", "") or (chained.grant.source_identity if chained else ""),
    )


def _seconds(params: Mapping[str, Any], subject: Subject, role: Entity) -> int:
    seconds: int = params.get("DurationSeconds", _DEFAULT)
    if subject.principal.kind is PrincipalKind.SESSION and seconds > CHAINED_SECONDS:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        )
    if seconds > role.max_session:
        raise AwsError(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    return seconds


def _session_policies(params: Mapping[str, Any], account: str) -> list[Policy] | None:
    documents = [(params["Policy"], "session policy")] if "Policy" in params else []
    for passed in params.get("PolicyArns", ()):
        policy = moto_iam.managed_policy(passed["arn"], account)
        if policy is None:
            raise AwsError("ValidationError", f"Policy {passed['arn']} does not exist or is not attachable.")
        documents.append((policy.document, policy.name))
    try:
        return [parsed(document, name, PolicyKind.SESSION) for document, name in documents] or None
    except PolicyGrammarError as error:
        raise AwsError("MalformedPolicyDocument", str(error)) from error
