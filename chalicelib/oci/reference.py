"""
Where an image lives: registry, repository, tag.

A registry is an account in a Region. Patterns and lengths are ECR's (ecr.md 1.0) and, for tags, the distribution
specification's, which is narrower than ECR's API: clients could not pull anything else.
"""

from __future__ import annotations

import re
from typing import Final, Self

from msgspec import Struct

from chalicelib.errors import Code, RefusedError

_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+")
_COMPONENT: Final = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_ONE_COMPONENT: Final = re.compile(_COMPONENT)
_REPOSITORY: Final = re.compile(rf"{_COMPONENT}(/{_COMPONENT})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_REPOSITORY_LENGTH: Final = range(2, 257)


def is_component(text: str) -> bool:
    """Return whether ECR allows *text* between two slashes of a repository's name."""
    return len(text) < _REPOSITORY_LENGTH.stop and _ONE_COMPONENT.fullmatch(text) is not None


class Registry(Struct, frozen=True, order=True):
    """An ECR registry: one account in one Region."""

    account: str
    region: str

    def __post_init__(self) -> None:
        if not _ACCOUNT.fullmatch(self.account) or not _REGION.fullmatch(self.region):
            raise ValueError(f"not a registry: {self.account!r} in {self.region!r}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `account/region`, the form that `str` gives."""
        account, _, region = text.partition("/")
        return cls(account, region)

    def __str__(self) -> str:
        return f"{self.account}/{self.region}"


class RepositoryName(Struct, frozen=True, order=True):
    """
    The name of a repository, 2 to 256 characters.

    Raises:
        RefusedError: REPOSITORY_NAME.
    """

    text: str

    def __post_init__(self) -> None:
        if len(self.text) not in _REPOSITORY_LENGTH or not _REPOSITORY.fullmatch(self.text):
            raise RefusedError(Code.REPOSITORY_NAME, "the repository name is not one that ECR allows")

    @property
    def first(self) -> str:
        """The component before the first slash."""
        return self.text.partition("/")[0]

    @property
    def last(self) -> str:
        """The component after the last slash."""
        return self.text.rpartition("/")[2]

    def is_right_below(self, other: RepositoryName) -> bool:
        """Return whether it is *other* and one component more."""
        return self.text.rpartition("/")[0] == other.text

    def __str__(self) -> str:
        return self.text


class Tag(Struct, frozen=True, order=True):
    """
    A tag, 1 to 128 characters.

    Raises:
        RefusedError: TAG_NAME.
    """

    text: str

    def __post_init__(self) -> None:
        if not _TAG.fullmatch(self.text):
            raise RefusedError(Code.TAG_NAME, "the tag is not one that the distribution specification allows")

    def __str__(self) -> str:
        return self.text


class Repository(Struct, frozen=True, order=True):
    """A repository in a registry."""

    registry: Registry
    name: RepositoryName

    def arn(self, partition: str) -> str:
        """Return the ARN of the repository in *partition* (`aws`, `aws-cn`, `aws-us-gov`)."""
        return f"arn:{partition}:ecr:{self.registry.region}:{self.registry.account}:repository/{self.name}"

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}"
