"""
A look of ours that was itself denied is a finding like any other: nothing was written, and what to add is known.

A look goes by our own role, or in another account by the role that is assumed there. Where assuming it is denied, the
answer does not say which of the two sides lacks what both must allow (ecr.md 6.2), so both statements are named; the
trust policy is asked to trust, with who looked, the other functions that must be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from chalicelib.access.identity import own_role
from chalicelib.access.judgement import Finding, Outcome, Place, Source, Verdict
from chalicelib.access.needs import LOOKERS, LOOKS
from chalicelib.errors import Code, FinalError, TemporaryError
from chalicelib.names import CONFIRM, FUNCTIONS, PUBLISH, PUSH, RECEIVE, function_name, role_name
from chalicelib.outside import Outside

_WRITERS: Final = (RECEIVE, PUSH, PUBLISH, CONFIRM)
_ASSUME: Final = "sts:AssumeRole"
_GET_ROLE: Final = "iam:GetRole"


def denied_look(outside: Outside, error: FinalError) -> Verdict:
    """
    Return the verdict where a look ended with *error* before anything could be judged.

    Raises:
        FinalError: It ended so for another reason than a denial.
    """
    if error.code is not Code.ACCESS_DENIED:
        raise error
    return Verdict((denied_finding(outside, error),), outside.clock.now(), mode=outside.settings.preflight)


def denied_finding(outside: Outside, error: FinalError) -> Finding:
    """Return what the denial of a look says."""
    action, function = str(error.facts.get("action", "")), _asking(outside)
    finding = Finding(
        function=function,
        role=_looking(outside, function, action),
        action=action,
        resource=str(error.facts.get("resource", "*")),
        outcome=Outcome.IMPLICIT_DENY,
        source=Source.CALL,
        mended_at=(Place.IDENTITY,),
        reason=error.detail,
    )
    if "explicit deny" in error.detail:  # AWS's own words ("Troubleshoot access denied error messages")
        return replace(finding, outcome=Outcome.EXPLICIT_DENY, mended_at=())
    return _untrusted(outside, finding) if action == _ASSUME else finding


def _asking(outside: Outside) -> str:
    here, stage = outside.deployment, outside.settings.stage
    return next((name for name in FUNCTIONS if function_name(stage, name) == here.function), RECEIVE)


def _looking(outside: Outside, function: str, action: str) -> str:
    """Return the ARN of the role that makes a call of *action*."""
    here, settings = outside.deployment, outside.settings
    account = here.registry.account
    if account != here.account and action not in {_ASSUME, _GET_ROLE}:
        if account in settings.writers:
            return settings.writers[account].role_arn
        if account in settings.readers and action in LOOKS:
            return settings.readers[account].role_arn
    return _own(outside, function)


def _untrusted(outside: Outside, finding: Finding) -> Finding:
    settings, account = outside.settings, outside.deployment.registry.account
    writer = settings.writers.get(account)
    assumed = writer or settings.readers.get(account)
    if assumed is None:
        return finding
    trusted = tuple(_own(outside, function) for function in (_WRITERS if writer else LOOKERS))
    return replace(
        finding,
        resource=assumed.role_arn,
        mended_at=(Place.IDENTITY, Place.TRUST),
        trusted=trusted,
        external_id=assumed.external_id,
    )


def _own(outside: Outside, function: str) -> str:
    try:
        return own_role(outside, function)
    except (FinalError, TemporaryError):
        here = outside.deployment
        return f"arn:{here.partition}:iam::{here.account}:role/{role_name(outside.settings.stage, function)}"
