"""
What preflight found out, as data: for each action and resource the decision, what decided, and what would mend it.

The same data is in the event, in the log, in the record of a rejected upload and in `transship doctor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from chalicelib.access.documents import missing_statement, trust_policy
from chalicelib.access.needs import BESIDES, HEAL
from chalicelib.errors import Code, RefusedError


class Outcome(StrEnum):
    """The answers, the first three as SimulatePrincipalPolicy spells them."""

    ALLOWED = "allowed"
    IMPLICIT_DENY = "implicitDeny"
    EXPLICIT_DENY = "explicitDeny"
    UNKNOWN = "unknown"


class Source(StrEnum):
    """
    Where an answer comes from.

    Attributes:
        SIMULATOR: SimulatePrincipalPolicy: identity policies, permissions boundary, service control policies.
        REPOSITORY: The repository's policy, by our own evaluator.
        REGISTRY: The registry's policy (scope V2), by our own evaluator.
        PROBE: A call that cannot do anything, made by the role itself.
        CALL: A call of ours that was denied.
    """

    SIMULATOR = "simulator"
    REPOSITORY = "repository policy"
    REGISTRY = "registry policy"
    PROBE = "probe"
    CALL = "call"


class Place(StrEnum):
    """What a statement must be added to."""

    IDENTITY = "identity-based policy"
    BOUNDARY = "permissions boundary"
    ORGANIZATION = "service control policy"
    REPOSITORY = "repository policy"
    TRUST = "trust policy"


class Finding(Struct, frozen=True):
    """
    The decision about one action of one role on one resource.

    Attributes:
        function: Whose role it is.
        role: Its ARN, "" where it could not be found out.
        decided_by: The policies and statements that decided; empty for an implicit denial.
        missing_context: Condition keys that policies ask for and that nobody could fill in.
        mended_at: Where a statement would have to be added; empty where adding one does not help: an explicit denial
            is mended by removing what *decided_by* names.
        reason: Why it is unknown, or in which words it was denied.
        trusted, external_id: ARNs of the roles that a trust policy must trust, and by which external id.
    """

    function: str
    role: str
    action: str
    resource: str
    outcome: Outcome
    source: Source
    decided_by: tuple[str, ...] = ()
    missing_context: tuple[str, ...] = ()
    mended_at: tuple[Place, ...] = ()
    reason: str = ""
    trusted: tuple[str, ...] = ()
    external_id: str = ""

    def to_item(self) -> dict[str, Any]:
        """Return it as JSON values; "decision" is the outcome."""
        return {
            "function": self.function,
            "role": self.role,
            "action": self.action,
            "resource": self.resource,
            "decision": self.outcome.value,
            "by": self.source.value,
            "source": list(self.decided_by),
            "missing_context": list(self.missing_context),
            **({"reason": self.reason} if self.reason else {}),
        }

    @property
    def vital(self) -> bool:
        """Whether an upload needs it (see `needs.BESIDES`; none needs healing), or met its denial."""
        return self.source is Source.CALL or (self.function != HEAL and (self.function, self.action) not in BESIDES)

    @property
    def sentence(self) -> str:
        """What was found, in one line."""
        who = f"the role of {self.function}"
        if self.outcome is Outcome.UNKNOWN:
            return f"whether {who} may {self.action} on {self.resource} is unknown: {self.reason}"
        if self.outcome is Outcome.EXPLICIT_DENY:
            by = ", ".join(self.decided_by) or "a statement"
            return f"{who} may not {self.action} on {self.resource}: denied by {by} ({self.source})"
        return f"{who} may not {self.action} on {self.resource}: denied ({self.source})"


class Verdict(Struct, frozen=True):
    """
    What was found out, and when.

    Attributes:
        asked: Epoch seconds of the oldest answer in it.
        outage: Whether what is unknown is so because AWS did not answer; asking again may help.
        mode: `enforce`, `probe` or `off`.
    """

    findings: tuple[Finding, ...]
    asked: float
    outage: bool = False
    mode: str = "enforce"

    @property
    def denied(self) -> tuple[Finding, ...]:
        """The findings that stand in the way: denials, and what could not be found out."""
        return tuple(finding for finding in self.findings if self._stands_in_the_way(finding))

    @property
    def noted(self) -> tuple[Finding, ...]:
        """The findings that are like that and stand in no upload's way."""
        return tuple(one for one in self.findings if one.outcome is not Outcome.ALLOWED and not one.vital)

    @property
    def lacking(self) -> tuple[Finding, ...]:
        """Both."""
        return (*self.denied, *self.noted)

    def _stands_in_the_way(self, finding: Finding) -> bool:
        # A probe cannot tell everything; what it cannot tell is written down and does not reject.
        untold = finding.outcome is Outcome.UNKNOWN and finding.source is Source.PROBE
        return finding.vital and finding.outcome is not Outcome.ALLOWED and not untold

    def to_item(self) -> Mapping[str, Any]:
        """Return the verdict as it is kept with the upload: denials one by one, what is allowed as a number."""
        allowed = sum(finding.outcome is Outcome.ALLOWED for finding in self.findings)
        blind = [f for f in self.findings if f.outcome is Outcome.UNKNOWN and f.source is Source.PROBE]
        return {
            "mode": self.mode,
            "asked": self.asked,
            "allowed": allowed,
            "denied": [finding.to_item() for finding in self.denied],
            **(self._notes() if self.noted else {}),
            **({"untold": [f"{finding.function}: {finding.action}" for finding in blind]} if blind else {}),
        }

    def _notes(self) -> Mapping[str, Any]:
        return {"noted": [finding.to_item() for finding in self.noted], "statements": self.statements()}

    def refusal(self) -> RefusedError:
        """Return the error that names the first denial, with all of them and their remedies in its facts."""
        unknown = [finding for finding in self.denied if finding.outcome is Outcome.UNKNOWN]
        # Where a look was denied and leaves something unknown, its denial says only why, and what mends it.
        looks = [finding for finding in self.denied if finding.source is Source.CALL]
        known = [finding for finding in self.denied if finding not in unknown and not (unknown and finding in looks)]
        first = (known or unknown)[0]
        return RefusedError(
            Code.PERMISSION_MISSING if known else Code.PREFLIGHT_UNKNOWN,
            first.sentence,
            facts={"denied": [finding.to_item() for finding in self.denied], "statements": self.statements()},
        )

    def statements(self) -> list[dict[str, Any]]:
        """Return the statements that would allow what is lacking, ready to paste, each with where it belongs."""
        wanted: dict[tuple[Place, str, str], list[str]] = {}
        trust = [_trust(finding) for finding in self.lacking if Place.TRUST in finding.mended_at]
        for finding in self.lacking:
            for place in finding.mended_at:
                if place is not Place.TRUST:
                    wanted.setdefault((place, finding.role, finding.resource), []).append(finding.action)
        return [*(_addition(*where, actions) for where, actions in wanted.items()), *trust]


def _trust(finding: Finding) -> dict[str, Any]:
    (statement,) = trust_policy(finding.trusted, finding.external_id)["Statement"]
    return {"attach_to": Place.TRUST.value, "role": finding.resource, "statement": statement}


def _addition(place: Place, role: str, resource: str, actions: list[str]) -> dict[str, Any]:
    statement = missing_statement(actions, resource)
    if place is Place.REPOSITORY:
        # A repository policy speaks of its repository: it names the principal, and no resource.
        statement = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": statement["Action"]}
        return {"attach_to": place.value, "repository": resource, "statement": statement}
    return {"attach_to": place.value, "role": role, "statement": statement}
