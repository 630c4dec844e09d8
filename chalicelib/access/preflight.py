"""
May our own roles do what the push needs? Asked before the first ECR write, and again before an old verdict is used.

The roles that will make the calls are simulated, not the one that asks; repository and registry policies, which the
simulator does not see, are asked by our own evaluator. What was allowed is remembered for `settings.preflight_age`
seconds for each role and what it is needed for.
What it cannot tell: session policies, resource control policies, VPC endpoint policies, key policies (ecr.md 6.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chalicelib.access.denied_look import denied_finding
from chalicelib.access.identity import own_role
from chalicelib.access.judgement import Finding, Outcome, Source, Verdict
from chalicelib.access.needs import Need, Wanted, needs
from chalicelib.access.resource_policies import Caller, ResourcePolicies
from chalicelib.access.sides import SILENT, Answers, Unread, rule
from chalicelib.errors import Code, FinalError, TemporaryError
from chalicelib.names import role_name
from chalicelib.outside import Outside
from chalicelib.ports.identity import Decision

_ASSUMED_SESSION: Final = "transship"  # the name that `aws.session` gives to sessions of assumed roles


def judge(outside: Outside, wanted: Wanted, functions: Iterable[str] = ()) -> Verdict:
    """
    Find out whether every role may do what *wanted* needs of it; *functions*: only these.

    Nothing is raised: what could not be found out is a finding of its own.
    """
    chosen = tuple(functions)
    asked = [need for need in needs(wanted) if not chosen or need.function in chosen]
    return _Judgement(outside).of(asked)


@dataclass(frozen=True, slots=True)
class _Remembered:
    asked: float
    findings: tuple[Finding, ...]


class _Judgement:
    """One round of questions."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._policies = ResourcePolicies(outside)
        self._outage = False
        self._denied: list[FinalError] = []
        self._oldest = outside.clock.now()

    def of(self, asked: Sequence[Need]) -> Verdict:
        findings = [finding for need in asked for finding in self._ask(need)]
        denied = (*self._denied, *self._policies.denied) if self._outside.deployment.function else ()
        looks = [denied_finding(self._outside, error) for error in denied]
        return Verdict((*findings, *dict.fromkeys(looks)), self._oldest, self._outage)

    def _ask(self, need: Need) -> tuple[Finding, ...]:
        now = self._outside.clock.now()
        known: _Remembered | None = self._outside.memory.verdicts.get(need)
        if known and now - known.asked < self._outside.settings.preflight_age:
            self._oldest = min(self._oldest, known.asked)
            return known.findings
        found = tuple(self._find_out(need))
        if all(finding.outcome is Outcome.ALLOWED or not finding.vital for finding in found):
            self._outside.memory.verdicts[need] = _Remembered(now, found)
        return found

    def _find_out(self, need: Need) -> list[Finding]:
        told = self._simulate(need)
        if isinstance(told, Unread):
            unknown = Finding(
                need.function, need.through, "", "", Outcome.UNKNOWN, Source.SIMULATOR, reason=told.reason
            )
            return [replace(unknown, action=action, resource=arn) for action in need.actions for arn in need.resources]
        caller, decisions = told
        return [self._rule(need, caller, decision) for decision in decisions]

    def _simulate(self, need: Need) -> tuple[Caller, Sequence[Decision]] | Unread:
        try:
            caller = self._caller(need)
            context = {**_context(need), **self._outside.settings.preflight_context}
            return caller, self._outside.identity.simulate(caller.role, need.actions, need.resources, context)
        except FinalError as error:
            if error.code is Code.ACCESS_DENIED:
                self._denied.append(error)
            return Unread(error.detail)
        except TemporaryError as error:
            self._outage = True
            return Unread(str(error))

    def _caller(self, need: Need) -> Caller:
        if need.through:
            return Caller(need.through, _ASSUMED_SESSION)
        # Lambda names a function's session after the function; Chalice names the role the same.
        name = role_name(self._outside.settings.stage, need.function)
        return Caller(own_role(self._outside, need.function), name)

    def _rule(self, need: Need, caller: Caller, decision: Decision) -> Finding:
        repository = dict(zip(need.resources, need.repositories, strict=False)).get(decision.resource)
        answers = Answers(simulator=decision)
        if repository:
            about, registry = self._policies.ask(caller, need, decision.action, repository, decision.resource)
            crosses = repository.registry.account != caller.account
            answers = Answers(simulator=decision, repository=about, registry=registry or SILENT, crosses=crosses)
        ruled = rule(answers)
        return Finding(
            function=need.function,
            role=caller.role,
            action=decision.action,
            resource=decision.resource,
            outcome=ruled.outcome,
            source=ruled.source,
            decided_by=ruled.decided_by,
            missing_context=ruled.missing_context,
            mended_at=ruled.mended_at,
            reason=ruled.reason,
        )


def _context(need: Need) -> Mapping[str, str | Sequence[str]]:
    # The simulator fills in none of these (ecr.md 6.3).
    return {"aws:RequestedRegion": need.region, **dict(need.context)}
