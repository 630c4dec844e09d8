"""The README's table of operations is the one that the conformance points give."""

from __future__ import annotations

from tests.local.ecr.table import BEGIN, README, inserted


def test_readme_has_the_table_of_the_points() -> None:
    text = README.read_text()

    assert BEGIN in text
    assert inserted(text) == text, "run python -m tests.local.ecr.table"
