"""The repository that a push goes to, created by a CREATE_ON_PUSH template where that is on (ecr.md 0)."""

from __future__ import annotations

from transship.local.ecr.access import authorize
from transship.local.ecr.call import Call
from transship.local.ecr.errors import repository_not_found
from transship.local.ecr.repository import Repository
from transship.local.ecr.templates import TemplateError, settings_from, template_for


def pushed_to(call: Call) -> Repository:
    """
    Return the repository that `repositoryName` names; the caller needs ecr:CreateRepository to have it created.

    Raises:
        EcrError: RepositoryNotFoundException, or AccessDeniedException for the creation.
    """
    name = call.parameters["repositoryName"]
    registry = call.registry
    found = registry.find(name)
    if found is not None:
        return found
    may_create = call.through_registry_api or call.options.creates_on_push_by_api
    template = template_for(registry, name, "CREATE_ON_PUSH") if may_create else None
    if template is None:
        raise repository_not_found(registry.id, name)
    authorize(call.engine, call.caller, "CreateRepository", registry, name)
    try:
        settings = settings_from(template)
    except TemplateError as error:
        raise repository_not_found(registry.id, name) from error
    with registry.lock:
        return registry.find(name) or registry.create(name, settings, call.now)
