"""What a resource type is to the engine."""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from transship.local.cloudformation.schema import Schema

Properties = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where and for whom a resource is made.

    Attributes:
        stack: Name of the stack.
        logical_id: Name of the resource in the template.
        account: Of the caller.
        region: Of the call.
        client: Returns a boto3 client with the caller's credentials.
    """

    stack: str
    logical_id: str
    account: str
    region: str
    client: Callable[[str], Any]

    def name(self, given: str | None, limit: int = 64) -> str:
        """Return *given*, or else a name as CloudFormation makes them up, of at most *limit* characters."""
        if given is not None:
            return given
        ending = secrets.token_hex(6)
        return f"{self.stack}-{self.logical_id}"[: limit - len(ending) - 1] + f"-{ending}"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a regional resource."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


class ResourceType(Protocol):
    """
    One `AWS::Service::Resource`.

    Attributes:
        schema: Properties it takes.
        replaced_by: Properties whose change makes a new resource ("Update requires: Replacement").
    """

    schema: ClassVar[Schema]
    replaced_by: ClassVar[frozenset[str]]

    def create(self, place: Place, properties: Properties) -> str:
        """Make the resource and return what Ref gives."""

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Make the resource what *properties* say; it was as *old* says."""

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Remove the resource."""

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return what Fn::GetAtt gives, by attribute."""


@contextmanager
def undone_on_failure(undo: Callable[[], object]) -> Iterator[None]:
    """Call *undo* if the block fails, so that a resource is made whole or not at all."""
    try:
        yield
    except Exception:
        undo()
        raise


def document(value: Any) -> str:
    """Return a policy or pattern as the text that APIs take."""
    return value if isinstance(value, str) else json.dumps(value)


def boolean(value: Any) -> bool:
    """Return a boolean that a template may have as text."""
    return str(value).lower() == "true"


def tags(properties: Properties) -> list[dict[str, str]]:
    """Return the tags of a resource as most APIs take them."""
    return [{"Key": tag["Key"], "Value": str(tag["Value"])} for tag in properties.get("Tags", [])]
