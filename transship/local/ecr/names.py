"""What a registry, a repository and a digest are called."""

from __future__ import annotations

import re
from typing import NamedTuple

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

# The model gives imageTag a length and no pattern (ecr.md 1.0); the distribution specification gives the alphabet.
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,299}")


class RegistryId(NamedTuple):
    """A registry: one account in one Region."""

    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}"


def repository_arn(registry: RegistryId, name: str) -> str:
    """Return the ARN of repository *name*, or of a pattern of names."""
    return f"arn:aws:ecr:{registry.region}:{registry.account}:repository/{name}"


def is_digest(text: str) -> bool:
    """Tell whether *text* is a sha256 digest, the only kind that ECR computes."""
    return DIGEST.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Tell whether *text* may name an image."""
    return TAG.fullmatch(text) is not None
