"""What a set of policies says of one request, before anything is decided: the statements that match, and how."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from chalicelib.access.matching import Context, fold_context
from chalicelib.access.policy_document import Policy, Statement
from chalicelib.access.principals import Grant
from chalicelib.access.verdict import MatchedStatement, Request


class Finding(Struct, frozen=True):
    """What a set of policies says, joined by *or*."""

    allows: tuple[MatchedStatement, ...]
    denials: tuple[MatchedStatement, ...]
    grant: Grant
    missing_keys: frozenset[str]


class Question:
    """A request as statements see it: its context folded once."""

    def __init__(self, request: Request) -> None:
        self._principal = request.principal
        self._action = request.action
        self._resource = request.resource
        self._context: Context = fold_context(request.context)

    def ask(self, policies: Iterable[Policy]) -> Finding:
        """Return the matching statements of *policies*."""
        allows: list[MatchedStatement] = []
        denials: list[MatchedStatement] = []
        missing: set[str] = set()
        best = Grant.NONE
        for policy in policies:
            for statement in policy.statements:
                grant = self._grant(statement, missing)
                if grant is Grant.NONE:
                    continue
                if statement.denies:
                    denials.append(_matched(policy, statement))
                else:
                    allows.append(_matched(policy, statement))
                    best = max(best, grant)
        return Finding(tuple(allows), tuple(denials), best, frozenset(missing))

    def _grant(self, statement: Statement, missing: set[str]) -> Grant:
        """Return how *statement* speaks to the request, and add to *missing* the keys that may be why it does not."""
        principal = statement.principal
        grant = Grant.DIRECT if principal is None else principal.grant(self._principal)
        if grant is Grant.NONE or not statement.action.matches(self._action):
            return Grant.NONE
        if not self._matches_resource(statement, missing):
            return Grant.NONE
        holds = all(condition.holds(self._context) for condition in statement.conditions)
        return grant if holds else Grant.NONE

    def _matches_resource(self, statement: Statement, missing: set[str]) -> bool:
        if statement.resource is None or statement.resource.matches(self._resource, self._context):
            missing.update(key for key in statement.context_keys if not self._context.get(key.lower()))
            return True
        missing.update(key for key in statement.resource.keys if not self._context.get(key))
        return False


def _matched(policy: Policy, statement: Statement) -> MatchedStatement:
    return MatchedStatement(policy.name, policy.kind, statement.sid, statement.index, statement.denies)
