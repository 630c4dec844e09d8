"""The constraints that STS puts on parameters; botocore checks none of them but some lengths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from transship.local.protocol_error import AwsError


@dataclass(frozen=True, slots=True)
class TextRule:
    """Bounds of a text: its length in characters, and the characters themselves."""

    minimum: int
    maximum: int
    pattern: str = r"[\s\S]*"

    def check(self, value: str, member: str) -> None:
        """
        Check *value*, which was passed as *member*.

        Raises:
            AwsError: ValidationError, in the words that AWS's services share.
        """
        if len(value) < self.minimum:
            raise invalid(value, member, f"Member must have length greater than or equal to {self.minimum}")
        if len(value) > self.maximum:
            raise invalid(value, member, f"Member must have length less than or equal to {self.maximum}")
        if not re.fullmatch(self.pattern, value):
            raise invalid(value, member, f"Member must satisfy regular expression pattern: {self.pattern}")


def invalid(value: Any, member: str, constraint: str) -> AwsError:
    """Return the error for *value*, passed as *member*, which breaks *constraint*."""
    return AwsError(
        "ValidationError",
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}",
    )
