"""The foundation stack: created, or updated in place; it is never deleted here, for its bucket and table hold state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import boto3
from botocore.exceptions import ClientError, WaiterError

from chalicelib.names import Deployment
from transship.deploy.paths import ROOT
from transship.errors import CommandError

TEMPLATE: Final = ROOT / ".chalice" / "foundation.json"
_UNCHANGED: Final = "No updates are to be performed"
_POLL: Final = {"Delay": 3, "MaxAttempts": 400}  # seconds, and 20 minutes in all; a dashboard takes the longest


def stack_name(stage: str) -> str:
    """Return the name of the foundation stack."""
    return f"transship-{stage}-foundation"


def deploy_foundation(deployment: Deployment, parameters: Mapping[str, str], session: boto3.Session) -> None:
    """
    Create the stack or bring it up to date, and wait for the end.

    Args:
        deployment: Names the stack.
        parameters: Of the template, beyond `Stage`.
        session: Whoever may do that.

    Raises:
        CommandError: CloudFormation gave up; the reasons are its own.
    """
    client: Any = session.client("cloudformation")
    name = stack_name(deployment.stage)
    request = {
        "StackName": name,
        "TemplateBody": _template(),
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in {"Stage": deployment.stage, **parameters}.items()
        ],
        "Capabilities": ["CAPABILITY_IAM"],
    }
    status = _status(client, name)
    if status is None:
        client.create_stack(**request)
        _wait(client, "stack_create_complete", name)
    elif status == "ROLLBACK_COMPLETE":
        raise CommandError(
            f"The stack {name} failed when it was first created and cannot be updated.",
            f"Delete it with `aws cloudformation delete-stack --stack-name {name}` and deploy again.",
        )
    elif _update(client, request):
        _wait(client, "stack_update_complete", name)


def _template() -> str:
    # CreateStack takes 51,200 bytes; the indentation is for people.
    return json.dumps(json.loads(TEMPLATE.read_text()), separators=(",", ":"))


def _status(client: Any, name: str) -> str | None:
    try:
        stacks = client.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return str(stacks[0]["StackStatus"])


def _update(client: Any, request: Mapping[str, Any]) -> bool:
    """Return whether there was anything to update."""
    try:
        client.update_stack(**request)
    except ClientError as error:
        if _UNCHANGED in str(error):
            return False
        raise
    return True


def _wait(client: Any, waiter: str, name: str) -> None:
    try:
        client.get_waiter(waiter).wait(StackName=name, WaiterConfig=_POLL)
    except WaiterError as error:
        reasons = "; ".join(_failures(client, name)) or str(error)
        raise CommandError(
            f"The stack {name} could not be deployed: {reasons}", "Mend that and deploy again."
        ) from error


def _failures(client: Any, name: str) -> list[str]:
    """Return what failed, the cause first; what was only cancelled in consequence is left out."""
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    return [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', event['ResourceStatus'])}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("_FAILED") and "cancelled" not in event.get("ResourceStatusReason", "")
    ]
