"""
A call of ours that was itself denied is a finding like any other, and what to add is known.

A look goes by our own role, or in another account by the role that is assumed there, which AWS's words name. Where
assuming it is denied, the answer does not say which of the two sides lacks what both must allow (ecr.md 6.2), so both
statements are named; the trust policy is asked to trust, with who looked, the other functions that must be. It is the
same with a repository of another account, unless AWS's words name the side.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

from chalicelib.access.identity import own_role
from chalicelib.access.judgement import Finding, Outcome, Place, Source, Verdict
from chalicelib.access.needs import LOOKERS, LOOKS
from chalicelib.errors import Code, FinalError, TemporaryError
from chalicelib.names import CONFIRM, FUNCTIONS, PUBLISH, PUSH, RECEIVE, function_name, role_name
from chalicelib.outside import Outside
from chalicelib.replacing import replace

_WRITERS: Final = (RECEIVE, PUSH, PUBLISH, CONFIRM)
_MAY_ASK: Final = (RECEIVE, PUBLISH)
"""Who judges roles, and so may ask IAM for them: another's question would be one more denial."""
_ASSUME: Final = "sts:AssumeRole"
_CALLER: Final = re.compile(r"User: (arn:[^:]+:sts::(\d+):assumed-role/([^/\s]+)/\S+)")
_NAMED: Final = re.compile(r'on resource: "?(arn:[^\s"]+)')


def denied_look(outside: Outside, error: FinalError) -> Verdict:
    """
    Return the verdict where a look ended with *error* before anything could be judged.

    Raises:
        FinalError: It ended so for another reason than a denial.
    """
    if error.code is not Code.ACCESS_DENIED:
        raise error
    return Verdict((denied_finding(outside, error),), outside.clock.now(), mode=outside.settings.preflight)


def explained(outside: Outside, error: FinalError) -> FinalError:
    """Return *error*, and if it is a denial that nobody foresaw, with its facts as those of a rejection are."""
    if error.code is not Code.ACCESS_DENIED or not error.facts.get("action"):
        return error
    verdict = Verdict((denied_finding(outside, error),), outside.clock.now())
    told = {"denied": [finding.to_item() for finding in verdict.denied], "statements": verdict.statements()}
    facts = {**error.facts, **told}
    return type(error)(error.code, error.detail, member=error.member, offset=error.offset, facts=facts)


def denied_finding(outside: Outside, error: FinalError) -> Finding:
    """Return what the denial of a call says."""
    action, function = str(error.facts.get("action", "")), _asking(outside)
    resource = _resource(error)
    finding = Finding(
        function=function,
        role=_looking(outside, function, action, resource, error.detail),
        action=action,
        resource=resource,
        outcome=Outcome.IMPLICIT_DENY,
        source=Source.CALL,
        mended_at=(Place.IDENTITY,),
        reason=error.detail,
    )
    if "explicit deny" in error.detail:  # AWS's own words ("Troubleshoot access denied error messages")
        return replace(finding, outcome=Outcome.EXPLICIT_DENY, mended_at=())
    if action == _ASSUME:
        return _untrusted(outside, finding)
    return replace(finding, mended_at=_sides(finding))


def _resource(error: FinalError) -> str:
    """Return the ARN that AWS names, since not every call of ours is told one, or `*`."""
    named = _NAMED.search(error.detail)
    return named[1] if named else str(error.facts.get("resource", "*"))


def _sides(finding: Finding) -> tuple[Place, ...]:
    """Return where a statement is lacking: at the repository, too, where it is another account's than the role."""
    if finding.resource == "*":
        return (Place.IDENTITY,)
    if not finding.resource.startswith("arn:"):
        return ()  # a statement without an ARN would be none
    _, _, service, _, account, _ = finding.resource.split(":", 5)
    if service != "ecr" or account == finding.role.split(":")[4] or "no identity-based policy" in finding.reason:
        return (Place.IDENTITY,)
    return (Place.REPOSITORY,) if "no resource-based policy" in finding.reason else (Place.IDENTITY, Place.REPOSITORY)


def _asking(outside: Outside) -> str:
    here, stage = outside.deployment, outside.settings.stage
    return next((name for name in FUNCTIONS if function_name(stage, name) == here.function), RECEIVE)


def _looking(outside: Outside, function: str, action: str, resource: str, words: str) -> str:
    """Return the ARN of the role that made a call of *action* on *resource*, denied in these *words*."""
    if named := _assumed(outside, words):
        return named
    here, settings = outside.deployment, outside.settings
    account = here.registry.account
    there = action.startswith("ecr:") or resource.startswith(f"arn:{here.partition}:iam::{account}:")
    if account != here.account and there and action != _ASSUME:
        if account in settings.writers:
            return settings.writers[account].role_arn
        if account in settings.readers and action in LOOKS:
            return settings.readers[account].role_arn
    return role_of(outside, function)


def _assumed(outside: Outside, words: str) -> str:
    """Return the ARN of the role in another account that *words* of a denial name as the caller, "" for none."""
    if not (caller := _CALLER.search(words)):
        return ""
    roles = (*outside.settings.readers.values(), *outside.settings.writers.values())
    same = (one.role_arn for one in roles if _named_so(one.role_arn, account=caller[2], name=caller[3]))
    return next(same, "")


def _named_so(role_arn: str, *, account: str, name: str) -> bool:
    return role_arn.split(":")[4] == account and role_arn.rpartition("/")[2] == name


def _untrusted(outside: Outside, finding: Finding) -> Finding:
    """Return *finding* with the trust policy of the role that could not be assumed."""
    settings, account = outside.settings, outside.deployment.registry.account
    writers = {one.role_arn: one for one in settings.writers.values()}
    readers = {one.role_arn: one for one in settings.readers.values()}
    # Where AWS does not name the role, it is the one of the registry that is pushed to.
    pushed_to = settings.writers.get(account) or settings.readers.get(account)
    assumed = (readers | writers).get(finding.resource) or pushed_to
    if assumed is None:
        return finding
    trusted = tuple(role_of(outside, one) for one in (_WRITERS if assumed.role_arn in writers else LOOKERS))
    return replace(
        finding,
        resource=assumed.role_arn,
        mended_at=(Place.IDENTITY, Place.TRUST),
        trusted=trusted,
        external_id=assumed.external_id,
    )


def role_of(outside: Outside, function: str) -> str:
    """Return the ARN of the role of *function*, without its path where it is not known and may not be asked for."""
    name = role_name(outside.settings.stage, function)
    if _asking(outside) in _MAY_ASK:
        with suppress(FinalError, TemporaryError):  # the name is known all the same
            return own_role(outside, function)
    here = outside.deployment
    return str(outside.memory.roles.get(name) or f"arn:{here.partition}:iam::{here.account}:role/{name}")
