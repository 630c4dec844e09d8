"""The accounts of the local AWS, each with a user that may do everything."""

from __future__ import annotations

import json
import secrets
import string
from dataclasses import dataclass

from moto.iam.models import iam_backends

SOURCE_ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
ACCOUNTS = (SOURCE_ACCOUNT, OTHER_ACCOUNT)

_ID_ALPHABET = string.ascii_uppercase + "234567"
_ADMINISTRATOR = "administrator"
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key; session credentials also carry a token."""

    access_key: str
    secret_key: str
    session_token: str | None = None

    def for_boto3(self) -> dict[str, str | None]:
        """Return the keyword arguments that `boto3.client` and `boto3.Session` take."""
        return {
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "aws_session_token": self.session_token,
        }


def new_user_id() -> str:
    """Return an id as IAM gives users ("IAM identifiers": the prefix AIDA)."""
    return "AIDA" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(17))


def create_administrator(account: str) -> Credentials:
    """Create *account*'s administrator in moto's IAM and return a key of theirs."""
    iam = iam_backends[account]["aws"]
    iam.create_user("us-east-1", _ADMINISTRATOR).id = new_user_id()
    iam.put_user_policy(_ADMINISTRATOR, "everything", json.dumps(_EVERYTHING))
    key = iam.create_access_key(_ADMINISTRATOR)
    return Credentials(key.access_key_id, key.secret_access_key)
