"""
IAM of the local AWS: names callers and judges what they do.

The decision is `chalicelib/access/evaluate.py`'s; this file gathers what it decides by: identity policies (inline,
managed, of groups), permissions boundary, session policies, the resource's policies and the condition keys.
Left out: service control policies. The organization of an account is a name that conditions can ask for.
"""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.access.evaluate import (
    Decision,
    Policies,
    PolicyGrammarError,
    PolicyKind,
    Request,
    Verdict,
    evaluate,
)
from transship.local.accounts import Credentials
from transship.local.caller import AccessDenied, AccessRequest, Caller
from transship.local.clock import Clock, RealClock
from transship.local.iam import moto_iam
from transship.local.iam.condition_keys import request_context
from transship.local.iam.policies import attached, resource_policies
from transship.local.iam.sessions import Session, Sessions
from transship.local.iam.subjects import Subject, subject_of


class LocalIam:
    """Implements the front door's `Identities` and everybody's `Authorizer`."""

    def __init__(self, clock: Clock | None = None, organizations: Mapping[str, str] | None = None) -> None:
        """
        Know nobody yet; users, roles and policies are read from moto at each request.

        Accounts that come into being from now on know AWS's managed policies.

        Args:
            clock: Decides when sessions expire and what `aws:CurrentTime` is.
            organizations: Ids of the organizations that accounts are in; may be changed at any time.
        """
        moto_iam.load_aws_managed_policies()
        self.clock = clock or RealClock()
        self.organizations = dict(organizations or {})
        self.sessions = Sessions(self.clock)

    def resolve(self, access_key: str, region: str) -> Caller:
        """
        Return whose *access_key* is: a user's or a role session's.

        Raises:
            SessionExpired: A session's that is over.
            LookupError: Nobody's; the key is inactive, or the session's role is gone.
        """
        if session := self.sessions.find(access_key):
            return _session_caller(session, region)
        owner = moto_iam.owner_of_key(access_key)
        if owner is None:
            raise LookupError(access_key)
        account, user = owner
        return Caller(account, region, user.arn, user.id, access_key)

    def credentials(self, access_key: str) -> Credentials:
        """
        Return what belongs to *access_key*.

        Raises:
            SessionExpired: A session's that is over.
            LookupError: Nobody's, or the key is inactive.
        """
        if session := self.sessions.find(access_key):
            return Credentials(access_key, session.secret_key, session.token)
        owner = moto_iam.owner_of_key(access_key)
        if owner is None:
            raise LookupError(access_key)
        return Credentials(access_key, moto_iam.secret_of_key(owner[0], access_key))

    def authorize(self, caller: Caller, request: AccessRequest) -> None:
        """
        Return if *caller* may do what *request* says.

        Raises:
            AccessDenied: No policy allows it, or one denies it.
        """
        try:
            verdict = self.judge(caller, request)
        except PolicyGrammarError as error:
            raise AccessDenied(f"{_attempt(caller, request)} because a policy cannot be read: {error}") from error
        if not verdict.allowed:
            raise AccessDenied(f"{_attempt(caller, request)} {_reason(request, verdict)}")

    def judge(self, caller: Caller, request: AccessRequest, *, resource_must_allow: bool = False) -> Verdict:
        """
        Return the verdict on *request*.

        Args:
            caller: Who asks.
            request: What for.
            resource_must_allow: Whether the resource's policy decides alone, as a role's trust policy does.

        Raises:
            PolicyGrammarError: A policy that takes part is none.
        """
        subject = subject_of(caller, self.sessions)
        asked = Request(
            subject.principal,
            request.action,
            request.resource,
            request.resource_account,
            request_context(subject, caller, request, self.clock.now(), self.organizations),
        )
        return evaluate(asked, _policies(subject, request, resource_must_allow=resource_must_allow))


def _session_caller(session: Session, region: str) -> Caller:
    role = moto_iam.find_entity(session.role.arn)
    # A role that was deleted and made again is another role.
    if role is None or role.id != session.role.id:
        raise LookupError(session.access_key)
    return Caller(session.account, region, session.arn, session.user_id, session.access_key)


def _policies(subject: Subject, request: AccessRequest, *, resource_must_allow: bool) -> Policies:
    entity, session = subject.entity, subject.session
    boundary = attached([entity.boundary], PolicyKind.BOUNDARY)[0] if entity and entity.boundary else None
    return Policies(
        identity=attached(entity.policies, PolicyKind.IDENTITY) if entity else (),
        boundary=boundary,
        session=session.grant.policies if session else None,
        resource=resource_policies(request.resource_policies),
        registry=resource_policies(request.governing_policies),
        resource_must_allow=resource_must_allow,
    )


# The wording: IAM User Guide, "Troubleshoot access denied error messages".


def _attempt(caller: Caller, request: AccessRequest) -> str:
    # S3 alone puts the resource in quotation marks.
    resource = f'"{request.resource}"' if request.action.startswith("s3:") else request.resource
    return f"User: {caller.arn} is not authorized to perform: {request.action} on resource: {resource}"


def _reason(request: AccessRequest, verdict: Verdict) -> str:
    kind = str(verdict.kind)
    if verdict.decision is Decision.EXPLICIT_DENY:
        return f"with an explicit deny in {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    return f"because no {kind} allows the {request.action} action"
