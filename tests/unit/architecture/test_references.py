"""A comment that cites docs/ecr.md or a decision cites what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FACTS = (ROOT / "docs" / "ecr.md").read_text()
SOURCES = [path for folder in ("chalicelib", "transship", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
POINTS = re.findall(r"^(\d)\. ", FACTS.partition("## 8.")[2], re.MULTILINE)
SECTIONS = {*re.findall(r"^##+ (\d(?:\.\d)?)", FACTS, re.MULTILINE), *(f"8.{point}" for point in POINTS)}
SECTION = r"\d(?:\.\d)?"
CITATION = re.compile(rf"ecr\.md(?:, in particular)?,? (?:sections? )?({SECTION}(?:(?:, | and ){SECTION}\b)*)")


def cited(path: Path) -> Iterator[str]:
    for listed in CITATION.findall(" ".join(path.read_text().split())):
        yield from re.findall(SECTION, listed)


def test_cited_facts_are_on_the_page() -> None:
    astray = {str(path.relative_to(ROOT)): set(cited(path)) - SECTIONS for path in SOURCES}

    assert {path: sections for path, sections in astray.items() if sections} == {}


def test_citations_are_found_at_all() -> None:
    assert {section for path in SOURCES for section in cited(path)} >= {"1.0", "1.7", "4", "8.7"}


def test_decisions_are_numbered_one_after_the_other() -> None:
    found = sorted((ROOT / "docs" / "decisions").glob("*.md"))

    assert [path.name[:4] for path in found] == [f"{number:04}" for number in range(1, len(found) + 1)]
    assert [path.read_text().partition(". ")[0] for path in found] == [f"# {n}" for n in range(1, len(found) + 1)]


def test_cited_decisions_are_there() -> None:
    there = {path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")}
    cited_decisions = {
        number for path in SOURCES for number in re.findall(r"docs/decisions/([0-9]{4})", path.read_text())
    }

    assert cited_decisions
    assert cited_decisions <= there
