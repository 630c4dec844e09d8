"""
What the IAM policy simulator computes: every action on every resource, under given policies and a given context.

Rules (IAM API Reference, "EvaluationResult" and "ResourceSpecificResult"; ecr.md 6.3): one result per action; its
EvalResourceName is the ARN template of the resource type, its decision the strictest of all resources, its statements
and missing keys their union; the decisions on each resource stand in ResourceSpecificResults; statements of service
control policies and of boundaries are not shown.
Without a resource policy a resource in another account is judged by the caller's side alone, for the simulator
fetches no policy; AWS documents nothing about that case.
Left out: EC2's resource handling options.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.access.evaluate import (
    Decision,
    MatchedStatement,
    Policies,
    Policy,
    PolicyKind,
    Principal,
    Request,
    Verdict,
    evaluate,
    evaluate_resource_policy,
)
from transship.local.caller import ContextValue
from transship.local.iam.arn_templates import arn_template
from transship.local.iam.moto_iam import AttachedPolicy
from transship.local.iam.policies import attached
from transship.local.iam.positions import Position, statement_spans

_STRICTEST_FIRST = (Decision.EXPLICIT_DENY, Decision.IMPLICIT_DENY, Decision.ALLOWED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """
    The input of a simulation.

    Attributes:
        principal: The simulated caller.
        identity: Its policies.
        boundary: Its permissions boundary.
        organization: Service control policies by level.
        resource: The policy that every resource is treated to have.
        resource_owner: Account of resources whose ARN names none.
        context: Condition keys.
    """

    principal: Principal
    identity: Sequence[AttachedPolicy]
    boundary: AttachedPolicy | None = None
    organization: Sequence[Sequence[AttachedPolicy]] = ()
    resource: AttachedPolicy | None = None
    resource_owner: str | None = None
    context: Mapping[str, ContextValue] = field(default_factory=dict)

    def result(self, action: str, resources: Sequence[str]) -> dict[str, Any]:
        """
        Return the EvaluationResult of *action*.

        Raises:
            PolicyGrammarError: One of the policies is none.
        """
        verdicts = [self._verdict(action, resource) for resource in resources]
        everything = list(resources) == ["*"]
        return {
            "EvalActionName": action,
            "EvalResourceName": arn_template(action),
            "EvalDecision": _strictest(verdict.decision for verdict in verdicts),
            "MatchedStatements": self._statements(verdicts),
            "MissingContextValues": sorted(frozenset[str]().union(*(verdict.missing_keys for verdict in verdicts))),
            **_details(verdicts),
            **({} if everything else self._specific(action, resources, verdicts)),
        }

    def _verdict(self, action: str, resource: str) -> Verdict:
        policies = Policies(
            identity=attached(self.identity, PolicyKind.IDENTITY),
            boundary=attached([self.boundary], PolicyKind.BOUNDARY)[0] if self.boundary else None,
            organization=[attached(level, PolicyKind.ORGANIZATION) for level in self.organization],
            resource=self._resource_policies(),
        )
        return evaluate(self._request(action, resource), policies)

    def _resource_policies(self) -> list[Policy]:
        return attached([self.resource], PolicyKind.RESOURCE) if self.resource else []

    def _request(self, action: str, resource: str) -> Request:
        return Request(self.principal, action, resource, self._owner(resource), self.context)

    def _owner(self, resource: str) -> str | None:
        if self.resource is None:
            return self.principal.account
        named = resource.split(":")[4] if resource.count(":") >= 5 else ""
        return named or self.resource_owner or self.principal.account

    def _specific(self, action: str, resources: Sequence[str], verdicts: Sequence[Verdict]) -> dict[str, Any]:
        results = [
            {
                "EvalResourceName": resource,
                "EvalResourceDecision": verdict.decision,
                "MatchedStatements": self._statements([verdict]),
                "MissingContextValues": sorted(verdict.missing_keys),
                "EvalDecisionDetails": self._by_side(action, resource),
                **_boundary([verdict]),
            }
            for resource, verdict in zip(resources, verdicts, strict=True)
        ]
        sides = [result["EvalDecisionDetails"] for result in results]
        strictest = {side: _strictest(one[side] for one in sides if side in one) for one in sides for side in one}
        return {"ResourceSpecificResults": results, "EvalDecisionDetails": strictest}

    def _by_side(self, action: str, resource: str) -> dict[str, Decision]:
        """Return what each side says of a cross-account request; empty within one account."""
        request = self._request(action, resource)
        if not request.crosses_accounts:
            return {}
        policies = self._resource_policies()
        identity = Request(self.principal, action, resource, self.principal.account, self.context)
        return {
            "IAM Policy": evaluate(identity, Policies(identity=attached(self.identity, PolicyKind.IDENTITY))).decision,
            "Resource Policy": evaluate_resource_policy(policies[0], request).decision,
        }

    def _statements(self, verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
        shown = {PolicyKind.IDENTITY, PolicyKind.RESOURCE}
        union = dict.fromkeys(match for verdict in verdicts for match in verdict.statements if match.kind in shown)
        return [self._statement(match) for match in union]

    def _statement(self, match: MatchedStatement) -> dict[str, Any]:
        candidates = [*self.identity, *([self.resource] if self.resource else [])]
        policy = next(policy for policy in candidates if policy.name == match.policy)
        start, end = statement_spans(policy.document)[match.index]
        return {
            "SourcePolicyId": policy.name,
            "SourcePolicyType": policy.source,
            "StartPosition": _position(start),
            "EndPosition": _position(end),
        }


def _position(position: Position) -> dict[str, int]:
    return {"Line": position.line, "Column": position.column}


def _strictest(decisions: Iterable[Decision]) -> Decision:
    return min(decisions, key=_STRICTEST_FIRST.index)


def _details(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    organization = [verdict.organization_allows for verdict in verdicts if verdict.organization_allows is not None]
    detail = {"OrganizationsDecisionDetail": {"AllowedByOrganizations": all(organization)}}
    return _boundary(verdicts) | (detail if organization else {})


def _boundary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    boundary = [verdict.boundary_allows for verdict in verdicts if verdict.boundary_allows is not None]
    if not boundary:
        return {}
    return {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": all(boundary)}}
