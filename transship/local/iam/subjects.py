"""Who a caller is to IAM: the principal, the entity whose policies apply, the session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.access.evaluate import Principal, PrincipalKind
from transship.local.caller import Caller
from transship.local.iam import moto_iam
from transship.local.iam.moto_iam import Entity
from transship.local.iam.sessions import Session, Sessions


@dataclass(frozen=True, slots=True)
class Subject:
    """A principal with all that is known of it; services and root users have neither entity nor session."""

    principal: Principal
    entity: Entity | None = None
    session: Session | None = None

    @property
    def tags(self) -> Mapping[str, str]:
        """Principal tags; a session's override its role's ("Session tags")."""
        own = self.entity.tags if self.entity else {}
        return {**own, **self.session.grant.tags} if self.session else own


def subject_of(caller: Caller, sessions: Sessions) -> Subject:
    """
    Return who *caller* is.

    Raises:
        ValueError: Its ARN is neither a principal's nor the host name of a service.
    """
    if not caller.arn.startswith("arn:"):
        if not caller.arn.endswith(".amazonaws.com"):
            raise ValueError(f"not a principal: {caller.arn!r}")
        return Subject(Principal.service(caller.arn))
    principal = Principal.from_arn(caller.arn)
    if principal.kind is PrincipalKind.SESSION:
        role = moto_iam.find_named(caller.account, "role", caller.arn.split("/")[1])
        known = Principal.from_arn(caller.arn, role=role.arn if role else None)
        return Subject(known, role, sessions.known(caller.access_key))
    return Subject(principal, moto_iam.find_entity(caller.arn))
