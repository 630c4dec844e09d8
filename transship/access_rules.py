"""
The access rules from the operator's side: ids looked up, the document checked, put and shown.

S3's notification names an uploader by its unique id alone, so a role's ARN is replaced by its id before the document
is put, and an account by the ids of its roles and users as far as the caller's own account goes.
Left out: roles of other accounts, which only that account can look up; write their `role_id` by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from chalicelib.access.rules import default_rules
from chalicelib.access.rules_document import RulesError, read_rules
from chalicelib.names import Deployment
from chalicelib.settings import Settings
from transship.errors import CommandError

_ROLE = re.compile(r"arn:[^:]+:iam::(?P<account>[0-9]{12}):role/(?:[^:]*/)?(?P<name>[^:/]+)")
_FORM = "Its form is docs/access/rules.schema.json, an example docs/access/rules.json."


def resolve(document: Any, iam: Any, account: str) -> Any:
    """
    Return *document* with the ids of its roles and of *account* filled in; what is malformed stays as it is.

    Args:
        document: As the operator wrote it, JSON values.
        iam: A client of IAM in *account*.
        account: The caller's.

    Raises:
        CommandError: A role of another account has no id, or is none of this one.
    """
    if not isinstance(document, dict) or not isinstance(document.get("rules"), list):
        return document
    return {**document, "rules": [_resolved_rule(rule, iam, account) for rule in document["rules"]]}


def _resolved_rule(rule: Any, iam: Any, account: str) -> Any:
    if not isinstance(rule, dict) or not isinstance(rule.get("principals"), list):
        return rule
    return {**rule, "principals": [_resolved(one, iam, account) for one in rule["principals"]]}


def _resolved(principal: Any, iam: Any, account: str) -> Any:
    if not isinstance(principal, dict):
        return principal
    if principal.get("account") == account:
        return {**principal, "ids": sorted(_ids(iam))}
    arn = principal.get("role_arn")
    if not isinstance(arn, str):
        return principal
    role = _ROLE.fullmatch(arn)
    if role is None:
        raise CommandError(f"{arn!r} is not the ARN of a role.", "Write arn:aws:iam::ACCOUNT:role/PATH/NAME.")
    if role["account"] != account:
        if "role_id" in principal:
            return principal
        raise CommandError(f"The id of {arn} is known only in its account.", "Write its role_id beside it.")
    found = iam.get_role(RoleName=role["name"])["Role"]
    if found["Arn"] != arn:
        raise CommandError(f"There is no {arn}.", f"The role of that name is {found['Arn']}.")
    return {**principal, "role_id": found["RoleId"]}


def _ids(iam: Any) -> Iterator[str]:
    for page in iam.get_paginator("list_roles").paginate():
        yield from (role["RoleId"] for role in page["Roles"])
    for page in iam.get_paginator("list_users").paginate():
        yield from (user["UserId"] for user in page["Users"])


def put_rules(s3: Any, deployment: Deployment, settings: Settings, document: Any) -> str:
    """
    Check *document* as the pipeline will, put it, and return its version.

    Raises:
        CommandError: It is not a document of rules; nothing was put.
    """
    content = json.dumps(document, indent=2).encode()
    try:
        read_rules(content, prefix=settings.prefix)
    except RulesError as error:
        raise CommandError(f"These are no access rules: {error}.", _FORM) from error
    answer = s3.put_object(
        Bucket=deployment.bucket, Key=settings.rules_key, Body=content, ExpectedBucketOwner=deployment.account
    )
    return str(answer.get("VersionId", ""))


def current_rules(s3: Any, deployment: Deployment, settings: Settings) -> tuple[dict[str, Any], str]:
    """Return the document that is in force and its version; the default, in the same form, where there is none."""
    try:
        answer = s3.get_object(Bucket=deployment.bucket, Key=settings.rules_key, ExpectedBucketOwner=deployment.account)
    except s3.exceptions.NoSuchKey:
        (rule,) = default_rules(settings.prefix).rules
        shown = {"name": rule.name, "principals": ["any"], "prefix": rule.prefix, "create_repositories": True}
        return {"version": 1, "rules": [shown]}, ""
    with answer["Body"] as body:
        document: dict[str, Any] = json.loads(body.read())
    return document, str(answer.get("VersionId", ""))
