"""
From a request to its operation: faults and quotas, shape, permission, then the operation itself.

The shape comes before the permission, since a resource that is no repository's name cannot be asked about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from transship.local.caller import Caller
from transship.local.ecr.access import authorize
from transship.local.ecr.body import parse_body
from transship.local.ecr.call import JSON, Call
from transship.local.ecr.engine import Engine
from transship.local.ecr.errors import EcrError
from transship.local.ecr.model import service_model, validate
from transship.local.ecr.names import RegistryId
from transship.local.ecr.operations import OPERATIONS
from transship.local.ecr.operations.tags import repository_name_of
from transship.local.ecr.registry import Registry

# With no names given, these are about every repository of the registry.
_ABOUT_ALL_REPOSITORIES = "*"


def run(engine: Engine, caller: Caller, operation: str, body: bytes) -> JSON:
    """
    Answer one request of the JSON API.

    Raises:
        EcrError: The answer is an error.
        ConnectionCut: There is to be no answer.
    """
    given = parse_body(body)
    if operation not in OPERATIONS:
        raise _absent(operation)
    with engine.call(operation, RegistryId(caller.account, caller.region)) as faults:
        parameters = validate(operation, given)
        registry = engine.registry(RegistryId(parameters.get("registryId") or caller.account, caller.region))
        return perform(operation, Call(engine, caller, registry, parameters, tuple(faults)))


def perform(operation: str, call: Call) -> JSON:
    """
    Run *operation* if its caller may.

    Raises:
        EcrError: AccessDeniedException, or an error of the operation.
    """
    permit(operation, call)
    return OPERATIONS[operation](call)


def permit(operation: str, call: Call) -> None:
    """
    Return if the caller may do *operation* to all that the call names.

    Raises:
        EcrError: AccessDeniedException.
    """
    parameters = call.parameters
    tags = {tag["Key"]: tag["Value"] for tag in parameters.get("tags", ())}
    for repository in _repositories(operation, call.registry, parameters):
        authorize(
            call.engine,
            call.caller,
            operation,
            call.registry,
            repository,
            request_tags=tags,
            tag_keys=parameters.get("tagKeys", ()),
        )
        if operation == "CreateRepository" and tags:
            # Tags given at the creation need their own permission (ecr.md 6.1).
            authorize(call.engine, call.caller, "TagResource", call.registry, repository, request_tags=tags)


def _repositories(operation: str, registry: Registry, parameters: Mapping[str, Any]) -> Iterator[str | None]:
    if "repositoryName" in parameters:
        yield parameters["repositoryName"]
    elif "resourceArn" in parameters:
        yield repository_name_of(parameters["resourceArn"], registry.id.account, registry.id.region)
    elif operation == "DescribeRepositories":
        yield from parameters.get("repositoryNames", [_ABOUT_ALL_REPOSITORIES])
    else:
        yield None


def _absent(operation: str) -> EcrError:
    if operation in service_model().operation_names:
        text = f"The operation ecr:{operation} is not part of the local ECR"
        return EcrError("UnsupportedOperationException", text)
    return EcrError("UnknownOperationException", f"ECR has no operation '{operation}'")
