"""docs/reliability.md: the tests that it names are there, its table of bugs is complete, and bugs are caught."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.faults.bugs import BUGS, Bug
from tests.faults.catch import caught

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reliability.md").read_text()
SCHEDULES = range(1, 30)
SURE = [bug for bug in BUGS if re.search(rf"^\| {re.escape(bug.name)} \| [1-5] \|", TEXT, re.MULTILINE)]
"""Bugs that the table says are seen within five seeds: the others take longer than a test may."""


def test_every_schedule_names_tests_that_are_there() -> None:
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE)
    }
    rows = re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", TEXT, re.MULTILINE)

    assert [int(number) for number, _ in rows] == list(SCHEDULES)
    for _, shown in rows:
        named = set(re.findall(r"`(test_\w+)`", shown))
        assert named or "swarm" in shown
        assert named <= defined


def test_every_bug_stands_in_the_table() -> None:
    assert all(f"| {bug.name} |" in TEXT for bug in BUGS)
    assert len(BUGS) > 30
    assert len(SURE) > 20


@pytest.mark.check
@pytest.mark.parametrize("bug", SURE, ids=lambda bug: bug.name.replace(" ", "-"))
def test_the_net_catches_it(bug: Bug) -> None:
    """Twice as many seeds as the table says, so that another order of drawing does not break it."""
    assert caught(bug, range(12)) is not None
