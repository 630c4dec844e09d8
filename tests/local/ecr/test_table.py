"""The README's table of operations is the one that the conformance points give."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.local.ecr.table import BEGIN, README, inserted


def test_readme_has_the_table_of_the_points() -> None:
    text = README.read_text()

    assert BEGIN in text
    assert inserted(text) == text, "run python -m tests.local.ecr.table"


@pytest.mark.check
def test_readme_says_how_stock_moto_does() -> None:
    # In a process of its own: moto is reset for each point, with every service that the tests before have loaded.
    command = [sys.executable, "-m", "tests.local.ecr.against_moto"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    said = re.fullmatch(r"stock moto answers (\d+) of (\d+) points\n", done.stdout)
    assert said, done.stdout
    right, points = said.groups()

    assert f"Of the {points} errors that need neither a switch nor a fault rule, stock moto 5.2.5 raises {right} " in (
        README.read_text()
    )
