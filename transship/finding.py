"""One answer of an examination: what was looked at, whether it holds, and what to do where it does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Standing(StrEnum):
    """How a deployment stands, or one thing about it; the words never change once released."""

    SOUND = "sound"
    UNKNOWN = "unknown"
    UNSOUND = "unsound"


_FROM_WORST: Final = (Standing.UNSOUND, Standing.UNKNOWN, Standing.SOUND)


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One check.

    Attributes:
        subject: A sentence that is true when it *holds*; its first word is the kind of thing.
        holds: None where nobody let us look.
        remedy: What to do when it does not hold, or to see whether it does.
    """

    subject: str
    holds: bool | None
    remedy: str = "Deploy again."

    @property
    def standing(self) -> Standing:
        """The same as one of three words."""
        if self.holds is None:
            return Standing.UNKNOWN
        return Standing.SOUND if self.holds else Standing.UNSOUND


def worst(findings: Iterable[Finding]) -> Standing:
    """Return the worst standing among *findings*; of none, sound."""
    found = {finding.standing for finding in findings}
    return next((standing for standing in _FROM_WORST if standing in found), Standing.SOUND)
