"""Findings on one screen: what holds by kind, and last, where a tired person looks, what does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from transship.deploy.checks import Finding
from transship.view.screen import show_result
from transship.view.text import plural


def show_findings(findings: Sequence[Finding], *, every: bool) -> None:
    """Show *findings*; those that hold one by one only if *every* is asked for."""
    holding = [finding for finding in findings if finding.holds]
    for line in [finding.subject for finding in holding] if every else _by_kind(holding):
        show_result(Text.assemble(("✓ ", "green"), line))
    broken = [finding for finding in findings if not finding.holds]
    for finding in broken:
        show_result(Text.assemble(("✗ ", "bold red"), ("not so: ", "bold"), finding.subject))
        show_result(Text(f"  {finding.remedy}"))
    verdict = f"{plural(len(broken), 'finding')} to mend" if broken else "everything holds"
    show_result(Text(f"\n{plural(len(findings), 'check')}: {verdict}", "bold"))


def _by_kind(findings: Sequence[Finding]) -> list[str]:
    """Return a line for each first word of what holds: `queue: 18 checks`."""
    kinds = Counter(finding.subject.partition(" ")[0] for finding in findings)
    return [f"{kind}: {plural(count, 'check')}" for kind, count in kinds.items()]
