"""
Who makes a call to the local AWS, and the question whether they may.

The front door resolves the access key of a signed request to a `Caller`; every service asks an
`Authorizer` before it acts.
This file is the whole contract between the services and `transship/local/iam`, so that neither knows the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

ContextValue = str | Sequence[str]


@dataclass(frozen=True, slots=True)
class Caller:
    """
    The principal behind a request, and where the request was sent.

    Attributes:
        account: Owner of the access key, 12 digits.
        region: Region of the request's credential scope.
        arn: `arn:aws:iam::A:user/NAME`, `arn:aws:iam::A:root` or `arn:aws:sts::A:assumed-role/ROLE/SESSION`.
        user_id: What STS calls UserId: `AIDA…`, the account id, or `AROA…:SESSION`.
        access_key: Access key id; the authorizer finds session policies by it.
        source_ip: Address that the request came from.
    """

    account: str
    region: str
    arn: str
    user_id: str
    access_key: str
    source_ip: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """
    One action on one resource, with all that a policy may ask about it.

    Attributes:
        action: `service:Operation`, as IAM spells it.
        resource: ARN, or `*` where the action has no resource type.
        context: Condition keys that the service fills (`aws:RequestedRegion`, `ecr:ResourceTag/k` …).
        resource_policies: Documents attached to the resource (repository policy, bucket policy, queue policy …).
        resource_account: Owner of the resource; differs from the caller's for cross-account calls.
        governing_policies: Documents that can only deny or, cross-account, take part: ECR's registry policy (scope V2).
    """

    action: str
    resource: str
    resource_account: str
    context: Mapping[str, ContextValue] = field(default_factory=dict)
    resource_policies: Sequence[Mapping[str, Any]] = ()
    governing_policies: Sequence[Mapping[str, Any]] = ()


class AccessDenied(Exception):  # noqa: N818 - AWS's own name for it
    """The caller may not; `str()` is the message that AWS would send."""


class SessionExpired(LookupError):  # noqa: N818 - AWS's own name for it is ExpiredToken
    """The access key was a session's that is over."""


class Authorizer(Protocol):
    """Decides on calls to the local AWS."""

    def authorize(self, caller: Caller, request: AccessRequest) -> None:
        """
        Return if *caller* may do what *request* says.

        Raises:
            AccessDenied: No policy allows it, or one denies it.
        """
