"""A template: sections checked, resources in the order in which they can be made."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Self

from transship.local.cloudformation.errors import TemplateError
from transship.local.cloudformation.intrinsics import Scope, references

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SIZE_LIMIT = 51_200
"""Bytes of a template passed in the request ("Understand CloudFormation quotas")."""

_SECTIONS = frozenset(
    {"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Conditions", "Resources", "Outputs"}
)
_RESOURCE_MEMBERS = frozenset(
    {"Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "Metadata"}
)


@dataclass(frozen=True, slots=True)
class Declaration:
    """
    A resource as a template declares it.

    Attributes:
        name: Logical id.
        type_name: `AWS::Service::Resource`.
        properties: With functions unresolved.
        deletion_policy: `Delete`, `Retain` or `RetainExceptOnCreate`.
        condition: Name of the condition it depends on.
        depends_on: Logical ids.
    """

    name: str
    type_name: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    deletion_policy: str = "Delete"
    condition: str | None = None
    depends_on: tuple[str, ...] = ()

    @classmethod
    def read(cls, name: str, body: Mapping[str, Any]) -> Self:
        """
        Read one member of `Resources`.

        Raises:
            TemplateError: It is none.
        """
        if surplus := body.keys() - _RESOURCE_MEMBERS:
            raise TemplateError(f"Invalid template resource property '{min(surplus)}' of {name}")
        depends_on = body.get("DependsOn", [])
        return cls(
            name,
            body["Type"],
            body.get("Properties", {}),
            deletion_policy=_deletion_policy(name, body),
            condition=body.get("Condition"),
            depends_on=(depends_on,) if isinstance(depends_on, str) else tuple(depends_on),
        )


def _deletion_policy(name: str, body: Mapping[str, Any]) -> str:
    policy = body.get("DeletionPolicy", "Delete")
    if policy not in {"Delete", "Retain", "RetainExceptOnCreate"}:
        raise TemplateError(f"Template format error: Unrecognized DeletionPolicy {policy} for resource {name}")
    return str(policy)


@dataclass(frozen=True, slots=True)
class Template:
    """A template whose form is right; names are checked when its scope is known."""

    body: str
    description: str
    parameters: Mapping[str, Mapping[str, Any]]
    conditions: Mapping[str, Any]
    resources: Mapping[str, Declaration]
    outputs: Mapping[str, Mapping[str, Any]]

    @classmethod
    def parse(cls, body: str) -> Self:
        """
        Read a template.

        Raises:
            TemplateError: It is no JSON object, too long, or has sections that templates do not have.
        """
        if len(body.encode()) > SIZE_LIMIT:
            raise TemplateError(f"templateBody must have length less than or equal to {SIZE_LIMIT}")
        try:
            document = json.loads(body)
        except ValueError as error:
            raise TemplateError(f"Template format error: JSON not well-formed. ({error})") from error
        if not isinstance(document, dict) or document.keys() - _SECTIONS or not document.get("Resources"):
            raise TemplateError("Template format error: At least one Resources member, and only known sections")
        return cls(
            body,
            document.get("Description", ""),
            document.get("Parameters", {}),
            document.get("Conditions", {}),
            {name: Declaration.read(name, resource) for name, resource in document["Resources"].items()},
            document.get("Outputs", {}),
        )

    def ordered(self, scope: Scope) -> list[Declaration]:
        """
        Return the resources whose condition holds, each after those it needs.

        Raises:
            TemplateError: A name is unknown, or resources need each other.
        """
        wanted = {
            name: resource
            for name, resource in self.resources.items()
            if resource.condition is None or scope.holds(resource.condition)
        }
        needs = {name: set(self._needs(resource, wanted, scope)) for name, resource in wanted.items()}
        try:
            return [wanted[name] for name in TopologicalSorter(needs).static_order()]
        except CycleError as error:
            names = ", ".join(dict.fromkeys(error.args[1]))
            raise TemplateError(f"Circular dependency between resources: [{names}]") from error

    def _needs(self, resource: Declaration, wanted: Mapping[str, Declaration], scope: Scope) -> Iterator[str]:
        yield from (name for name in resource.depends_on if name in wanted)
        for name in (*references(dict(resource.properties), scope), *resource.depends_on):
            if name in self.parameters or name.startswith("AWS::") or (name in self.resources and name not in wanted):
                continue
            if name not in wanted:
                raise TemplateError(
                    f"Template format error: Unresolved resource dependencies [{name}] in the Resources block of the "
                    "template"
                )
            yield name
