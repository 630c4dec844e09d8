"""Repository policies, lifecycle policies (stored, not run) and the registry policy."""

from __future__ import annotations

import json

from transship.local.ecr.call import JSON, Call
from transship.local.ecr.errors import EcrError, invalid_parameter
from transship.local.ecr.policies import check_policy_text


def set_repository_policy(call: Call) -> JSON:
    """Attach a policy to a repository."""
    repository, text = call.repository, call.parameters["policyText"]
    check_policy_text(text, "repository")
    repository.settings.policy = text
    return call.where | {"policyText": text}


def get_repository_policy(call: Call) -> JSON:
    """Return the repository's policy."""
    text = call.repository.settings.policy
    if text is None:
        raise _absent(call, "RepositoryPolicyNotFoundException", "Repository policy")
    return call.where | {"policyText": text}


def delete_repository_policy(call: Call) -> JSON:
    """Remove the repository's policy."""
    answer = get_repository_policy(call)
    call.repository.settings.policy = None
    return answer


def put_lifecycle_policy(call: Call) -> JSON:
    """Store a lifecycle policy; its rules are documents here, nothing expires by them."""
    repository, text = call.repository, call.parameters["lifecyclePolicyText"]
    _check_lifecycle_policy(text)
    repository.settings.lifecycle_policy = text
    return call.where | {"lifecyclePolicyText": text}


def _check_lifecycle_policy(text: str) -> None:
    try:
        rules = json.loads(text)["rules"]
        valid = 1 <= len(rules) <= 50 and all({"rulePriority", "selection", "action"} <= rule.keys() for rule in rules)
    except (ValueError, TypeError, KeyError, AttributeError):
        valid = False
    if not valid:
        constraint = "Lifecycle policy validation failure: 1 to 50 rules with rulePriority, selection and action"
        raise invalid_parameter("LifecyclePolicyText", constraint)


def get_lifecycle_policy(call: Call) -> JSON:
    """Return the repository's lifecycle policy."""
    text = call.repository.settings.lifecycle_policy
    if text is None:
        raise _absent(call, "LifecyclePolicyNotFoundException", "Lifecycle policy")
    return call.where | {"lifecyclePolicyText": text}


def delete_lifecycle_policy(call: Call) -> JSON:
    """Remove the repository's lifecycle policy."""
    answer = get_lifecycle_policy(call)
    call.repository.settings.lifecycle_policy = None
    return answer


def _absent(call: Call, code: str, what: str) -> EcrError:
    text = (
        f"{what} does not exist for the repository with name '{call.parameters['repositoryName']}' "
        f"in the registry with id '{call.registry.id.account}'"
    )
    return EcrError(code, text)


def put_registry_policy(call: Call) -> JSON:
    """Set the policy that governs the registry and lets other registries replicate into it."""
    text = call.parameters["policyText"]
    check_policy_text(text, "registry")
    call.registry.policy = text
    return {"registryId": call.registry.id.account, "policyText": text}


def get_registry_policy(call: Call) -> JSON:
    """Return the registry policy."""
    text = call.registry.policy
    if text is None:
        account = call.registry.id.account
        raise EcrError("RegistryPolicyNotFoundException", f"Registry policy does not exist in registry '{account}'")
    return {"registryId": call.registry.id.account, "policyText": text}


def delete_registry_policy(call: Call) -> JSON:
    """Remove the registry policy."""
    answer = get_registry_policy(call)
    call.registry.policy = None
    return answer
