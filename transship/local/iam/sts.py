"""
STS of the local AWS, as far as moto's own does not do: AssumeRole and GetCallerIdentity.

Left out: the other ways to credentials, which are refused; moto would hand out some that nobody knows.
"""

from __future__ import annotations

from datetime import UTC, datetime

from transship.local.caller import Caller
from transship.local.iam.assume_role import assume_role
from transship.local.iam.authorizer import LocalIam
from transship.local.iam.sessions import Session
from transship.local.protocol import Answer, AwsRequest
from transship.local.protocol_error import AwsError

_REFUSED = frozenset(
    {"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "AssumeRoot", "GetFederationToken", "GetSessionToken"}
)


class Sts:
    """Answers STS requests; one of the front door's services."""

    def __init__(self, iam: LocalIam) -> None:
        self._iam = iam

    def __call__(self, request: AwsRequest, caller: Caller) -> Answer | None:
        """Answer *request*, or leave it to moto."""
        if request.operation == "GetCallerIdentity":
            return request.answer({"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn})
        if request.operation == "AssumeRole":
            return request.answer(_described(assume_role(self._iam, caller, request.params)))
        if request.operation in _REFUSED:
            raise AwsError("NotImplemented", f"The local AWS has no {request.operation}; use AssumeRole.", 501)
        return None


def assume_for_service(
    iam: LocalIam, service: str, role_arn: str, session_name: str, *, source_arn: str | None = None
) -> Session:
    """
    Open a session of *role_arn* for *service*, as Lambda does for a function.

    Args:
        iam: Knows the roles.
        service: Host name, such as `lambda.amazonaws.com`.
        role_arn: The role to assume.
        session_name: For a function, its name.
        source_arn: On behalf of what: `aws:SourceArn`, whose account is `aws:SourceAccount`.

    Raises:
        AwsError: AccessDenied; the role does not exist or does not trust *service*.
    """
    caller = Caller("", "us-east-1", service, service, "")
    source = {"aws:SourceArn": source_arn, "aws:SourceAccount": source_arn.split(":")[4]} if source_arn else {}
    try:
        return assume_role(iam, caller, {"RoleArn": role_arn, "RoleSessionName": session_name}, source)
    except AwsError as error:
        message = f"The role {role_arn} cannot be assumed by {service}."
        raise AwsError(error.code, message, error.status) from error


def _described(session: Session) -> dict[str, object]:
    result: dict[str, object] = {
        "Credentials": {
            "AccessKeyId": session.access_key,
            "SecretAccessKey": session.secret_key,
            "SessionToken": session.token,
            "Expiration": datetime.fromtimestamp(session.expires, UTC),
        },
        "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
    }
    if session.grant.source_identity:
        result["SourceIdentity"] = session.grant.source_identity
    return result
