"""
Repository and registry policies: their grammar, and the one question that replication itself puts to a registry policy.

Callers of the API are judged by the service's authorizer; see `access`.
"""

from __future__ import annotations

from chalicelib.access.evaluate import (
    PolicyGrammarError,
    PolicyKind,
    Principal,
    Request,
    evaluate_resource_policy,
    parse_policy,
)
from transship.local.ecr.errors import invalid_parameter


def check_policy_text(text: str, what: str) -> None:
    """
    Check that *text* is a policy; *what* is `repository` or `registry`.

    Raises:
        EcrError: InvalidParameterException, with the element at fault.
    """
    try:
        parse_policy(text, name=what, kind=PolicyKind.RESOURCE)
    except PolicyGrammarError as error:
        raise invalid_parameter("PolicyText", f"Invalid {what} policy provided: {error}") from error


def registry_policy_allows(text: str, source_account: str, action: str, resource: str) -> bool:
    """Tell whether a destination's registry policy lets *source_account* do *action* on *resource*."""
    policy = parse_policy(text, name="registry", kind=PolicyKind.RESOURCE)
    principal = Principal.from_arn(f"arn:aws:iam::{source_account}:root")
    return evaluate_resource_policy(policy, Request(principal, action, resource)).allowed
