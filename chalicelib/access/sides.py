"""
One decision from three sources: the simulator, the repository's policy, the registry's policy. Pure.

The simulator sees identity policies, boundary and service control policies, and no resource policy of a role (ecr.md
6.3); the two others are read and asked by our own evaluator. Rules (ecr.md 6.2, and `evaluate`):

* an explicit denial in any of them decides; one that hangs on a condition key that we cannot know is unknown;
* within one account the caller's side suffices, or a repository policy that names the caller itself; one that names
  the role is still limited by the boundary, one that names the account adds nothing;
* across accounts both sides must allow; the registry policy may stand for the repository's.
"""

from __future__ import annotations

from msgspec import Struct

from chalicelib.access.findings import Finding as Says
from chalicelib.access.judgement import Outcome, Place, Source
from chalicelib.access.principals import Grant
from chalicelib.access.verdict import MatchedStatement
from chalicelib.ports.identity import Decision

SILENT = Says((), (), Grant.NONE, frozenset())
"""A policy that does not exist, or says nothing."""


class Unread(Struct, frozen=True):
    """A source that could not be read, and why."""

    reason: str


class Answers(Struct, frozen=True, kw_only=True):
    """What the three sources say of one action on one resource; *crosses*: it belongs to another account."""

    simulator: Decision | Unread
    repository: Says | Unread = SILENT
    registry: Says | Unread = SILENT
    crosses: bool = False


class Ruling(Struct, frozen=True):
    """The decision: see `judgement.Finding`."""

    outcome: Outcome
    source: Source
    decided_by: tuple[str, ...] = ()
    missing_context: tuple[str, ...] = ()
    mended_at: tuple[Place, ...] = ()
    reason: str = ""


def rule(answers: Answers) -> Ruling:
    """Decide."""
    return _denied(answers) or _unread(answers) or _missing_on_the_other_side(answers) or _on_our_side(answers)


def _denied(answers: Answers) -> Ruling | None:
    for source, says in ((Source.REPOSITORY, answers.repository), (Source.REGISTRY, answers.registry)):
        if isinstance(says, Says) and says.denials:
            missing = tuple(sorted(says.missing_keys))
            by = _named(says.denials)
            if missing:
                reason = f"its denial hangs on {', '.join(missing)}"
                return Ruling(Outcome.UNKNOWN, source, by, missing, reason=reason)
            return Ruling(Outcome.EXPLICIT_DENY, source, by)
    told = answers.simulator
    if isinstance(told, Decision) and told.decision == Outcome.EXPLICIT_DENY:
        return Ruling(Outcome.EXPLICIT_DENY, Source.SIMULATOR, told.source, told.missing_context)
    return None


def _unread(answers: Answers) -> Ruling | None:
    sources = (
        (Source.SIMULATOR, answers.simulator),
        (Source.REPOSITORY, answers.repository),
        (Source.REGISTRY, answers.registry),
    )
    for source, told in sources:
        if isinstance(told, Unread):
            return Ruling(Outcome.UNKNOWN, source, reason=told.reason)
    return None


def _missing_on_the_other_side(answers: Answers) -> Ruling | None:
    if not answers.crosses or _grant(answers.repository) or _grant(answers.registry):
        return None
    told = answers.simulator
    ours = _lacking(told) if isinstance(told, Decision) and not told.allowed else ()
    return Ruling(Outcome.IMPLICIT_DENY, Source.REPOSITORY, mended_at=(Place.REPOSITORY, *ours))


def _on_our_side(answers: Answers) -> Ruling:
    told = answers.simulator
    assert isinstance(told, Decision)  # noqa: S101 - what is unread was ruled on before
    if told.allowed:
        return Ruling(Outcome.ALLOWED, Source.SIMULATOR, told.source)
    if not answers.crosses and _stands_in(answers.repository, told):
        says = answers.repository
        return Ruling(Outcome.ALLOWED, Source.REPOSITORY, _named(says.allows) if isinstance(says, Says) else ())
    return Ruling(Outcome.IMPLICIT_DENY, Source.SIMULATOR, (), told.missing_context, _lacking(told))


def _stands_in(says: Says | Unread, told: Decision) -> bool:
    """Return whether the repository policy allows although the caller's own policies do not."""
    if told.organization_allows is False:
        return False
    return _grant(says) is Grant.DIRECT or (_grant(says) is Grant.ROLE and told.boundary_allows is not False)


def _lacking(told: Decision) -> tuple[Place, ...]:
    """Return every policy on the caller's side whose `Allow` is missing."""
    limits = [
        place
        for place, allows in ((Place.ORGANIZATION, told.organization_allows), (Place.BOUNDARY, told.boundary_allows))
        if allows is False
    ]
    # The simulator shows statements of identity policies alone: where it shows one, they allow. Where it shows none
    # they may or may not; a statement that is there already does no harm.
    return tuple(limits) if limits and told.source else (*limits, Place.IDENTITY)


def _grant(says: Says | Unread) -> Grant:
    return says.grant if isinstance(says, Says) else Grant.NONE


def _named(statements: tuple[MatchedStatement, ...]) -> tuple[str, ...]:
    return tuple(f"{one.policy}, statement {one.sid or one.index + 1}" for one in statements)
