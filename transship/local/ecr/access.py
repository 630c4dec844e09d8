"""
The question to IAM that each operation asks before it acts (ecr.md 6.1).

Only repositories are a resource type; all else is asked on `*`. Tags of the repository go along under both names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from transship.local.caller import AccessDenied, AccessRequest, Caller, ContextValue
from transship.local.ecr.engine import Engine
from transship.local.ecr.errors import EcrError
from transship.local.ecr.names import RegistryId, repository_arn
from transship.local.ecr.registry import Registry
from transship.local.ecr.repository import Repository

# ListImageReferrers has no action of its own (ecr.md 1.6).
_ACTIONS = {"ListImageReferrers": "BatchGetImage"}


def authorize(
    engine: Engine,
    caller: Caller,
    operation: str,
    registry: Registry,
    repository: str | None = None,
    *,
    request_tags: Mapping[str, str] | None = None,
    tag_keys: Sequence[str] = (),
) -> None:
    """
    Return if *caller* may call *operation* on *repository* of *registry* (on `*` if None).

    Args:
        engine: The service's state.
        caller: Who calls.
        operation: The operation's name.
        registry: The registry meant.
        repository: Name, which need not exist.
        request_tags: Tags that the request gives.
        tag_keys: Tag keys that the request names without values.

    Raises:
        EcrError: AccessDeniedException, with the authorizer's message.
    """
    found = registry.find(repository) if repository else None
    request = AccessRequest(
        action=f"ecr:{_ACTIONS.get(operation, operation)}",
        resource=repository_arn(registry.id, repository) if repository else "*",
        resource_account=registry.id.account,
        context=_context(registry.id, found, request_tags or {}, tag_keys),
        resource_policies=_repository_policies(found),
        governing_policies=_registry_policies(registry),
    )
    try:
        engine.authorizer.authorize(caller, request)
    except AccessDenied as denied:
        raise EcrError("AccessDeniedException", str(denied)) from denied


def _context(
    registry: RegistryId, repository: Repository | None, request_tags: Mapping[str, str], tag_keys: Sequence[str]
) -> dict[str, ContextValue]:
    context: dict[str, ContextValue] = {"aws:RequestedRegion": registry.region}
    if repository is not None:
        for key, value in repository.settings.tags.items():
            context[f"ecr:ResourceTag/{key}"] = value
            context[f"aws:ResourceTag/{key}"] = value
    context |= {f"aws:RequestTag/{key}": value for key, value in request_tags.items()}
    if request_tags or tag_keys:
        context["aws:TagKeys"] = (*request_tags, *tag_keys)
    return context


def _repository_policies(repository: Repository | None) -> tuple[Mapping[str, Any], ...]:
    if repository is None or repository.settings.policy is None:
        return ()
    return (json.loads(repository.settings.policy),)


def _registry_policies(registry: Registry) -> tuple[Mapping[str, Any], ...]:
    # Scope V2 is the default and, today, the only value: the policy takes part in every request (ecr.md 0).
    document = registry.policy_document()
    return (document,) if document else ()
