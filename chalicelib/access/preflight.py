"""
May our own roles do what the push needs? Asked before the first ECR write, and again before an old verdict is used.

The roles that will make the calls are simulated, not the one that asks. The answer is data: for each action and
resource the decision, what decided, and the statement that would mend a denial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.access.needs import Need, needs
from chalicelib.errors import Code, FinalError, RefusedError
from chalicelib.names import role_name
from chalicelib.oci.reference import Repository
from chalicelib.outside import Outside
from chalicelib.ports import Decision


@dataclass(frozen=True, slots=True)
class Finding:
    """The decision about one action of one function's role."""

    function: str
    role_arn: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out, and when (epoch seconds)."""

    findings: tuple[Finding, ...]
    asked: float

    @property
    def denied(self) -> tuple[Finding, ...]:
        """The findings that stand in the way."""
        return tuple(finding for finding in self.findings if not finding.decision.allowed)

    def to_item(self) -> Mapping[str, Any]:
        """Return the verdict as it is kept with the upload: denials one by one, what is allowed as a number."""
        return {
            "asked": self.asked,
            "allowed": len(self.findings) - len(self.denied),
            "denied": [_described(finding) for finding in self.denied],
        }

    def refusal(self) -> RefusedError:
        """Return the error that names the first denial, with all of them and their remedies in its facts."""
        first = self.denied[0]
        return RefusedError(
            Code.PERMISSION_MISSING,
            f"the role of {first.function} may not {first.decision.action} on {first.decision.resource}",
            facts={"denied": [_described(finding) for finding in self.denied], "statements": self.statements()},
        )

    def statements(self) -> list[dict[str, Any]]:
        """Return, for each role, the statements that would allow what is denied, ready to paste."""
        wanted: dict[tuple[str, str], list[str]] = {}
        for finding in self.denied:
            wanted.setdefault((finding.role_arn, finding.decision.resource), []).append(finding.decision.action)
        return [
            {"role": role, "statement": {"Effect": "Allow", "Action": actions, "Resource": resource}}
            for (role, resource), actions in wanted.items()
        ]


def _described(finding: Finding) -> dict[str, Any]:
    decision = finding.decision
    return {
        "role": finding.role_arn,
        "action": decision.action,
        "resource": decision.resource,
        "decision": decision.decision,
        "source": list(decision.source),
        "missing_context": list(decision.missing_context),
    }


@dataclass(slots=True)
class Preflight:
    """Asks IAM, and remembers what allowed everything for `settings.preflight_age` seconds."""

    outside: Outside
    _roles: dict[str, str] = field(default_factory=dict)
    _good: dict[tuple[Need, frozenset[tuple[str, str]]], tuple[float, tuple[Finding, ...]]] = field(
        default_factory=dict
    )

    def verdict(self, repositories: Mapping[Repository, Mapping[str, str]]) -> Verdict:
        """
        Find out about all functions and *repositories* (each with its resource tags).

        Raises:
            RefusedError: PREFLIGHT_UNKNOWN, when IAM will not tell.
        """
        now = self.outside.clock.now()
        partition = self.outside.deployment.partition
        tags = {repository.arn(partition): tags for repository, tags in repositories.items()}
        findings: list[Finding] = []
        for need in needs(tags):
            findings += self._ask(need, tags.get(need.resource, {}), now)
        return Verdict(tuple(findings), now)

    def _ask(self, need: Need, tags: Mapping[str, str], now: float) -> Sequence[Finding]:
        remembered = (need, frozenset(tags.items()))
        asked, findings = self._good.get(remembered, (0.0, ()))
        if findings and now - asked < self.outside.settings.preflight_age:
            return findings
        findings = self._simulate(need, tags)
        if all(finding.decision.allowed for finding in findings):
            self._good[remembered] = (now, findings)
        return findings

    def _simulate(self, need: Need, tags: Mapping[str, str]) -> tuple[Finding, ...]:
        role = role_name(self.outside.settings.stage, need.function)
        try:
            arn = self._roles.get(role) or self.outside.identity.role_arn(role)
            self._roles[role] = arn
            decisions = self.outside.identity.simulate(arn, need.actions, need.resource, self._context(tags))
        except FinalError as error:
            raise RefusedError(
                Code.PREFLIGHT_UNKNOWN, f"what {role} may do could not be found out: {error.detail}", facts=error.facts
            ) from error
        return tuple(Finding(need.function, arn, decision) for decision in decisions)

    def _context(self, tags: Mapping[str, str]) -> dict[str, str]:
        # The simulator fills neither; a policy may ask for a tag under either name (ecr.md 6.3).
        context = {"aws:RequestedRegion": self.outside.deployment.region}
        for name, value in tags.items():
            context[f"ecr:ResourceTag/{name}"] = value
            context[f"aws:ResourceTag/{name}"] = value
        return context


@dataclass(slots=True)
class SelfCheck:
    """Proves once per process that a function runs under the role that preflight judges."""

    outside: Outside
    _checked: bool = False

    def demand(self, function: str) -> None:
        """
        Compare our identity with the role of *function*.

        Raises:
            FinalError: IDENTITY_MISMATCH.
        """
        if self._checked:
            return
        found = self.outside.identity.whoami()
        expected = f":assumed-role/{role_name(self.outside.settings.stage, function)}/"
        if found.account != self.outside.deployment.account or expected not in found.arn:
            raise RefusedError(
                Code.IDENTITY_MISMATCH,
                f"{function} runs as {found.arn}, which is not the role that was judged",
                facts={"arn": found.arn},
            )
        self._checked = True
