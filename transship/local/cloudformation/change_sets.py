"""
Change sets, which `aws cloudformation deploy` goes through: a create or update that waits to be executed.

Left out: the list of changes; what is executed is the template with its parameters as they were given.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transship.local.cloudformation.parameters import check_parameters, given_values
from transship.local.cloudformation.template import Template
from transship.local.protocol_error import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transship.local.caller import Caller
    from transship.local.cloudformation.service import CloudFormation

_NOTHING = "The submitted information didn't contain changes. Submit different information to create a change set."


@dataclass(slots=True)
class _ChangeSet:
    id: str
    stack_id: str
    params: Mapping[str, Any]
    empty: bool
    executed: bool = False


class ChangeSets:
    """The change sets of all stacks."""

    def __init__(self, cloudformation: CloudFormation) -> None:
        self._service = cloudformation
        self._sets: dict[str, _ChangeSet] = {}

    def create(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """Answer CreateChangeSet: check everything, do nothing."""
        stack = self._service.stacks.find(caller.account, caller.region, params["StackName"])
        if stack is None and params.get("ChangeSetType") != "CREATE":
            raise AwsError("ValidationError", f"Stack [{params['StackName']}] does not exist")
        previous = stack.parameters if stack else {}
        reused = stack.template if stack and params.get("UsePreviousTemplate") else None
        template = reused or Template.parse(params["TemplateBody"])
        texts = check_parameters(template.parameters, given_values(params.get("Parameters", ()), previous))
        empty = stack is not None and template.body == stack.template.body and texts == stack.parameters
        place = f"arn:aws:cloudformation:{caller.region}:{caller.account}"
        stack_id = stack.id if stack else f"{place}:stack/{params['StackName']}/{uuid.uuid4()}"
        change = _ChangeSet(f"{place}:changeSet/{params['ChangeSetName']}/{uuid.uuid4()}", stack_id, params, empty)
        self._sets[change.id] = change
        return {"Id": change.id, "StackId": stack_id}

    def describe(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """Answer DescribeChangeSet."""
        change = self._find(params, caller)
        failed = {"Status": "FAILED", "StatusReason": _NOTHING, "ExecutionStatus": "UNAVAILABLE"}
        ready = {
            "Status": "CREATE_COMPLETE",
            "ExecutionStatus": "EXECUTE_COMPLETE" if change.executed else "AVAILABLE",
        }
        return {
            "ChangeSetId": change.id,
            "ChangeSetName": change.params["ChangeSetName"],
            "StackId": change.stack_id,
            "StackName": change.params["StackName"],
            "Changes": [],
            **(failed if change.empty else ready),
        }

    def execute(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """Answer ExecuteChangeSet."""
        change = self._find(params, caller)
        if change.empty or change.executed:
            message = f"ChangeSet [{change.id}] cannot be executed in its current status"
            raise AwsError("InvalidChangeSetStatus", message)
        change.executed = True
        if self._service.stacks.find(caller.account, caller.region, change.params["StackName"]):
            self._service.update(change.params, caller)
        else:
            self._service.create(change.params, caller)
        return {}

    def delete(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """Answer DeleteChangeSet."""
        self._sets.pop(self._find(params, caller).id)
        return {}

    def _find(self, params: Mapping[str, Any], caller: Caller) -> _ChangeSet:
        name, place = params["ChangeSetName"], f"arn:aws:cloudformation:{caller.region}:{caller.account}:"
        for change in reversed(self._sets.values()):
            if change.id.startswith(place) and name in {change.id, change.params["ChangeSetName"]}:
                return change
        raise AwsError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)
