"""
May our own roles do what the push needs? Asked before the first ECR write, and again before an old verdict is used.

The roles that will make the calls are simulated, not the one that asks; repository and registry policies, which the
simulator does not see, are asked by our own evaluator. What was allowed is remembered for `settings.preflight_age`
seconds for each role and what it is needed for. Several roles are asked about at once, and so are several registries.
What it cannot tell: session policies, resource control policies, VPC endpoint policies, key policies (ecr.md 6.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from chalicelib.access.denied_look import denied_finding
from chalicelib.access.identity import own_role
from chalicelib.access.judgement import Finding, Outcome, Source, Verdict
from chalicelib.access.needs import HEAL, Need, Wanted, needs, together
from chalicelib.access.resource_policies import Caller, ResourcePolicies
from chalicelib.access.sides import SILENT, Answers, Unread, rule
from chalicelib.errors import Code, FinalError, TemporaryError
from chalicelib.names import role_name
from chalicelib.outside import Outside
from chalicelib.ports.identity import Decision
from chalicelib.replacing import replace

_ASSUMED_SESSION: Final = "transship"  # the name that `aws.session` gives to sessions of assumed roles


def judge(outside: Outside, wanted: Wanted, functions: Iterable[str] = ()) -> Verdict:
    """
    Find out whether every role may do what *wanted* needs of it; *functions*: only these.

    Nothing is raised: what could not be found out is a finding of its own.
    """
    chosen = tuple(functions)
    asked = [need for need in needs(wanted) if not chosen or need.function in chosen]
    return _Judgement(outside).of(asked)


_Told = tuple[Caller, Sequence[Decision]] | Unread
"""Who was simulated and what was decided, or why nobody was."""
_Trouble = FinalError | TemporaryError
_Answer = tuple[Caller, Sequence[Decision]] | _Trouble
_Who = tuple[str, str]
"""A function, and the role that it assumes or ""."""


class _Remembered(Struct, frozen=True):
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
        known = {need: found for need in asked if (found := self._remembered(need))}
        told = self._told([need for need in asked if need not in known])
        self._policies.read(
            [one for need, found in told.items() if not isinstance(found, Unread) for one in need.repositories]
        )
        findings = [
            finding
            for need in asked
            for finding in (known[need].findings if need in known else self._find_out(need, told[need]))
        ]
        denied = (*self._denied, *self._policies.denied) if self._outside.deployment.function else ()
        looks = [denied_finding(self._outside, error) for error in denied]
        return Verdict((*findings, *dict.fromkeys(looks)), self._oldest, self._outage)

    def _remembered(self, need: Need) -> _Remembered | None:
        known: _Remembered | None = self._outside.memory.verdicts.get(need)
        if known is None or self._outside.clock.now() - known.asked >= self._outside.settings.preflight_age:
            return None
        self._oldest = min(self._oldest, known.asked)
        return known

    def _find_out(self, need: Need, told: _Told) -> tuple[Finding, ...]:
        if isinstance(told, Unread):
            unknown = Finding(
                need.function, need.through, "", "", Outcome.UNKNOWN, Source.SIMULATOR, reason=told.reason
            )
            return tuple(
                replace(unknown, action=action, resource=arn) for action in need.actions for arn in need.resources
            )
        caller, decisions = told
        found = tuple(self._rule(need, caller, decision) for decision in decisions)
        if all(finding.outcome is Outcome.ALLOWED or not finding.vital for finding in found):
            self._outside.memory.verdicts[need] = _Remembered(self._outside.clock.now(), found)
        return found

    def _told(self, asked: Sequence[Need]) -> dict[Need, _Told]:
        groups = list(together(asked))
        roles = list(dict.fromkeys(_who(group[0]) for group in groups))
        callers = dict(zip(roles, self._outside.each(self._caller, roles), strict=True))
        asking = [(callers[_who(group[0])], group) for group in groups]
        answers = zip(groups, self._outside.each(self._simulate, asking), strict=True)
        return {need: self._heard(need, answer) for group, answer in answers for need in group}

    def _simulate(self, asking: tuple[Caller | _Trouble, Sequence[Need]]) -> _Answer:
        """Ask about each action of a group on each of its resources; the simulator answers all of them at once."""
        caller, group = asking
        if not isinstance(caller, Caller):
            return caller
        actions = tuple(dict.fromkeys(action for need in group for action in need.actions))
        resources = tuple(dict.fromkeys(arn for need in group for arn in need.resources))
        try:
            context = {**_context(group[0]), **self._outside.settings.preflight_context}
            return caller, self._outside.identity.simulate(caller.role, actions, resources, context)
        except (FinalError, TemporaryError) as error:
            return error

    def _heard(self, need: Need, answer: _Answer) -> _Told:
        if isinstance(answer, TemporaryError):
            self._outage = True
            return Unread(str(answer))
        if isinstance(answer, FinalError):
            if answer.code is Code.ACCESS_DENIED and need.function != HEAL:  # no upload depends on that
                self._denied.append(answer)
            return Unread(answer.detail)
        caller, decisions = answer
        return caller, [one for one in decisions if one.action in need.actions and one.resource in need.resources]

    def _caller(self, who: _Who) -> Caller | _Trouble:
        function, through = who
        if through:
            return Caller(through, _ASSUMED_SESSION)
        # Lambda names a function's session after the function; Chalice names the role the same.
        name = role_name(self._outside.settings.stage, function)
        try:
            return Caller(own_role(self._outside, function), name)
        except (FinalError, TemporaryError) as error:
            return error

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


def _who(need: Need) -> _Who:
    return need.function, need.through


def _context(need: Need) -> Mapping[str, str | Sequence[str]]:
    # The simulator fills in none of these (ecr.md 6.3).
    return {"aws:RequestedRegion": need.region, **dict(need.context)}
