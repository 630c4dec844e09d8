"""
What the evaluator is asked and what it answers: plain data on both sides.

A verdict says not only whether, but which kind of policy and which statements decided, and which condition keys were
missing, so that a denial can be explained and mended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct, field

from chalicelib.access.policy_document import Policy, PolicyKind
from chalicelib.access.principals import Principal


class Decision(StrEnum):
    """The three answers, as SimulatePrincipalPolicy spells them."""

    ALLOWED = "allowed"
    IMPLICIT_DENY = "implicitDeny"
    EXPLICIT_DENY = "explicitDeny"


class Request(Struct, frozen=True):
    """
    One question.

    Attributes:
        principal: Who asks.
        action: `service:Operation`.
        resource: ARN, or `*` where the action has no resource type.
        resource_account: Owner of the resource; None means the principal's own account.
        context: Condition keys, names in any case.
    """

    principal: Principal
    action: str
    resource: str
    resource_account: str | None = None
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    @property
    def crosses_accounts(self) -> bool:
        """Whether the resource belongs to another account than the principal."""
        return self.resource_account is not None and self.principal.account != self.resource_account


class Policies(Struct, frozen=True, kw_only=True):
    """
    All policies that take part in a decision.

    Attributes:
        identity: Inline, managed and group policies of the user or role.
        boundary: The permissions boundary; None if there is none.
        session: Session policies given to AssumeRole; None if none were given.
        organization: Service control policies by level, from the root to the account.
        resource: Policies attached to the resource.
        registry: ECR's registry policy, which governs every repository of its registry.
        resource_must_allow: Whether identity policies alone never suffice (role trust, KMS keys).
    """

    identity: Sequence[Policy] = ()
    boundary: Policy | None = None
    session: Sequence[Policy] | None = None
    organization: Sequence[Sequence[Policy]] = ()
    resource: Sequence[Policy] = ()
    registry: Sequence[Policy] = ()
    resource_must_allow: bool = False


class MatchedStatement(Struct, frozen=True):
    """A statement that spoke of the request: where it stands, and how it spoke."""

    policy: str
    kind: PolicyKind
    sid: str | None
    index: int
    denies: bool


class Verdict(Struct, frozen=True):
    """
    The answer and its reasons.

    Attributes:
        decision: Allowed, or which of the two denials.
        kind: The kind of policy that decided: it allowed, it denied, or its `Allow` is what is missing. None where the
            root user needs no policy.
        statements: The statements that decided; empty for an implicit denial and for the root user.
        missing_keys: Condition keys that statements about this action and resource ask for and the request lacks;
            those of service control policies are left out, as the simulator leaves them out.
        boundary_allows: Whether the permissions boundary allows; None without one.
        organization_allows: Whether every level of service control policies allows; None without any.
    """

    decision: Decision
    kind: PolicyKind | None
    statements: tuple[MatchedStatement, ...]
    missing_keys: frozenset[str]
    boundary_allows: bool | None = None
    organization_allows: bool | None = None

    @property
    def allowed(self) -> bool:
        """Whether the request may go ahead."""
        return self.decision is Decision.ALLOWED
