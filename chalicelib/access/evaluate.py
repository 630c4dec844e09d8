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

from chalicelib.access.findings import Finding, Question
from chalicelib.access.policy_document import Policy, PolicyGrammarError, PolicyKind, parse_policy
from chalicelib.access.principals import Grant, Principal, PrincipalKind
from chalicelib.access.verdict import Decision, MatchedStatement, Policies, Request, Verdict

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


def evaluate(request: Request, policies: Policies) -> Verdict:
    """Decide *request* by *policies*."""
    return _Evaluation(request, policies).verdict()


def evaluate_resource_policy(policy: Policy, request: Request) -> Verdict:
    """
    Decide *request* by one resource-based policy alone, as if the caller's side allowed everything.

    This is how a registry policy decides on replication: the source registry's root principal does
    `ecr:ReplicateImage` and `ecr:CreateRepository` on a repository of the destination.
    """
    finding = Question(request).ask([policy])
    if finding.denials:
        return Verdict(Decision.EXPLICIT_DENY, policy.kind, finding.denials, finding.missing_keys)
    decision = Decision.ALLOWED if finding.allows else Decision.IMPLICIT_DENY
    return Verdict(decision, policy.kind, finding.allows, finding.missing_keys)


class _Evaluation:
    """One decision, step by step."""

    def __init__(self, request: Request, policies: Policies) -> None:
        asked = Question(request)
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

    def _findings(self) -> list[Finding]:
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
