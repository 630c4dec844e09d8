"""Tags of repositories, which policies can ask about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from transship.local.ecr.call import JSON, Call
from transship.local.ecr.errors import EcrError, invalid_parameter
from transship.local.ecr.repository import Repository

_ARN = re.compile(r"arn:aws[a-z-]*:ecr:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):repository/(?P<name>.+)")
_TAGS_PER_REPOSITORY = 50
_KEY_LENGTH, _VALUE_LENGTH = 128, 256


def tags_from(given: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """
    Return *given* tags by key.

    Raises:
        EcrError: InvalidTagParameterException, TooManyTagsException.
    """
    tags: dict[str, str] = {}
    for tag in given:
        key, value = tag["Key"], tag["Value"]
        if not 1 <= len(key) <= _KEY_LENGTH or len(value) > _VALUE_LENGTH or key.startswith("aws:") or key in tags:
            raise EcrError("InvalidTagParameterException", f"Invalid or repeated tag with key '{key[:_KEY_LENGTH]}'")
        tags[key] = value
    _check_count(tags)
    return tags


def _check_count(tags: Mapping[str, str]) -> None:
    if len(tags) > _TAGS_PER_REPOSITORY:
        text = f"The number of tags exceeds the limit of {_TAGS_PER_REPOSITORY} for a repository"
        raise EcrError("TooManyTagsException", text)


def repository_name_of(arn: str, account: str, region: str) -> str:
    """
    Return the name in the ARN of a repository of the caller's own registry.

    Raises:
        EcrError: InvalidParameterException; it is no such ARN.
    """
    match = _ARN.fullmatch(arn)
    if match is None or (match["account"], match["region"]) != (account, region):
        raise invalid_parameter("resourceArn", f"Invalid ARN '{arn}'")
    return match["name"]


def _tagged(call: Call) -> Repository:
    registry = call.registry
    name = repository_name_of(call.parameters["resourceArn"], registry.id.account, registry.id.region)
    return registry.repository(name)


def tag_resource(call: Call) -> JSON:
    """Add or overwrite tags."""
    repository, added = _tagged(call), tags_from(call.parameters["tags"])
    with repository.lock:
        tags = repository.settings.tags | added
        _check_count(tags)
        repository.settings.tags = tags
    return {}


def untag_resource(call: Call) -> JSON:
    """Remove tags; an absent key is no error."""
    repository, gone = _tagged(call), set(call.parameters["tagKeys"])
    if any(not 1 <= len(key) <= _KEY_LENGTH for key in gone):
        raise EcrError("InvalidTagParameterException", f"A tag key has 1 to {_KEY_LENGTH} characters")
    with repository.lock:
        tags = repository.settings.tags
        repository.settings.tags = {key: value for key, value in tags.items() if key not in gone}
    return {}


def list_tags_for_resource(call: Call) -> JSON:
    """Return the tags."""
    return {"tags": [{"Key": key, "Value": value} for key, value in sorted(_tagged(call).settings.tags.items())]}
