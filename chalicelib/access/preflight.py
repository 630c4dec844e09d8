"""
May our own roles do what the push needs? Asked before the first ECR write, and again before an old verdict is used.

The roles that will make the calls are simulated, not the one that asks. The answer is data: for each action and
resource the decision, what decided, and the statement that would mend a denial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


def judge(outside: Outside, repositories: Mapping[Repository, Mapping[str, str]]) -> Verdict:
    """
    Find out about all functions and *repositories* (each with its resource tags).

    What allowed everything is remembered for `settings.preflight_age` seconds.

    Raises:
        RefusedError: PREFLIGHT_UNKNOWN, when IAM will not tell.
    """
    partition = outside.deployment.partition
    tags = {repository.arn(partition): tags for repository, tags in repositories.items()}
    findings: list[Finding] = []
    for need in needs(tags):
        findings += _ask(outside, need, tags.get(need.resource, {}))
    return Verdict(tuple(findings), outside.clock.now())


def _ask(outside: Outside, need: Need, tags: Mapping[str, str]) -> Sequence[Finding]:
    now = outside.clock.now()
    asked, findings = outside.memory.verdicts.get((need, frozenset(tags.items())), (0.0, ()))
    if findings and now - asked < outside.settings.preflight_age:
        remembered: Sequence[Finding] = findings
        return remembered
    found = _simulate(outside, need, tags)
    if all(finding.decision.allowed for finding in found):
        outside.memory.verdicts[need, frozenset(tags.items())] = (now, found)
    return found


def _simulate(outside: Outside, need: Need, tags: Mapping[str, str]) -> tuple[Finding, ...]:
    role = role_name(outside.settings.stage, need.function)
    try:
        arn = outside.memory.roles.get(role) or outside.identity.role_arn(role)
        outside.memory.roles[role] = arn
        context = _context(outside.deployment.region, tags)
        decisions = outside.identity.simulate(arn, need.actions, need.resource, context)
    except FinalError as error:
        raise RefusedError(
            Code.PREFLIGHT_UNKNOWN, f"what {role} may do could not be found out: {error.detail}", facts=error.facts
        ) from error
    return tuple(Finding(need.function, arn, decision) for decision in decisions)


def _context(region: str, tags: Mapping[str, str]) -> dict[str, str]:
    # The simulator fills none of these; a policy may ask for a tag under either name (ecr.md 6.3).
    context = {"aws:RequestedRegion": region}
    for name, value in tags.items():
        context[f"ecr:ResourceTag/{name}"] = value
        context[f"aws:ResourceTag/{name}"] = value
    return context


def prove_identity(outside: Outside, function: str) -> None:
    """
    Compare, once per process, our identity with the role of *function* that preflight judges.

    Raises:
        RefusedError: IDENTITY_MISMATCH.
    """
    if outside.memory.proven:
        return
    found = outside.identity.whoami()
    expected = f":assumed-role/{role_name(outside.settings.stage, function)}/"
    if found.account != outside.deployment.account or expected not in found.arn:
        raise RefusedError(
            Code.IDENTITY_MISMATCH,
            f"{function} runs as {found.arn}, which is not the role that was judged",
            facts={"arn": found.arn},
        )
    outside.memory.proven = True
