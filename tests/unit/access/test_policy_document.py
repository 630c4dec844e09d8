"""The grammar of policy documents: what is refused, and which element the error names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.access.evaluate import (
    Decision,
    Policies,
    PolicyGrammarError,
    PolicyKind,
    Principal,
    PrincipalKind,
    Request,
    evaluate,
    parse_policy,
)

ALLOW = {"Effect": "Allow", "Action": "ecr:PutImage", "Resource": "*"}
FOR_ALL = {"Effect": "Allow", "Principal": "*", "Action": "ecr:PutImage"}
BOB = Principal.from_arn("arn:aws:iam::111111111111:user/bob")


def document(*statements: Any, **elements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements), **elements}


@pytest.mark.parametrize(
    ("wrong", "element"),
    [
        ("{", "document"),
        ("[]", "document"),
        ({"Version": "2012-10-17"}, "Statement"),
        (document(), "Statement"),
        ({"Version": "2012-10-17", "Statement": "Allow"}, "Statement"),
        (document(ALLOW, Version="2020-01-01"), "Version"),
        (document(ALLOW, Comment="x"), "Comment"),
        (document("x"), "Statement[0]"),
        (document(ALLOW | {"Resources": "*"}), "Statement[0].Resources"),
        (document(ALLOW, {"Action": "a:B", "Resource": "*"}), "Statement[1].Effect"),
        (document(ALLOW | {"Effect": "ALLOW"}), "Statement[0].Effect"),
        (document({"Effect": "Allow", "Resource": "*"}), "Statement[0].Action"),
        (document(ALLOW | {"NotAction": "a:B"}), "Statement[0].Action"),
        (document(ALLOW | {"Action": []}), "Statement[0].Action"),
        (document(ALLOW | {"Action": "PutImage"}), "Statement[0].Action"),
        (document(ALLOW | {"Action": {"a": "b"}}), "Statement[0].Action"),
        (document({"Effect": "Allow", "Action": "a:B"}), "Statement[0].Resource"),
        (document(ALLOW | {"NotResource": "*"}), "Statement[0].Resource"),
        (document(ALLOW | {"Resource": "repository/app"}), "Statement[0].Resource"),
        (document(ALLOW | {"Resource": [1]}), "Statement[0].Resource"),
        (document(ALLOW | {"Principal": "*"}), "Statement[0].Principal"),
        (document(ALLOW | {"Sid": "with space"}), "Statement[0].Sid"),
        (document(ALLOW | {"Sid": 1}), "Statement[0].Sid"),
        (document(ALLOW | {"Sid": "A"}, ALLOW | {"Sid": "A"}), "Sid"),
        (document(ALLOW | {"Condition": []}), "Statement[0].Condition"),
        (document(ALLOW | {"Condition": {"StringEquals": "x"}}), "Statement[0].Condition"),
        (document(ALLOW | {"Condition": {"StringMatches": {"a:b": "x"}}}), "Statement[0].Condition"),
        (document(ALLOW | {"Condition": {"ForSome:StringEquals": {"a:b": "x"}}}), "Statement[0].Condition"),
        (document(ALLOW | {"Condition": {"NullIfExists": {"a:b": "true"}}}), "Statement[0].Condition"),
        (document(ALLOW | {"Condition": {"Null": {"a:b": "maybe"}}}), "Statement[0].Condition"),
        (document(ALLOW | {"Condition": {"NumericEquals": {"a:b": "ten"}}}), "Statement[0].Condition"),
        (document(ALLOW | {"Condition": {"NumericEquals": {"a:b": "NaN"}}}), "Statement[0].Condition"),
        (document(ALLOW | {"Condition": {"DateEquals": {"a:b": "tomorrow"}}}), "Statement[0].Condition"),
        (document(ALLOW | {"Condition": {"Bool": {"a:b": "yes"}}}), "Statement[0].Condition"),
        (document(ALLOW | {"Condition": {"BinaryEquals": {"a:b": "&"}}}), "Statement[0].Condition"),
        (document(ALLOW | {"Condition": {"IpAddress": {"a:b": "300.0.0.1"}}}), "Statement[0].Condition"),
        (document(ALLOW | {"Condition": {"StringEquals": {"a:b": {"c": 1}}}}), "Statement[0].Condition"),
    ],
    ids=lambda value: None if isinstance(value, str) and len(value) > 9 else json.dumps(value)[:60],
)
def test_refuses_identity_policy(wrong: Any, element: str) -> None:
    with pytest.raises(PolicyGrammarError) as refused:
        parse_policy(wrong, name="p", kind=PolicyKind.IDENTITY)

    assert refused.value.element == element
    assert str(refused.value).startswith(element)


@pytest.mark.parametrize(
    ("wrong", "element"),
    [
        ({"Effect": "Allow", "Action": "a:B", "Resource": "*"}, "Statement[0].Principal"),
        (FOR_ALL | {"NotPrincipal": "*"}, "Statement[0].Principal"),
        (FOR_ALL | {"Principal": "bob"}, "Statement[0].Principal"),
        (FOR_ALL | {"Principal": {}}, "Statement[0].Principal"),
        (FOR_ALL | {"Principal": {"Aws": "*"}}, "Statement[0].Principal.Aws"),
        (FOR_ALL | {"Principal": {"AWS": []}}, "Statement[0].Principal.AWS"),
        (FOR_ALL | {"Principal": {"AWS": "arn:aws:iam::111111111111:user/*"}}, "Statement[0].Principal.AWS"),
        ({"Effect": "Allow", "NotPrincipal": {"AWS": "1"}, "Action": "a:B"}, "Statement[0].NotPrincipal"),
    ],
)
def test_refuses_resource_policy(wrong: dict[str, Any], element: str) -> None:
    with pytest.raises(PolicyGrammarError) as refused:
        parse_policy(document(wrong), name="p", kind=PolicyKind.RESOURCE)

    assert refused.value.element == element


@pytest.mark.parametrize(
    "right",
    [
        json.dumps(document(ALLOW)),
        {"Version": "2012-10-17", "Id": "x", "Statement": ALLOW},
        {"Statement": [ALLOW]},
        document(ALLOW | {"Action": ["ecr:*", "s3:Get*", "sqs:SendMessag?"]}),
        document(ALLOW | {"Sid": ""}, ALLOW | {"Sid": ""}),
    ],
    ids=["text", "one statement", "no version", "wildcards", "empty sids"],
)
def test_accepts_identity_policy(right: Any) -> None:
    assert parse_policy(right, name="p", kind=PolicyKind.IDENTITY).statements


def test_resource_policy_without_resource_speaks_of_what_it_is_attached_to() -> None:
    policy = parse_policy(document(FOR_ALL), name="p", kind=PolicyKind.RESOURCE)
    request = Request(BOB, "ecr:PutImage", "arn:aws:ecr:eu-west-1:111111111111:repository/app", "111111111111")

    assert evaluate(request, Policies(resource=[policy])).decision is Decision.ALLOWED


def test_resource_policy_may_have_spaces_in_its_sid() -> None:
    policy = parse_policy(document(FOR_ALL | {"Sid": "new statement"}), name="p", kind=PolicyKind.RESOURCE)

    assert policy.statements[0].sid == "new statement"


def test_verdict_names_policy_and_statement() -> None:
    policy = parse_policy(
        document(ALLOW | {"Action": "s3:*"}, ALLOW | {"Sid": "Push"}), name="p", kind=PolicyKind.IDENTITY
    )

    (matched,) = evaluate(Request(BOB, "ecr:PutImage", "*"), Policies(identity=[policy])).statements

    assert (matched.policy, matched.sid, matched.index, matched.denies) == ("p", "Push", 1, False)


@pytest.mark.parametrize(
    ("arn", "kind", "role"),
    [
        ("arn:aws:iam::111111111111:root", PrincipalKind.ROOT, None),
        ("arn:aws-cn:iam::111111111111:user/path/bob", PrincipalKind.USER, None),
        ("arn:aws:iam::111111111111:role/p/r", PrincipalKind.ROLE, "arn:aws:iam::111111111111:role/p/r"),
        ("arn:aws:sts::111111111111:assumed-role/r/s", PrincipalKind.SESSION, "arn:aws:iam::111111111111:role/r"),
        ("arn:aws:sts::111111111111:federated-user/f", PrincipalKind.FEDERATED, None),
    ],
)
def test_principal_is_read_from_its_arn(arn: str, kind: PrincipalKind, role: str | None) -> None:
    principal = Principal.from_arn(arn)

    assert (principal.kind, principal.account, principal.role) == (kind, "111111111111", role)


@pytest.mark.parametrize("arn", ["", "bob", "arn:aws:s3:::bucket", "arn:aws:iam::111111111111:group/g"])
def test_other_arns_are_no_principals(arn: str) -> None:
    with pytest.raises(ValueError, match="not the ARN of a principal"):
        Principal.from_arn(arn)
