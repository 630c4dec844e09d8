"""Who we are and what we may: STS and IAM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct


class CallerIdentity(Struct, frozen=True):
    """What GetCallerIdentity says, and the *region* that was asked, which it does not say."""

    account: str
    arn: str
    partition: str
    region: str


class Decision(Struct, frozen=True):
    """
    The simulator's answer for one action on one resource.

    *decision* is `allowed`, `implicitDeny` or `explicitDeny`; *source* names the identity policies and statements that
    matched; *missing_context* the condition keys that had no value; *boundary_allows* and *organization_allows* are
    None where there is no permissions boundary and no service control policy.
    """

    action: str
    resource: str
    decision: str
    source: tuple[str, ...] = ()
    missing_context: tuple[str, ...] = ()
    boundary_allows: bool | None = None
    organization_allows: bool | None = None

    @property
    def allowed(self) -> bool:
        """Whether the action is allowed."""
        return self.decision == "allowed"


class Identity(Protocol):
    """IAM and STS."""

    def whoami(self) -> CallerIdentity:
        """Return who makes our calls (GetCallerIdentity)."""

    def role_arn(self, role_name: str) -> str:
        """Return the true ARN of a role of our account, its path included (GetRole)."""

    def simulate(
        self,
        role_arn: str,
        actions: Sequence[str],
        resources: Sequence[str],
        context: Mapping[str, str | Sequence[str]],
    ) -> Sequence[Decision]:
        """
        Ask what *role_arn* may do (SimulatePrincipalPolicy), an answer for each action on each of *resources*.

        A role of another account is asked there, through the role that is configured for that account.
        """
