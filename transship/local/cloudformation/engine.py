"""
Making a stack what its template says.

Every operation is done when it returns, so that a waiter that polls every 30 s finds it done at its first look.
A failure rolls back: what was made is deleted. Resources are made one after the other; updates are in `update.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from transship.local.cloudformation import schema
from transship.local.cloudformation.errors import ResourceError, TemplateError
from transship.local.cloudformation.intrinsics import NO_VALUE, Scope
from transship.local.cloudformation.parameters import typed
from transship.local.cloudformation.resources import REGISTRY, Place, ResourceType
from transship.local.cloudformation.stacks import Resource, Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from transship.local.cloudformation.template import Declaration

FAILURES = (ClientError, BotoCoreError, ResourceError, TemplateError)
"""What makes an operation on a stack fail, with the reason as its text."""


class Engine:
    """Operates on one stack with one caller's clients."""

    def __init__(self, stack: Stack, client: Callable[[str], Any]) -> None:
        self._stack, self._client = stack, client

    def create(self, on_failure: str) -> None:
        """
        Make every resource.

        Args:
            on_failure: `ROLLBACK`, `DELETE` or `DO_NOTHING`.
        """
        stack = self._stack
        stack.turn("CREATE_IN_PROGRESS", "User Initiated")
        try:
            for declaration in stack.template.ordered(self.scope()):
                self.make(declaration)
            self.set_outputs()
        except FAILURES as failure:
            self._give_up_creation(on_failure, str(failure))
        else:
            stack.turn("CREATE_COMPLETE")

    def delete(self) -> None:
        """Delete what may be deleted; what is to be retained stays."""
        stack = self._stack
        stack.turn("DELETE_IN_PROGRESS", "User Initiated")
        failed = self.remove(list(stack.resources.values()))
        if failed:
            stack.turn("DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}].")
        else:
            stack.turn("DELETE_COMPLETE")
            stack.deleted = stack.now()

    def make(self, declaration: Declaration) -> Resource:
        """
        Make the resource that *declaration* says.

        Raises:
            ResourceError: It cannot be made; the resource itself has the reason.
        """
        stack = self._stack
        resource = Resource(declaration.name, declaration.type_name, deletion_policy=declaration.deletion_policy)
        stack.resources[declaration.name] = resource
        stack.turn_resource(resource, "CREATE_IN_PROGRESS")
        try:
            kind = kind_of(declaration)
            resource.properties = self.properties(declaration, kind)
            resource.physical_id = kind.create(self.place(declaration.name), resource.properties)
        except FAILURES as failure:
            stack.turn_resource(resource, "CREATE_FAILED", str(failure))
            raise ResourceError(f"The following resource(s) failed to create: [{declaration.name}].") from failure
        stack.turn_resource(resource, "CREATE_COMPLETE")
        return resource

    def _give_up_creation(self, on_failure: str, reason: str) -> None:
        stack = self._stack
        if on_failure == "DO_NOTHING":
            stack.turn("CREATE_FAILED", reason)
            return
        stack.turn("ROLLBACK_IN_PROGRESS", reason)
        self.remove([made for made in stack.resources.values() if made.deletion_policy != "Retain"], forced=True)
        stack.turn("ROLLBACK_COMPLETE")
        if on_failure == "DELETE":
            self.delete()

    def remove(self, resources: list[Resource], *, forced: bool = False) -> list[str]:
        """Delete *resources*, the last made first, but for those to be retained; return the names that failed."""
        failed = []
        for resource in reversed(resources):
            if not resource.physical_id:
                continue
            if resource.deletion_policy.startswith("Retain") and not forced:
                self._stack.turn_resource(resource, "DELETE_SKIPPED")
                continue
            try:
                self.discard(resource)
            except FAILURES as failure:
                self._stack.turn_resource(resource, "DELETE_FAILED", str(failure))
                failed.append(resource.logical_id)
        return failed

    def discard(self, resource: Resource) -> None:
        """Delete *resource*."""
        self._stack.turn_resource(resource, "DELETE_IN_PROGRESS")
        kind = REGISTRY[resource.type_name]
        kind.delete(self.place(resource.logical_id), resource.physical_id, resource.properties)
        self._stack.turn_resource(resource, "DELETE_COMPLETE")

    def properties(self, declaration: Declaration, kind: ResourceType) -> dict[str, Any]:
        """
        Return the properties of *declaration*, functions resolved.

        Raises:
            TemplateError: A function is misused.
            ResourceError: *kind* does not take them.
        """
        properties: dict[str, Any] = self.scope().resolve(dict(declaration.properties))
        schema.check(properties, kind.schema)
        return properties

    def set_outputs(self) -> None:
        """Compute the stack's outputs."""
        scope, outputs = self.scope(), []
        for name, output in self._stack.template.outputs.items():
            if "Condition" in output and not scope.holds(output["Condition"]):
                continue
            made = {"OutputKey": name, "OutputValue": str(scope.resolve(output["Value"]))}
            if "Description" in output:
                made["Description"] = output["Description"]
            if "Export" in output:
                made["ExportName"] = str(scope.resolve(output["Export"]["Name"]))
            outputs.append(made)
        self._stack.outputs = outputs

    def scope(self) -> Scope:
        """Return what values of the template can refer to now."""
        stack = self._stack
        pseudo = {
            "AWS::AccountId": stack.account,
            "AWS::NoValue": NO_VALUE,
            "AWS::NotificationARNs": [],
            "AWS::Partition": "aws",
            "AWS::Region": stack.region,
            "AWS::StackId": stack.id,
            "AWS::StackName": stack.name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        values = {**pseudo, **typed(stack.template.parameters, stack.parameters)}
        return Scope(values, stack.template.conditions, self._reference, self._attribute)

    def _reference(self, name: str) -> str:
        return self._made(name).physical_id

    def _attribute(self, name: str, attribute: str) -> str:
        resource = self._made(name)
        attributes = REGISTRY[resource.type_name].attributes(self.place(name), resource.physical_id)
        if attribute not in attributes:
            raise TemplateError(
                f"Requested attribute {attribute} does not exist in schema for {resource.type_name} {name}"
            )
        return attributes[attribute]

    def _made(self, name: str) -> Resource:
        resource = self._stack.resources.get(name)
        if resource is None or not resource.physical_id:
            raise TemplateError(f"Template format error: Unresolved resource dependencies [{name}]")
        return resource

    def place(self, logical_id: str) -> Place:
        """Return where and for whom the resource *logical_id* is made."""
        stack = self._stack
        return Place(stack.name, logical_id, stack.account, stack.region, self._client)


def kind_of(declaration: Declaration) -> ResourceType:
    """
    Return the type of *declaration*.

    Raises:
        ResourceError: There is no such type here.
    """
    kind = REGISTRY.get(declaration.type_name)
    if kind is None:
        raise ResourceError(f"Unrecognized resource types: [{declaration.type_name}]")
    return kind
