"""Findings on one screen: what holds by kind, and last, where a tired person looks, what does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from rich.text import Text

from transship.finding import Finding, Standing
from transship.view.screen import show_result
from transship.view.text import plural

_MARKS: Final = {
    Standing.UNKNOWN: (("? ", "bold yellow"), ("not seen: ", "bold")),
    Standing.UNSOUND: (("✗ ", "bold red"), ("not so: ", "bold")),
}


def show_findings(findings: Sequence[Finding], *, every: bool) -> None:
    """Show *findings*; those that hold one by one only if *every* is asked for."""
    holding = [finding for finding in findings if finding.holds]
    for line in [finding.subject for finding in holding] if every else _by_kind(holding):
        show_result(Text.assemble(("✓ ", "green"), line))
    for standing in (Standing.UNKNOWN, Standing.UNSOUND):
        _show_with_remedies([finding for finding in findings if finding.standing is standing])
    show_result(Text(f"\n{plural(len(findings), 'check')}: {_summary(findings)}", "bold"))


def _show_with_remedies(findings: Iterable[Finding]) -> None:
    """Show what is mended in one way together, so that the way is read once."""
    by_remedy: dict[str, list[Finding]] = {}
    for finding in findings:
        by_remedy.setdefault(finding.remedy, []).append(finding)
    for remedy, alike in by_remedy.items():
        for finding in alike:
            show_result(Text.assemble(*_MARKS[finding.standing], finding.subject))
        show_result(Text(f"  {remedy}"))


def _summary(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.standing for finding in findings)
    parts = [
        *([f"{plural(counts[Standing.UNSOUND], 'finding')} to mend"] if counts[Standing.UNSOUND] else []),
        *([f"{counts[Standing.UNKNOWN]} that you may not see"] if counts[Standing.UNKNOWN] else []),
    ]
    return ", ".join(parts) or "everything holds"


def _by_kind(findings: Sequence[Finding]) -> list[str]:
    """Return a line for each first word of what holds: `queue: 18 checks`."""
    kinds = Counter(finding.subject.partition(" ")[0] for finding in findings)
    return [f"{kind}: {plural(count, 'check')}" for kind, count in kinds.items()]
