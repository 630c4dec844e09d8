"""
Before the first ECR write: are the repositories there, can we authenticate, may our roles do what the push needs?

What was allowed is remembered for `settings.preflight_age` seconds, the existence and the tags of the repositories
with it; a repository that is deleted meanwhile is noticed by the step that meets it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chalicelib.access import preflight
from chalicelib.chunks import chunked
from chalicelib.errors import Code, FinalError, RefusedError
from chalicelib.oci.reference import Repository, RepositoryName
from chalicelib.outside import Outside
from chalicelib.ports import RegistryClient, RepositorySettings, RepositoryTemplate

_MOST_NAMES: Final = 100  # of one DescribeRepositories


def authorise(outside: Outside, names: Sequence[RepositoryName]) -> preflight.Verdict:
    """
    Find out whether our roles may write *names*, and create those that are missing where that is allowed.

    Raises:
        RefusedError: REPOSITORY_ABSENT, PERMISSION_MISSING (no authentication), PREFLIGHT_UNKNOWN.
    """
    remembered: preflight.Verdict | None = outside.memory.verdicts.get(tuple(names))
    if remembered and outside.clock.now() - remembered.asked < outside.settings.preflight_age:
        return remembered
    verdict = _find_out(outside, names)
    if not verdict.denied:
        outside.memory.verdicts[tuple(names)] = verdict
    return verdict


def _find_out(outside: Outside, names: Sequence[RepositoryName]) -> preflight.Verdict:
    registry = outside.registries.client(outside.deployment.registry)
    _authenticate(registry)
    found = _repositories(registry, names)
    missing = [name for name in names if name not in found]
    if missing and not outside.settings.create_repositories:
        raise RefusedError(Code.REPOSITORY_ABSENT, f"there is no repository {missing[0]} in {registry.registry}")
    tags = {
        **{name: registry.repository_tags(name) for name in found},
        **dict.fromkeys(missing, outside.settings.repository_tags),
    }
    verdict = preflight.judge(outside, {Repository(registry.registry, name): tags[name] for name in names})
    if not verdict.denied:
        _create(outside, registry, missing)
    return verdict


def _authenticate(registry: RegistryClient) -> None:
    try:
        registry.authenticate()
    except FinalError as error:
        raise RefusedError(
            Code.PERMISSION_MISSING,
            f"we cannot authenticate to {registry.registry}: {error.detail}",
            facts={"statements": [{"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken"], "Resource": "*"}]},
        ) from error


def _repositories(
    registry: RegistryClient, names: Sequence[RepositoryName]
) -> Mapping[RepositoryName, RepositorySettings]:
    found: dict[RepositoryName, RepositorySettings] = {}
    for chunk in chunked(names, _MOST_NAMES):
        found.update(registry.repositories(chunk))
    return found


def _create(outside: Outside, registry: RegistryClient, names: Sequence[RepositoryName]) -> None:
    settings = outside.settings
    template = RepositoryTemplate(
        mutability=settings.repository_mutability,
        scan_on_push=settings.repository_scan,
        kms_key=settings.repository_kms_key or None,
        tags=settings.repository_tags,
    )
    for name in names:
        registry.create_repository(name, template)
        outside.log.info("created a repository", repository=str(name))
