"""
The table of operations in `transship/local/README.md`, made from the conformance points.

`python -m tests.local.ecr.table` writes it; a test keeps it equal.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.local.ecr import points_images, points_registry  # noqa: F401 - they register their points
from tests.local.ecr.points import POINTS, REASONS, absent_operations, errors_of
from transship.local.ecr.model import service_model
from transship.local.ecr.operations import OPERATIONS

README = Path(__file__).parents[3] / "transship" / "local" / "README.md"
BEGIN, END = "<!-- ecr operations: begin (generated) -->", "<!-- ecr operations: end -->"


def table() -> str:
    """Return the section between the markers."""
    total = len(service_model().operation_names)
    reasons = sorted(set(REASONS.values()))
    letters = {reason: chr(ord("a") + number) for number, reason in enumerate(reasons)}
    lines = [
        f"{len(OPERATIONS)} of the model's {total} operations, {len(POINTS)} errors.",
        "ThrottlingException and AccessDeniedException, which the model does not list, can come from every operation.",
        "",
        "| operation | errors raised, each by a test | only by a fault rule |",
        "|---|---|---|",
        *(_row(operation, letters) for operation in service_model().operation_names if operation in OPERATIONS),
        "",
        *(f"- ({letter}) {reason}" for reason, letter in letters.items()),
        "",
        f"Answered by UnsupportedOperationException: {', '.join(absent_operations())}.",
    ]
    return "\n".join(lines)


def _row(operation: str, letters: dict[str, str]) -> str:
    errors = errors_of(operation)
    raised = [_short(error) for error in errors if (operation, error) in POINTS]
    others = [
        f"{_short(error)} ({letters[REASONS[operation, error]]})" for error in errors if (operation, error) in REASONS
    ]
    return f"| {operation} | {', '.join(raised)} | {', '.join(others)} |"


def _short(text: str) -> str:
    return text.replace("Exception", "", 1)


def inserted(text: str) -> str:
    """Return *text* with the section replaced."""
    section = f"{BEGIN}\n{table()}\n{END}"
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: section, text, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(inserted(README.read_text()))
