"""
Repositories that ECR creates by itself: which template applies, and what comes of it.

Rules (ecr.md 4): a prefix has an implied trailing `/`, the longest wins, ROOT is the fallback; a KMS key or resource
tags need a customRoleArn, else the creation fails.
"""

from __future__ import annotations

from typing import Any, Literal

from transship.local.ecr.registry import Registry
from transship.local.ecr.repository import RepositorySettings

Occasion = Literal["REPLICATION", "CREATE_ON_PUSH"]

ROOT = "ROOT"


class TemplateError(Exception):
    """The template cannot be applied; `str()` says why."""


def template_for(registry: Registry, name: str, occasion: Occasion) -> dict[str, Any] | None:
    """Return the template for a repository *name* that is created on *occasion*, or None."""
    fitting = [
        template
        for prefix, template in registry.templates.items()
        if occasion in template["appliedFor"] and (prefix == ROOT or name.startswith(prefix.rstrip("/") + "/"))
    ]
    return max(fitting, key=lambda template: _length(template["prefix"]), default=None)


def _length(prefix: str) -> int:
    return 0 if prefix == ROOT else len(prefix)


def settings_from(template: dict[str, Any] | None) -> RepositorySettings:
    """
    Return the settings that *template* gives, or the defaults of a repository created without one.

    Raises:
        TemplateError: It needs a role and has none.
    """
    settings = RepositorySettings()
    if template is None:
        return settings
    encryption = template.get("encryptionConfiguration") or settings.encryption
    tags = {tag["Key"]: tag["Value"] for tag in template.get("resourceTags", ())}
    if (tags or encryption.get("kmsKey")) and not template.get("customRoleArn"):
        raise TemplateError("the repository creation template needs a customRoleArn")
    settings.encryption = dict(encryption)
    settings.tags = tags
    settings.mutability = template.get("imageTagMutability", settings.mutability)
    settings.exclusion_filters = tuple(template.get("imageTagMutabilityExclusionFilters", ()))
    settings.policy = template.get("repositoryPolicy") or None
    settings.lifecycle_policy = template.get("lifecyclePolicy") or None
    return settings
