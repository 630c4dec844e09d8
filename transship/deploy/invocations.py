"""
Who may invoke a function: Chalice lets EventBridge do so for one rule, and says nothing of whose account that is.

A service is anybody's deputy ("The confused deputy problem", IAM User Guide), so each permission names the account
too, as the policies of the queues do. Chalice takes such a permission for its own when it deploys again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chalicelib.names import FUNCTIONS, Deployment, function_name

_LATER: Final = "-of-our-account"


def confine_invocations(deployment: Deployment, client: Any) -> None:
    """
    Add the account to every permission by which a service invokes a function of *deployment*.

    Args:
        deployment: Which one.
        client: Of Lambda.
    """
    for function in FUNCTIONS:
        name = function_name(deployment.stage, function)
        for statement in _open(invocation_policy(client, name)):
            # The new one first: at no time may the rule not invoke.
            client.add_permission(
                FunctionName=name,
                StatementId=statement["Sid"] + _LATER,
                Action=statement["Action"],
                Principal=statement["Principal"]["Service"],
                SourceArn=statement["Condition"]["ArnLike"]["AWS:SourceArn"],
                SourceAccount=deployment.account,
            )
            client.remove_permission(FunctionName=name, StatementId=statement["Sid"])


def invocation_policy(client: Any, function: str) -> str:
    """Return a function's policy as JSON text, "" where it has none."""
    try:
        return str(client.get_policy(FunctionName=function)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        return ""


def _open(policy: str) -> Iterator[Mapping[str, Any]]:
    """Yield the statements as Chalice writes them, without an account."""
    for statement in json.loads(policy)["Statement"] if policy else ():
        condition = statement.get("Condition", {})
        if "AWS:SourceArn" in condition.get("ArnLike", {}) and "StringEquals" not in condition:
            yield statement
