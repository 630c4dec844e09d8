"""The README's table of operations is the one that the conformance points give."""

from __future__ import annotations

import pytest

from tests.local.ecr.against_moto import count
from tests.local.ecr.table import BEGIN, README, inserted


def test_readme_has_the_table_of_the_points() -> None:
    text = README.read_text()

    assert BEGIN in text
    assert inserted(text) == text, "run python -m tests.local.ecr.table"


@pytest.mark.check
@pytest.mark.filterwarnings("ignore")
def test_readme_says_how_stock_moto_does() -> None:
    right, points = count()

    assert f"Of the {points} errors that need neither a switch nor a fault rule, stock moto 5.2.5 raises {right} " in (
        README.read_text()
    )
