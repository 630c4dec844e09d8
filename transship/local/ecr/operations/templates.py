"""Repository creation templates: stored here, applied by `templates`."""

from __future__ import annotations

from transship.local.ecr.call import JSON, Call
from transship.local.ecr.errors import EcrError, limit_exceeded
from transship.local.ecr.operations.tags import tags_from
from transship.local.ecr.paging import page
from transship.local.ecr.policies import check_policy_text

_MEMBERS = (
    "description",
    "encryptionConfiguration",
    "resourceTags",
    "imageTagMutability",
    "imageTagMutabilityExclusionFilters",
    "repositoryPolicy",
    "lifecyclePolicy",
    "appliedFor",
    "customRoleArn",
)


def create_repository_creation_template(call: Call) -> JSON:
    """Add a template for a prefix that has none."""
    prefix, templates = call.parameters["prefix"], call.registry.templates
    given = _given(call)
    with call.registry.lock:
        if prefix in templates:
            text = f"A repository creation template with the prefix '{prefix}' already exists"
            raise EcrError("TemplateAlreadyExistsException", text)
        if len(templates) >= call.options.templates_per_registry:
            raise limit_exceeded("repository creation templates", call.options.templates_per_registry)
        templates[prefix] = {"prefix": prefix, "createdAt": call.now, "updatedAt": call.now} | given
    return _answer(call, templates[prefix])


def update_repository_creation_template(call: Call) -> JSON:
    """Change the members that are given."""
    template = _find(call)
    with call.registry.lock:
        template |= _given(call) | {"updatedAt": call.now}
    return _answer(call, template)


def delete_repository_creation_template(call: Call) -> JSON:
    """Remove a template; repositories that it made stay."""
    template = _find(call)
    del call.registry.templates[template["prefix"]]
    return _answer(call, template)


def describe_repository_creation_templates(call: Call) -> JSON:
    """Return a page of the templates, or of those for the given prefixes."""
    prefixes = call.parameters.get("prefixes")
    found = [template for prefix, template in call.registry.templates.items() if prefixes is None or prefix in prefixes]
    chosen, more = page(found, lambda template: str(template["prefix"]), call.parameters, 100)
    return {"registryId": call.registry.id.account, "repositoryCreationTemplates": chosen} | more


def _given(call: Call) -> JSON:
    given = {name: call.parameters[name] for name in _MEMBERS if name in call.parameters}
    tags_from(given.get("resourceTags", ()))
    if given.get("repositoryPolicy"):
        check_policy_text(given["repositoryPolicy"], "repository")
    return given


def _find(call: Call) -> JSON:
    prefix = call.parameters["prefix"]
    if prefix not in call.registry.templates:
        text = f"The repository creation template with the prefix '{prefix}' does not exist"
        raise EcrError("TemplateNotFoundException", text)
    return call.registry.templates[prefix]


def _answer(call: Call, template: JSON) -> JSON:
    return {"registryId": call.registry.id.account, "repositoryCreationTemplate": template}
