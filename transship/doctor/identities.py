"""Who looks, and as whom each function runs: preflight judges roles by name, so a function must run as its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3

from chalicelib.access.evaluate import Principal
from chalicelib.names import FUNCTIONS, Deployment, function_name, role_name
from transship.finding import Finding
from transship.resource_policy import Ask, ResourcePolicy


def examine_identities(deployment: Deployment, session: boto3.Session) -> Iterator[Finding]:
    """Look at the caller, and at the role of each function: that it is there, is trusted to Lambda, and is used."""
    sts: Any = session.client("sts")
    yield Finding(f"identity {sts.get_caller_identity()['Arn']} examines this", holds=True)
    for function in FUNCTIONS:
        yield from _function(deployment, function, session.client("iam"), session.client("lambda"))
    yield _alike(deployment, session.client("lambda"))


def _function(deployment: Deployment, function: str, iam: Any, functions: Any) -> Iterator[Finding]:
    name = role_name(deployment.stage, function)
    try:
        role = iam.get_role(RoleName=name)["Role"]
    except iam.exceptions.NoSuchEntityException:
        yield Finding(f"identity {name} is there", holds=False)
        return
    if runs_as := _configured(functions, deployment, function).get("Role"):
        judged = f"{role['Arn']} is judged, so it refuses to work (IDENTITY_MISMATCH)"
        subject = f"identity of {function} is the role {name}"
        yield Finding(subject, runs_as == role["Arn"], f"Deploy again: it runs as {runs_as}, and {judged}.")
    yield _trusted(deployment, function, role)


def _trusted(deployment: Deployment, function: str, role: dict[str, Any]) -> Finding:
    document = role["AssumeRolePolicyDocument"]
    text = document if isinstance(document, str) else json.dumps(document)
    name = function_name(deployment.stage, function)
    arn = f"arn:{deployment.partition}:lambda:{deployment.region}:{deployment.account}:function:{name}"
    context = {"aws:SourceAccount": deployment.account, "aws:SourceArn": arn}
    ask = Ask(Principal.service("lambda.amazonaws.com"), "sts:AssumeRole", role["Arn"], context)
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return Finding(
        f"identity {role['RoleName']} can be taken by Lambda",
        ResourcePolicy(text).allows(ask),
        f"Add to the role's trust policy: {json.dumps(statement)}",
    )


def _alike(deployment: Deployment, functions: Any) -> Finding:
    """Functions that are told different things would judge one upload differently at each step."""
    told = {
        function: _configured(functions, deployment, function).get("Environment", {}).get("Variables", {})
        for function in FUNCTIONS
    }
    first = told[FUNCTIONS[0]]
    others = [function for function, variables in told.items() if variables != first]
    return Finding(
        "function settings are the same everywhere",
        not others,
        f"Deploy again: {', '.join(others)} and {FUNCTIONS[0]} differ.",
    )


def _configured(functions: Any, deployment: Deployment, function: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = functions.get_function_configuration(
            FunctionName=function_name(deployment.stage, function)
        )
    except functions.exceptions.ResourceNotFoundException:
        return {}  # `deploy.checks` says that it is not ready
    return found
