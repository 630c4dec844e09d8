"""
The principal of a request, and the `Principal` element that names principals.

How a resource policy names a caller decides what still limits the caller ("AWS JSON policy elements: Principal" and
"Policy evaluation logic", both in the IAM User Guide), hence `Grant` instead of a boolean.
What it leaves out: wildcards inside a principal's ARN, which IAM refuses, and principal tags, which are context keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import Self

from msgspec import Struct

_ACCOUNT = re.compile(r"[0-9]{12}")
_ACCOUNT_ARN = re.compile(r"arn:[^:]+:iam::([0-9]{12}):root")
_ROLE_SESSION = re.compile(r"(arn:[^:]+):sts::([0-9]{12}):assumed-role/([^/]+)/.+")
_IAM_ARN = re.compile(r"arn:[^:]+:(?:iam|sts)::([0-9]{12}):([a-z-]+)(?:/.+)?")


class PrincipalKind(StrEnum):
    """What a principal is."""

    ROOT = "root"
    USER = "user"
    ROLE = "role"
    SESSION = "assumed-role"
    FEDERATED = "federated"
    SERVICE = "service"
    ANONYMOUS = "anonymous"


class Grant(IntEnum):
    """
    How directly a resource policy speaks to a caller; a higher one is limited by less.

    Attributes:
        NONE: It does not.
        ACCOUNT: Through the account, which still has to allow it by an identity policy.
        ROLE: Through the role; its permissions boundary and session policies still limit the session.
        DIRECT: The user, the session, the service or everybody; only an explicit deny limits it.
    """

    NONE = 0
    ACCOUNT = 1
    ROLE = 2
    DIRECT = 3


class Principal(Struct, frozen=True):
    """
    Who makes a request.

    Attributes:
        kind: What it is.
        name: ARN; host name of a service (`s3.amazonaws.com`); `*` for an anonymous caller.
        account: 12 digits; None for services and anonymous callers.
        role: ARN of the role with its path, for sessions. The session's ARN drops the path (ecr.md 6.4).
    """

    kind: PrincipalKind
    name: str
    account: str | None = None
    role: str | None = None

    @classmethod
    def from_arn(cls, arn: str, *, role: str | None = None) -> Self:
        """
        Read an ARN of a root user, user, role, role session or federated user.

        Args:
            arn: What GetCallerIdentity returns, or an ARN of IAM.
            role: The session's role; without it the role is taken to have no path.

        Raises:
            ValueError: It is none of these.
        """
        if match := _ROLE_SESSION.fullmatch(arn):
            prefix, account, name = match.groups()
            return cls(PrincipalKind.SESSION, arn, account, role or f"{prefix}:iam::{account}:role/{name}")
        match = _IAM_ARN.fullmatch(arn)
        kinds = {"root", "user", "role", "federated-user"}
        if match is None or match[2] not in kinds:
            raise ValueError(f"not the ARN of a principal: {arn}")
        kind = PrincipalKind.FEDERATED if match[2] == "federated-user" else PrincipalKind(match[2])
        return cls(kind, arn, match[1], arn if kind is PrincipalKind.ROLE else None)

    @classmethod
    def service(cls, host: str) -> Self:
        """Return the principal of an AWS service, such as `s3.amazonaws.com`."""
        return cls(PrincipalKind.SERVICE, host)

    @classmethod
    def anonymous(cls) -> Self:
        """Return the principal of a request without credentials."""
        return cls(PrincipalKind.ANONYMOUS, "*")


class PrincipalElement(Struct, frozen=True):
    """
    `Principal`, or `NotPrincipal` where *negated*.

    What stands under one type is nobody of another: `{"Service": "*"}` is not everybody, and an account's id under
    `Federated` is no account. Identity providers and canonical users (`Federated`, `CanonicalUser`) are nobody that we
    or the services are, so they are left out.

    Attributes:
        negated: Whether it is `NotPrincipal`.
        everybody: Whether it is `*` alone or as an AWS principal; IAM reads both alike.
        accounts: Account ids that stand by themselves or as `...:root`.
        names: ARNs of AWS principals.
        services: Host names of services; `*` is any service.
    """

    negated: bool
    everybody: bool
    accounts: frozenset[str]
    names: frozenset[str]
    services: frozenset[str]

    @classmethod
    def of(cls, values: Iterable[tuple[str, str]], *, negated: bool) -> Self:
        """Sort the element's pairs of type and value (`("AWS", "*")` for a lone `*`)."""
        pairs = frozenset(values)
        texts = frozenset(text for kind, text in pairs if kind == "AWS")
        accounts = {text: account for text in texts if (account := _account(text))}
        services = frozenset(text for kind, text in pairs if kind == "Service")
        return cls(negated, "*" in texts, frozenset(accounts.values()), texts - accounts.keys() - {"*"}, services)

    def grant(self, principal: Principal) -> Grant:
        """
        Return how the element speaks to *principal*.

        `NotPrincipal` spares a caller only if it lists every name that the caller goes by: account, role and session
        ("NotPrincipal", "Specifying NotPrincipal with Deny").
        """
        if self.negated:
            return Grant.NONE if self._lists_all_of(principal) else Grant.DIRECT
        if principal.kind is PrincipalKind.SERVICE:
            return Grant.DIRECT if self.everybody or self._lists_service(principal) else Grant.NONE
        if self.everybody or principal.name in self.names:
            return Grant.ROLE if principal.kind is PrincipalKind.ROLE and not self.everybody else Grant.DIRECT
        if principal.role in self.names:
            return Grant.ROLE
        if principal.account not in self.accounts:
            return Grant.NONE
        return Grant.DIRECT if principal.kind is PrincipalKind.ROOT else Grant.ACCOUNT

    def _lists_service(self, principal: Principal) -> bool:
        return principal.name in self.services or "*" in self.services

    def _lists_all_of(self, principal: Principal) -> bool:
        if self.everybody:
            return True
        if principal.kind is PrincipalKind.SERVICE:
            return self._lists_service(principal)
        names = {principal.name, principal.role} - {None}
        if principal.kind is PrincipalKind.ROOT:
            names = set()
        account_listed = principal.account is None or principal.account in self.accounts
        return account_listed and names <= self.names


def _account(text: str) -> str | None:
    if _ACCOUNT.fullmatch(text):
        return text
    match = _ACCOUNT_ARN.fullmatch(text)
    return match[1] if match else None
