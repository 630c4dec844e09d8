"""
CloudFormation's API, as far as deploying a foundation needs it, change sets included.

Left out: nested stacks, stack sets, imports, drift, stack policies, template URLs, YAML, and ListExports.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

from transship.local.cloudformation.change_sets import ChangeSets
from transship.local.cloudformation.engine import Engine
from transship.local.cloudformation.errors import TemplateError
from transship.local.cloudformation.parameters import check_parameters, given_values
from transship.local.cloudformation.stacks import Resource, Stack, Stacks
from transship.local.cloudformation.template import Template
from transship.local.cloudformation.update import Update
from transship.local.protocol import Answer, AwsRequest
from transship.local.protocol_error import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transship.local.accounts import Credentials
    from transship.local.caller import Caller
    from transship.local.clock import Clock

_NAMED = "RoleName"


class CloudFormation:
    """Answers CloudFormation; one of the front door's services."""

    def __init__(self, endpoint: Callable[[], str], clock: Clock, credentials: Callable[[str], Credentials]) -> None:
        """
        Begin without stacks.

        Args:
            endpoint: Returns the URL that resources are made through.
            clock: Dates events.
            credentials: Returns those of an access key, in whose name resources are made.
        """
        self._endpoint, self._clock, self._credentials = endpoint, clock, credentials
        self._session = botocore.session.Session()
        self._made: dict[tuple[str, str, str], Any] = {}
        self._lock = threading.RLock()
        self.stacks = Stacks()
        changes = ChangeSets(self)
        self._operations: dict[str, Callable[[Mapping[str, Any], Caller], dict[str, Any]]] = {
            "CreateChangeSet": changes.create,
            "CreateStack": self._create,
            "DeleteChangeSet": changes.delete,
            "DeleteStack": self._delete,
            "DescribeChangeSet": changes.describe,
            "DescribeStackEvents": self._describe_events,
            "DescribeStackResource": self._describe_resource,
            "DescribeStackResources": self._describe_resources,
            "DescribeStacks": self._describe,
            "ExecuteChangeSet": changes.execute,
            "GetTemplate": self._get_template,
            "GetTemplateSummary": self._summarize,
            "ListStackResources": self._list_resources,
            "ListStacks": self._list,
            "UpdateStack": self._update,
            "ValidateTemplate": self._validate,
        }

    def __call__(self, request: AwsRequest, caller: Caller) -> Answer:
        """
        Answer *request*.

        Raises:
            AwsError: As CloudFormation would refuse it; InvalidAction for operations that are left out.
        """
        operation = self._operations.get(request.operation)
        if operation is None:
            raise AwsError("InvalidAction", f"The local CloudFormation has no {request.operation}.")
        if "TemplateURL" in request.params:
            raise TemplateError("The local CloudFormation takes templates by TemplateBody only")
        with self._lock:
            return request.answer(operation(request.params, caller))

    def close(self) -> None:
        """Close the clients that resources were made with."""
        for client in self._made.values():
            client.close()

    def create(self, params: Mapping[str, Any], caller: Caller) -> Stack:
        """
        Create a stack as CreateStack does.

        Raises:
            AwsError: It exists, or the template is refused.
        """
        name = params["StackName"]
        if self.stacks.find(caller.account, caller.region, name):
            raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists")
        template = Template.parse(params.get("TemplateBody", ""))
        _check_capabilities(template, params)
        texts = check_parameters(template.parameters, given_values(params.get("Parameters", ()), {}))
        stack = Stack(
            name,
            caller.account,
            caller.region,
            template,
            texts,
            params.get("Capabilities", ()),
            params.get("Tags", ()),
            self._clock,
        )
        engine = Engine(stack, self._clients(caller))
        self.stacks.add(stack)
        default = "DO_NOTHING" if params.get("DisableRollback") else "ROLLBACK"
        engine.create(params.get("OnFailure", default))
        return stack

    def update(self, params: Mapping[str, Any], caller: Caller) -> Stack:
        """
        Update a stack as UpdateStack does.

        Raises:
            AwsError: There is none, it cannot be updated, the template is refused, or nothing changes.
        """
        stack = self.stacks.get(caller.account, caller.region, params["StackName"])
        if not stack.status.endswith("_COMPLETE") or stack.status in {"ROLLBACK_COMPLETE", "DELETE_COMPLETE"}:
            message = f"Stack:{stack.id} is in {stack.status} state and can not be updated."
            raise AwsError("ValidationError", message)
        template = stack.template if params.get("UsePreviousTemplate") else Template.parse(params["TemplateBody"])
        _check_capabilities(template, params)
        given = given_values(params.get("Parameters", ()), stack.parameters)
        texts = check_parameters(template.parameters, given)
        if template.body == stack.template.body and texts == stack.parameters:
            raise AwsError("ValidationError", "No updates are to be performed.")
        Update(stack, self._clients(caller)).run(template, texts)
        return stack

    def _clients(self, caller: Caller) -> Callable[[str], Any]:
        def client(service: str) -> Any:
            key = (caller.access_key, caller.region, service)
            if key not in self._made:
                credentials: dict[str, Any] = self._credentials(caller.access_key).for_boto3()
                self._made[key] = self._session.create_client(
                    service,
                    region_name=caller.region,
                    endpoint_url=self._endpoint(),
                    **credentials,
                    config=Config(retries={"total_max_attempts": 1}),
                )
            return self._made[key]

        return client

    def _create(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        return {"StackId": self.create(params, caller).id}

    def _update(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        return {"StackId": self.update(params, caller).id}

    def _delete(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        stack = self.stacks.find(caller.account, caller.region, params["StackName"])
        if stack is not None and stack.deleted is None:
            Engine(stack, self._clients(caller)).delete()
        return {}

    def _describe(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        name = params.get("StackName")
        if name:
            return {"Stacks": [_described(self.stacks.get(caller.account, caller.region, name))]}
        living = [stack for stack in self.stacks.of(caller.account, caller.region) if stack.deleted is None]
        return {"Stacks": [_described(stack) for stack in living]}

    def _describe_events(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        return {"StackEvents": self._stack(params, caller).events[::-1]}

    def _describe_resources(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        stack = self._stack(params, caller)
        wanted = params.get("LogicalResourceId")
        made = [resource for name, resource in stack.resources.items() if wanted in {None, name}]
        return {"StackResources": [_resource(stack, resource) for resource in made]}

    def _describe_resource(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        stack, name = self._stack(params, caller), params["LogicalResourceId"]
        if name not in stack.resources:
            raise AwsError("ValidationError", f"Resource {name} does not exist for stack {stack.name}")
        found = stack.resources[name]
        return {"StackResourceDetail": {**_resource(stack, found), "LastUpdatedTimestamp": found.changed}}

    def _list_resources(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        stack = self._stack(params, caller)
        summaries = [
            {**_resource(stack, resource), "LastUpdatedTimestamp": resource.changed}
            for resource in stack.resources.values()
        ]
        return {"StackResourceSummaries": summaries}

    def _list(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        wanted = params.get("StackStatusFilter")
        stacks = self.stacks.of(caller.account, caller.region)
        return {"StackSummaries": [_described(stack) for stack in stacks if not wanted or stack.status in wanted]}

    def _get_template(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        return {"TemplateBody": self._stack(params, caller).template.body, "StagesAvailable": ["Original", "Processed"]}

    def _validate(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        del caller
        return _summary(Template.parse(params["TemplateBody"]))

    def _summarize(self, params: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        body = params.get("TemplateBody")
        template = Template.parse(body) if body else self._stack(params, caller).template
        types = sorted({resource.type_name for resource in template.resources.values()})
        return {**_summary(template), "ResourceTypes": types}

    def _stack(self, params: Mapping[str, Any], caller: Caller) -> Stack:
        return self.stacks.get(caller.account, caller.region, params["StackName"])


def _check_capabilities(template: Template, params: Mapping[str, Any]) -> None:
    """Insist on the acknowledgement that a template with IAM resources needs ("Acknowledging IAM resources")."""
    roles = [resource for resource in template.resources.values() if resource.type_name.startswith("AWS::IAM::")]
    needed = "CAPABILITY_NAMED_IAM" if any(_NAMED in role.properties for role in roles) else "CAPABILITY_IAM"
    accepted = {needed, "CAPABILITY_NAMED_IAM"}
    if roles and not accepted & set(params.get("Capabilities", ())):
        raise AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")


def _described(stack: Stack) -> dict[str, Any]:
    described = {
        "StackId": stack.id,
        "StackName": stack.name,
        "Description": stack.template.description,
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in stack.parameters.items()],
        "CreationTime": stack.created,
        "LastUpdatedTime": stack.updated,
        "DeletionTime": stack.deleted,
        "RollbackConfiguration": {},
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason or None,
        "DisableRollback": stack.disable_rollback,
        "Capabilities": list(stack.capabilities),
        "Outputs": stack.outputs,
        "Tags": list(stack.tags),
        "TemplateDescription": stack.template.description,
    }
    return {name: value for name, value in described.items() if value is not None}


def _resource(stack: Stack, resource: Resource) -> dict[str, Any]:
    return {
        "StackName": stack.name,
        "StackId": stack.id,
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type_name,
        "Timestamp": resource.changed,
        "ResourceStatus": resource.status,
        **({"ResourceStatusReason": resource.reason} if resource.reason else {}),
    }


def _summary(template: Template) -> dict[str, Any]:
    parameters = [
        {
            "ParameterKey": name,
            "DefaultValue": declaration.get("Default"),
            "ParameterType": declaration["Type"],
            "NoEcho": declaration.get("NoEcho", False),
            "Description": declaration.get("Description"),
        }
        for name, declaration in template.parameters.items()
    ]
    iam = any(resource.type_name.startswith("AWS::IAM::") for resource in template.resources.values())
    capabilities = ["CAPABILITY_NAMED_IAM"] if iam else []
    return {"Parameters": parameters, "Description": template.description, "Capabilities": capabilities}
