"""Repositories: created, described, deleted, and their settings."""

from __future__ import annotations

from collections.abc import Sequence

from transship.local.ecr.call import JSON, Call
from transship.local.ecr.errors import EcrError, invalid_parameter
from transship.local.ecr.operations.tags import tags_from
from transship.local.ecr.paging import page
from transship.local.ecr.repository import Repository, RepositorySettings


def _described(call: Call, repository: Repository) -> JSON:
    settings = repository.settings
    document = {
        "repositoryArn": repository.arn,
        "registryId": repository.registry.account,
        "repositoryName": repository.name,
        "repositoryUri": f"{call.registry.host}/{repository.name}",
        "createdAt": repository.created_at,
        "imageTagMutability": settings.mutability,
        "imageScanningConfiguration": {"scanOnPush": settings.scan_on_push},
        "encryptionConfiguration": settings.encryption,
    }
    if settings.exclusion_filters:
        document["imageTagMutabilityExclusionFilters"] = list(settings.exclusion_filters)
    return document


def create_repository(call: Call) -> JSON:
    """Create a repository; encryption is fixed from here on (ecr.md 1.7)."""
    parameters = call.parameters
    mutability, filters = _mutability(call)
    settings = RepositorySettings(
        mutability=mutability,
        exclusion_filters=filters,
        scan_on_push=parameters.get("imageScanningConfiguration", {}).get("scanOnPush", False),
        encryption=_encryption(call),
        tags=tags_from(parameters.get("tags", ())),
    )
    with call.registry.lock:
        repository = call.registry.create(parameters["repositoryName"], settings, call.now)
    return {"repository": _described(call, repository)}


def _mutability(call: Call) -> tuple[str, Sequence[dict[str, str]]]:
    mutability = call.parameters.get("imageTagMutability", "MUTABLE")
    filters = call.parameters.get("imageTagMutabilityExclusionFilters", ())
    if bool(filters) != mutability.endswith("WITH_EXCLUSION"):
        constraint = f"must be given with, and only with, an imageTagMutability WITH_EXCLUSION, not {mutability}"
        raise invalid_parameter("imageTagMutabilityExclusionFilters", constraint)
    return mutability, tuple(filters)


def _encryption(call: Call) -> dict[str, str]:
    given = dict(call.parameters.get("encryptionConfiguration", {"encryptionType": "AES256"}))
    kms = given["encryptionType"] != "AES256"
    if "kmsKey" in given and not kms:
        raise invalid_parameter("kmsKey", "must not be given with encryptionType AES256")
    if kms:
        region, account = call.registry.id.region, call.registry.id.account
        key = given.setdefault("kmsKey", f"arn:aws:kms:{region}:{account}:alias/aws/ecr")
        # There is no KMS here; what can be judged of a key is that it must be in the same Region (ecr.md 1.7).
        if key.startswith("arn:") and key.split(":")[3:4] != [region]:
            raise EcrError("KmsException", f"The key '{key}' is not in Region {region}", kmsError="InvalidKeyId")
    return given


def describe_repositories(call: Call) -> JSON:
    """Describe the given repositories (all must exist), or a page of all."""
    parameters = call.parameters
    if "repositoryNames" in parameters:
        if "maxResults" in parameters or "nextToken" in parameters:
            raise invalid_parameter("repositoryNames", "must not be combined with maxResults or nextToken")
        named = [call.registry.repository(name) for name in parameters["repositoryNames"]]
        return {"repositories": [_described(call, repository) for repository in named]}
    chosen, more = page(call.registry.repositories(), lambda repository: repository.name, parameters, 100)
    return {"repositories": [_described(call, repository) for repository in chosen]} | more


def delete_repository(call: Call) -> JSON:
    """Delete a repository; one with images only by force."""
    repository = call.repository
    call.registry.delete(repository, force=call.parameters.get("force", False))
    return {"repository": _described(call, repository)}


def put_image_tag_mutability(call: Call) -> JSON:
    """Say which tags may move."""
    repository = call.repository
    mutability, filters = _mutability(call)
    with repository.lock:
        repository.settings.mutability = mutability
        repository.settings.exclusion_filters = filters
    answer = call.where | {"imageTagMutability": mutability}
    return answer | ({"imageTagMutabilityExclusionFilters": list(filters)} if filters else {})


def put_image_scanning_configuration(call: Call) -> JSON:
    """Store whether pushes are to be scanned; nothing here scans."""
    scan = call.parameters["imageScanningConfiguration"].get("scanOnPush", False)
    call.repository.settings.scan_on_push = scan
    return call.where | {"imageScanningConfiguration": {"scanOnPush": scan}}
