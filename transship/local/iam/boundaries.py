"""
Permissions boundaries of users, which moto does not keep.

PutUserPermissionsBoundary, DeleteUserPermissionsBoundary, and CreateUser with one; moto keeps those of roles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transship.local.iam import moto_iam
from transship.local.protocol import Answer, AwsRequest
from transship.local.protocol_error import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transship.local.caller import Caller


def answer_boundary(request: AwsRequest, caller: Caller) -> Answer | None:
    """
    Answer *request* if it is about a user's boundary, or leave it to moto.

    Raises:
        AwsError: NoSuchEntity; there is no such user or policy.
    """
    params = request.params
    match request.operation:
        case "PutUserPermissionsBoundary":
            _put(caller.account, params["UserName"], params["PermissionsBoundary"])
        case "DeleteUserPermissionsBoundary":
            moto_iam.set_user_boundary(_user(caller.account, params["UserName"]), None)
        case "CreateUser" if "PermissionsBoundary" in params:
            return _create(request, caller.account, params)
        case _:
            return None
    return request.answer({})


def _create(request: AwsRequest, account: str, params: Mapping[str, Any]) -> Answer | None:
    """Create the user with its boundary; one that exists already is moto's to refuse."""
    _check_policy(account, params["PermissionsBoundary"])
    if moto_iam.find_user(account, params["UserName"]) is not None:
        return None
    user = moto_iam.create_user(account, params["UserName"], params.get("Path"), params.get("Tags", []))
    moto_iam.set_user_boundary(user, params["PermissionsBoundary"])
    return request.answer({"User": user})


def _put(account: str, name: str, policy: str) -> None:
    user = _user(account, name)
    _check_policy(account, policy)
    moto_iam.set_user_boundary(user, policy)


def _user(account: str, name: str) -> Any:
    user = moto_iam.find_user(account, name)
    if user is None:
        raise AwsError("NoSuchEntity", f"The user with name {name} cannot be found.", 404)
    return user


def _check_policy(account: str, arn: str) -> None:
    if moto_iam.managed_policy(arn, account) is None:
        raise AwsError("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.", 404)
