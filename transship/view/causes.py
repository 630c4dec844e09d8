"""Causes of a diagnosis, in lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transship.view.text import foreign


def cause_lines(causes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield each cause with what mends it, in lines."""
    for cause in causes:
        hedge = "" if cause["certain"] else "perhaps: "
        yield f"{hedge}{cause['cause']}: {foreign(cause['detail'])}"
        if "command" in cause["mend"]:
            yield f"  {foreign(cause['mend']['command'])}"
        elif "attach_to" in cause["mend"]:
            yield f"  see --json for the statement to add to: {foreign(cause['mend']['attach_to'])}"
