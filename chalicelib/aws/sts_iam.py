"""Who we are, and what our roles may do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from chalicelib.aws.failures import aws_call
from chalicelib.aws.session import Role, Session
from chalicelib.ports.identity import CallerIdentity, Decision

_MOST_RESULTS: Final = 1_000
"""Of one page of SimulatePrincipalPolicy; without saying so it is 100 (ecr.md 6.3)."""


class AwsIdentity:
    """
    STS and IAM; implements `Identity`.

    Args:
        session: Makes the clients.
        askers: The role to assume to ask about one of another account, by the ARN of that one.
    """

    def __init__(self, session: Session, askers: Mapping[str, Role] | None = None) -> None:
        self._session = session
        self._askers = askers or {}

    def whoami(self) -> CallerIdentity:
        """Return who makes our calls."""
        with aws_call("sts:GetCallerIdentity"):
            answer = self._session.client("sts").get_caller_identity()
        return CallerIdentity(answer["Account"], answer["Arn"], answer["Arn"].split(":")[1], self._session.region)

    def role_arn(self, role_name: str) -> str:
        """Return the true ARN of a role of our account: an assumed role's ARN lacks the path (ecr.md 6.4)."""
        with aws_call("iam:GetRole", role_name):
            arn: str = self._session.client("iam").get_role(RoleName=role_name)["Role"]["Arn"]
        return arn

    def simulate(
        self,
        role_arn: str,
        actions: Sequence[str],
        resources: Sequence[str],
        context: Mapping[str, str | Sequence[str]],
    ) -> Sequence[Decision]:
        """Ask what *role_arn* may do, an answer for each action on each of *resources*."""
        results = self._results(role_arn, actions, resources, context)
        return [decision for result in results for decision in _decisions(result, resources)]

    def _results(
        self,
        role_arn: str,
        actions: Sequence[str],
        resources: Sequence[str],
        context: Mapping[str, str | Sequence[str]],
    ) -> Iterator[Mapping[str, Any]]:
        client = self._session.client("iam", role=self._askers.get(role_arn))
        request: dict[str, Any] = {
            "PolicySourceArn": role_arn,
            "ActionNames": list(actions),
            "ResourceArns": list(resources),
            "ContextEntries": [_entry(name, value) for name, value in context.items()],
            "MaxItems": _MOST_RESULTS,
        }
        while True:
            with aws_call("iam:SimulatePrincipalPolicy", role_arn):
                page = client.simulate_principal_policy(**request)
            yield from page["EvaluationResults"]
            if not page.get("IsTruncated"):
                return
            request["Marker"] = page["Marker"]


def _entry(name: str, value: str | Sequence[str]) -> dict[str, Any]:
    if isinstance(value, str):
        return {"ContextKeyName": name, "ContextKeyValues": [value], "ContextKeyType": "string"}
    return {"ContextKeyName": name, "ContextKeyValues": list(value), "ContextKeyType": "stringList"}


def _decisions(result: Mapping[str, Any], resources: Sequence[str]) -> Iterator[Decision]:
    # The decision at the top is of an ARN template; those of the resources stand below (ecr.md 6.3).
    specific = {each["EvalResourceName"]: each for each in result.get("ResourceSpecificResults", ())}
    for resource in resources:
        yield _decision(result, specific.get(resource, {}), resource)


def _decision(result: Mapping[str, Any], specific: Mapping[str, Any], resource: str) -> Decision:
    matched = specific.get("MatchedStatements") if specific else result.get("MatchedStatements")
    missing = specific.get("MissingContextValues") if specific else result.get("MissingContextValues")
    boundary = {**result, **specific}.get("PermissionsBoundaryDecisionDetail", {})
    return Decision(
        action=result["EvalActionName"],
        resource=resource,
        decision=specific.get("EvalResourceDecision") or result["EvalDecision"],
        source=tuple(_source(statement) for statement in matched or ()),
        missing_context=tuple(sorted(missing or ())),
        boundary_allows=boundary.get("AllowedByPermissionsBoundary"),
        organization_allows=result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations"),
    )


def _source(statement: Mapping[str, Any]) -> str:
    start = statement.get("StartPosition", {}).get("Line")
    return f"{statement.get('SourcePolicyId', '')} line {start}" if start else str(statement.get("SourcePolicyId", ""))
