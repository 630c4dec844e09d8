"""
May this principal do this action on this resource? The answer AWS's documentation gives, computed from data alone.

The logic, from "Policy evaluation logic", "Cross-account policy evaluation logic", "Permissions boundaries" and
"Session policies" in the IAM User Guide:

1. A matching `Deny` in any policy decides.
2. Every level of service control policies must allow. They bind no AWS service and no anonymous caller.
3. Within one account a resource policy that names the user, the session or everybody decides alone; one that names
   the role stands in for the identity policies; one that names the account only lets the identity policies decide.
4. Otherwise an identity policy must allow. The root user needs none.
5. The permissions boundary, then the session policies, must allow as well.
6. Across accounts both sides must allow: the resource's policy, and all of 2, 4 and 5 for the caller.
7. Role trust policies and KMS key policies must allow within one account too (`resource_must_allow`).

ECR's registry policy (scope V2) denies like any other; its `Allow` counts as the resource's side across accounts.
For an `Allow` to the caller's own account AWS documents nothing, so it grants nothing there.

Everything that `transship/local` needs of this package is re-exported here.
What it leaves out: resource control policies, VPC endpoint policies, ACLs, and filling in context keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from chalicelib.access.matching import Context, fold_context
from chalicelib.access.policy_document import (
    Policy,
    PolicyGrammarError,
    PolicyKind,
    Statement,
    parse_policy,
)
from chalicelib.access.principals import Grant, Principal, PrincipalKind

__all__ = [
    "Decision",
    "Grant",
    "MatchedStatement",
    "Policies",
    "Policy",
    "PolicyGrammarError",
    "PolicyKind",
    "Principal",
    "PrincipalKind",
    "Request",
    "Verdict",
    "evaluate",
    "evaluate_resource_policy",
    "parse_policy",
]


class Decision(StrEnum):
    """The three answers, as SimulatePrincipalPolicy spells them."""

    ALLOWED = "allowed"
    IMPLICIT_DENY = "implicitDeny"
    EXPLICIT_DENY = "explicitDeny"


@dataclass(frozen=True, slots=True)
class Request:
    """
    One question.

    Attributes:
        principal: Who asks.
        action: `service:Operation`.
        resource: ARN, or `*` where the action has no resource type.
        resource_account: Owner of the resource; None means the principal's own account.
        context: Condition keys, names in any case.
    """

    principal: Principal
    action: str
    resource: str
    resource_account: str | None = None
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    @property
    def crosses_accounts(self) -> bool:
        """Whether the resource belongs to another account than the principal."""
        return self.resource_account is not None and self.principal.account != self.resource_account


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """
    All policies that take part in a decision.

    Attributes:
        identity: Inline, managed and group policies of the user or role.
        boundary: The permissions boundary; None if there is none.
        session: Session policies given to AssumeRole; None if none were given.
        organization: Service control policies by level, from the root to the account.
        resource: Policies attached to the resource.
        registry: ECR's registry policy, which governs every repository of its registry.
        resource_must_allow: Whether identity policies alone never suffice (role trust, KMS keys).
    """

    identity: Sequence[Policy] = ()
    boundary: Policy | None = None
    session: Sequence[Policy] | None = None
    organization: Sequence[Sequence[Policy]] = ()
    resource: Sequence[Policy] = ()
    registry: Sequence[Policy] = ()
    resource_must_allow: bool = False


@dataclass(frozen=True, slots=True)
class MatchedStatement:
    """A statement that spoke of the request: where it stands, and how it spoke."""

    policy: str
    kind: PolicyKind
    sid: str | None
    index: int
    denies: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    The answer and its reasons.

    Attributes:
        decision: Allowed, or which of the two denials.
        kind: The kind of policy that decided: it allowed, it denied, or its `Allow` is what is missing. None where the
            root user needs no policy.
        statements: The statements that decided; empty for an implicit denial and for the root user.
        missing_keys: Condition keys that statements about this action and resource ask for and the request lacks;
            those of service control policies are left out, as the simulator leaves them out.
        boundary_allows: Whether the permissions boundary allows; None without one.
        organization_allows: Whether every level of service control policies allows; None without any.
    """

    decision: Decision
    kind: PolicyKind | None
    statements: tuple[MatchedStatement, ...]
    missing_keys: frozenset[str]
    boundary_allows: bool | None = None
    organization_allows: bool | None = None

    @property
    def allowed(self) -> bool:
        """Whether the request may go ahead."""
        return self.decision is Decision.ALLOWED


def evaluate(request: Request, policies: Policies) -> Verdict:
    """Decide *request* by *policies*."""
    return _Evaluation(request, policies).verdict()


def evaluate_resource_policy(policy: Policy, request: Request) -> Verdict:
    """
    Decide *request* by one resource-based policy alone, as if the caller's side allowed everything.

    This is how a registry policy decides on replication: the source registry's root principal does
    `ecr:ReplicateImage` and `ecr:CreateRepository` on a repository of the destination.
    """
    finding = _Asked(request).ask([policy])
    if finding.denials:
        return Verdict(Decision.EXPLICIT_DENY, policy.kind, finding.denials, finding.missing_keys)
    decision = Decision.ALLOWED if finding.allows else Decision.IMPLICIT_DENY
    return Verdict(decision, policy.kind, finding.allows, finding.missing_keys)


@dataclass(frozen=True, slots=True)
class _Finding:
    """What a set of policies says, joined by *or*."""

    allows: tuple[MatchedStatement, ...]
    denials: tuple[MatchedStatement, ...]
    grant: Grant
    missing_keys: frozenset[str]


class _Asked:
    """A request as statements see it: its context folded once."""

    def __init__(self, request: Request) -> None:
        self._principal = request.principal
        self._action = request.action
        self._resource = request.resource
        self._context: Context = fold_context(request.context)

    def ask(self, policies: Iterable[Policy]) -> _Finding:
        """Return the matching statements of *policies*."""
        allows: list[MatchedStatement] = []
        denials: list[MatchedStatement] = []
        missing: set[str] = set()
        best = Grant.NONE
        for policy in policies:
            for statement in policy.statements:
                grant = self._grant(statement, missing)
                if grant is Grant.NONE:
                    continue
                (denials if statement.denies else allows).append(_matched(policy, statement))
                best = best if statement.denies else max(best, grant)
        return _Finding(tuple(allows), tuple(denials), best, frozenset(missing))

    def _grant(self, statement: Statement, missing: set[str]) -> Grant:
        """Return how *statement* speaks to the request, and note the keys it misses if only they may be at fault."""
        principal = statement.principal
        grant = Grant.DIRECT if principal is None else principal.grant(self._principal)
        if grant is Grant.NONE or not statement.action.matches(self._action):
            return Grant.NONE
        if not self._matches_resource(statement, missing):
            return Grant.NONE
        holds = all(condition.holds(self._context) for condition in statement.conditions)
        return grant if holds else Grant.NONE

    def _matches_resource(self, statement: Statement, missing: set[str]) -> bool:
        resource = statement.resource
        matches = resource is None or resource.matches(self._resource, self._context)
        if matches or (resource is not None and any(resource.variables)):
            missing.update(key for key in statement.context_keys if not self._context.get(key.lower()))
        return matches


def _matched(policy: Policy, statement: Statement) -> MatchedStatement:
    return MatchedStatement(policy.name, policy.kind, statement.sid, statement.index, statement.denies)


class _Evaluation:
    """One decision, step by step."""

    def __init__(self, request: Request, policies: Policies) -> None:
        asked = _Asked(request)
        self._request = request
        self._policies = policies
        self._identity = asked.ask(policies.identity)
        self._boundary = asked.ask([policies.boundary]) if policies.boundary else None
        self._session = asked.ask(policies.session) if policies.session is not None else None
        self._organization = [asked.ask(level) for level in policies.organization]
        self._registry = asked.ask(policies.registry)
        self._resource = asked.ask(policies.resource)

    def verdict(self) -> Verdict:
        """Walk the steps of the module's docstring."""
        denials = tuple(match for finding in self._findings() for match in finding.denials)
        if denials:
            return self._answer(Decision.EXPLICIT_DENY, denials[0].kind, denials)
        lacking = self._lacking()
        if lacking is not None:
            return self._answer(Decision.IMPLICIT_DENY, lacking, ())
        allows = self._allows()
        return self._answer(Decision.ALLOWED, allows[0].kind if allows else None, allows)

    def _findings(self) -> list[_Finding]:
        optional = [finding for finding in (self._boundary, self._session) if finding is not None]
        return [*self._organization, self._resource, self._registry, self._identity, *optional]

    def _lacking(self) -> PolicyKind | None:
        """Return the kind of policy whose `Allow` is missing, or None if nothing is."""
        if self._request.principal.account is None:
            return None if self._resource_grant() is Grant.DIRECT else PolicyKind.RESOURCE
        if self._organization_allows() is False:
            return PolicyKind.ORGANIZATION
        resource = self._resource_grant()
        if resource is Grant.NONE and self._resource_side_needed():
            return PolicyKind.RESOURCE
        if self._request.crosses_accounts:
            return self._lacking_on_callers_side(stands_in=False)
        if resource is Grant.DIRECT:
            return None
        return self._lacking_on_callers_side(stands_in=resource is Grant.ROLE)

    def _resource_side_needed(self) -> bool:
        return self._request.crosses_accounts or self._policies.resource_must_allow

    def _resource_grant(self) -> Grant:
        if self._request.crosses_accounts:
            return max(self._resource.grant, self._registry.grant)
        return self._resource.grant

    def _lacking_on_callers_side(self, *, stands_in: bool) -> PolicyKind | None:
        root = self._request.principal.kind is PrincipalKind.ROOT
        if not (stands_in or root or self._identity.allows):
            return PolicyKind.IDENTITY
        if self._boundary is not None and not self._boundary.allows:
            return PolicyKind.BOUNDARY
        if self._session is not None and not self._session.allows:
            return PolicyKind.SESSION
        return None

    def _allows(self) -> tuple[MatchedStatement, ...]:
        resource = self._resource.allows
        if self._request.crosses_accounts:
            resource += self._registry.allows
        return resource + self._identity.allows

    def _organization_allows(self) -> bool | None:
        if not self._organization:
            return None
        return all(level.allows and not level.denials for level in self._organization)

    def _answer(self, decision: Decision, kind: PolicyKind | None, statements: tuple[MatchedStatement, ...]) -> Verdict:
        shown = [finding for finding in self._findings() if finding not in self._organization]
        missing = frozenset[str]().union(*(finding.missing_keys for finding in shown))
        boundary = bool(self._boundary.allows) and not self._boundary.denials if self._boundary else None
        return Verdict(decision, kind, statements, missing, boundary, self._organization_allows())
