"""Roles that AWS services take on: Lambda a function's, EventBridge a target's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transship.local.functions.credentials import RoleCredentials
from transship.local.functions.errors import ServiceError
from transship.local.iam.sts import assume_for_service
from transship.local.protocol_error import AwsError

if TYPE_CHECKING:
    from transship.local.caller import Caller
    from transship.local.functions.configuration import FunctionConfiguration
    from transship.local.iam.authorizer import LocalIam


def assume_for_function(iam: LocalIam, function: FunctionConfiguration) -> RoleCredentials:
    """
    Open a session of *function*'s role.

    Raises:
        ServiceError: The role does not exist or does not trust Lambda.
    """
    try:
        session = assume_for_service(iam, "lambda.amazonaws.com", function.role, function.name)
    except AwsError as refused:
        raise ServiceError(f"The role {function.role} cannot be assumed by Lambda.") from refused
    return RoleCredentials(session.access_key, session.secret_key, session.token, session.expires)


def assume_for_target(iam: LocalIam, role_arn: str, rule_arn: str) -> Caller:
    """
    Return the caller that EventBridge is with the role of a target of a rule.

    Raises:
        AwsError: The role does not exist or does not trust EventBridge.
    """
    session = assume_for_service(iam, "events.amazonaws.com", role_arn, "events", source_arn=rule_arn)
    return iam.resolve(session.access_key, rule_arn.split(":")[3])
