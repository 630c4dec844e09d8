"""Who we are, and what our roles may do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chalicelib.aws.failures import aws_call
from chalicelib.aws.session import Session
from chalicelib.ports import CallerIdentity, Decision


class AwsIdentity:
    """
    STS and IAM; implements `Identity`.

    Args:
        session: Makes the clients.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def whoami(self) -> CallerIdentity:
        """Return who makes our calls."""
        with aws_call("sts:GetCallerIdentity"):
            answer = self._session.client("sts").get_caller_identity()
        return CallerIdentity(answer["Account"], answer["Arn"], answer["Arn"].split(":")[1])

    def role_arn(self, role_name: str) -> str:
        """Return the true ARN of a role of our account: an assumed role's ARN lacks the path (ecr.md 6.4)."""
        with aws_call("iam:GetRole", role_name):
            arn: str = self._session.client("iam").get_role(RoleName=role_name)["Role"]["Arn"]
        return arn

    def simulate(
        self, role_arn: str, actions: Sequence[str], resource: str, context: Mapping[str, str]
    ) -> Sequence[Decision]:
        """Ask what *role_arn* may do to *resource*, an answer for each action."""
        return [_decision(result, resource) for result in self._results(role_arn, actions, resource, context)]

    def _results(
        self, role_arn: str, actions: Sequence[str], resource: str, context: Mapping[str, str]
    ) -> Iterator[Mapping[str, Any]]:
        request: dict[str, Any] = {
            "PolicySourceArn": role_arn,
            "ActionNames": list(actions),
            "ResourceArns": [resource],
            "ContextEntries": [
                {"ContextKeyName": name, "ContextKeyValues": [value], "ContextKeyType": "string"}
                for name, value in context.items()
            ],
        }
        while True:
            with aws_call("iam:SimulatePrincipalPolicy", role_arn):
                page = self._session.client("iam").simulate_principal_policy(**request)
            yield from page["EvaluationResults"]
            if not page.get("IsTruncated"):
                return
            request["Marker"] = page["Marker"]


def _decision(result: Mapping[str, Any], resource: str) -> Decision:
    # The decision at the top is of an ARN template; that of the resource stands below (ecr.md 6.3).
    specific: Mapping[str, Any] = next(iter(result.get("ResourceSpecificResults", ())), {})
    matched = specific.get("MatchedStatements") or result.get("MatchedStatements", ())
    missing = {*result.get("MissingContextValues", ()), *specific.get("MissingContextValues", ())}
    return Decision(
        action=result["EvalActionName"],
        resource=resource,
        decision=specific.get("EvalResourceDecision") or result["EvalDecision"],
        source=tuple(_source(statement) for statement in matched),
        missing_context=tuple(sorted(missing)),
    )


def _source(statement: Mapping[str, Any]) -> str:
    start = statement.get("StartPosition", {}).get("Line")
    return f"{statement.get('SourcePolicyId', '')} line {start}" if start else str(statement.get("SourcePolicyId", ""))
