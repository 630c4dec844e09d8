"""Policies as somebody hostile, careless or very old may have written them: an answer or a refusal, never a crash."""

from __future__ import annotations

import json
import time
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.access.evaluate import (
    Decision,
    Policies,
    Policy,
    PolicyGrammarError,
    PolicyKind,
    Principal,
    Request,
    evaluate,
    evaluate_resource_policy,
    parse_policy,
)

ACCOUNT, OTHER = "111122223333", "444455556666"
APP: Final = f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/app"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/teams/pusher"
SESSION: Final = Principal.from_arn(f"arn:aws:sts::{ACCOUNT}:assumed-role/pusher/own", role=ROLE)
USER: Final = Principal.from_arn(f"arn:aws:iam::{ACCOUNT}:user/pusher")
STRANGER: Final = Principal.from_arn(f"arn:aws:iam::{OTHER}:user/stranger")
S3: Final = Principal.service("s3.amazonaws.com")


def policy(principal: Any, *, effect: str = "Allow", element: str = "Principal") -> Policy:
    statement = {"Effect": effect, element: principal, "Action": "ecr:PutImage"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return parse_policy(text, name="policy", kind=PolicyKind.RESOURCE)


def lets(principal: Any, who: Principal) -> bool:
    return evaluate_resource_policy(policy(principal), Request(who, "ecr:PutImage", APP, ACCOUNT)).allowed


EVERYBODY: Final = (SESSION, USER, STRANGER, S3)
PRINCIPALS: Final = {
    "a star": ("*", EVERYBODY),
    "a star of AWS": ({"AWS": "*"}, EVERYBODY),
    "a star among others": ({"AWS": [OTHER, "*"]}, EVERYBODY),
    "an account's id": ({"AWS": ACCOUNT}, (SESSION, USER)),
    "an account's root": ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, (SESSION, USER)),
    "ids, roots and roles mixed": ({"AWS": [OTHER, f"arn:aws:iam::{ACCOUNT}:root", ROLE]}, (SESSION, USER, STRANGER)),
    "the role with its path": ({"AWS": ROLE}, (SESSION,)),
    "the role without its path": ({"AWS": ROLE.replace("teams/", "")}, ()),
    "the session": ({"AWS": SESSION.name}, (SESSION,)),
    "a session of a role of the same name elsewhere": ({"AWS": SESSION.name.replace(ACCOUNT, OTHER)}, ()),
    "another case": ({"AWS": ROLE.upper()}, ()),
    "a role that was deleted, which AWS shows by its id": ({"AWS": "AROAEXAMPLEEXAMPLE1"}, ()),
    "an id that is too short": ({"AWS": ACCOUNT[:-1]}, ()),
    "an id in other digits": ({"AWS": "١١١١٢٢٢٢٣٣٣٣"}, ()),
    "an id with a space": ({"AWS": f" {ACCOUNT}"}, ()),
    "a service": ({"Service": "s3.amazonaws.com"}, (S3,)),
    "another service": ({"Service": ["sns.amazonaws.com", "events.amazonaws.com"]}, ()),
    "any service": ({"Service": "*"}, (S3,)),
    "a service under AWS": ({"AWS": "s3.amazonaws.com"}, ()),
    "an account under Service": ({"Service": ACCOUNT}, ()),
    "a role under Service": ({"Service": ROLE}, ()),
    "any identity provider": ({"Federated": "*"}, ()),
    "a role under Federated": ({"Federated": [ROLE, ACCOUNT]}, ()),
    "a canonical user that is an account": ({"CanonicalUser": ACCOUNT}, ()),
    "any canonical user": ({"CanonicalUser": "*"}, ()),
    "types mixed": ({"AWS": OTHER, "Service": "s3.amazonaws.com", "Federated": "*"}, (STRANGER, S3)),
}


@pytest.mark.parametrize(("principal", "admitted"), PRINCIPALS.values(), ids=PRINCIPALS)
def test_principals(principal: Any, admitted: tuple[Principal, ...]) -> None:
    assert tuple(who for who in EVERYBODY if lets(principal, who)) == admitted


SPARED: Final = {
    "account, role and session": ({"AWS": [ACCOUNT, ROLE, SESSION.name]}, (SESSION,)),
    "account and user": ({"AWS": [f"arn:aws:iam::{ACCOUNT}:root", USER.name]}, (USER,)),
    "the role alone": ({"AWS": ROLE}, ()),
    "the account alone": ({"AWS": ACCOUNT}, ()),
    "everybody": ("*", EVERYBODY),
    "a service": ({"Service": "s3.amazonaws.com"}, (S3,)),
    "any service": ({"Service": "*"}, (S3,)),
    "a service under AWS": ({"AWS": "s3.amazonaws.com"}, ()),
    "all that the session is, under Federated": ({"Federated": [ACCOUNT, ROLE, SESSION.name]}, ()),
}


@pytest.mark.parametrize(("principal", "spared"), SPARED.values(), ids=SPARED)
def test_a_denial_spares_only_whom_not_principal_lists_by_every_name(
    principal: Any, spared: tuple[Principal, ...]
) -> None:
    found = policy(principal, effect="Deny", element="NotPrincipal")
    asked = {who: evaluate_resource_policy(found, Request(who, "ecr:PutImage", APP, ACCOUNT)) for who in EVERYBODY}

    assert tuple(who for who, verdict in asked.items() if verdict.decision is not Decision.EXPLICIT_DENY) == spared


STATEMENT: Final = '{"Effect": "Allow", "Principal": "*", "Action": "ecr:PutImage"}'
NO_POLICIES: Final = {
    "Statement twice": '{"Version": "2012-10-17", "Statement": [], "Statement": [' + STATEMENT + "]}",
    "Effect twice": '{"Statement": [{"Effect": "Deny", "Effect": "Allow", "Principal": "*", "Action": "a:B"}]}',
    "Action twice": '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "a:B", "Action": "a:C"}]}',
    "a key twice in a condition": (
        '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "a:B", "Condition": '
        '{"StringEquals": {"aws:PrincipalOrgID": "o-1", "aws:PrincipalOrgID": "o-2"}}}]}'
    ),
    "an operator twice": (
        '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "a:B", "Condition": '
        '{"StringEquals": {"a:b": "1"}, "StringEquals": {"a:c": "1"}}}]}'
    ),
    "a version that is a list": '{"Version": ["2012-10-17"], "Statement": [' + STATEMENT + "]}",
    "an effect that is a list": '{"Statement": [{"Effect": ["Allow"], "Principal": "*", "Action": "a:B"}]}',
    "an effect that is an object": '{"Statement": [{"Effect": {}, "Principal": "*", "Action": "a:B"}]}',
    "principals that are none": '{"Statement": [{"Effect": "Allow", "Principal": {}, "Action": "a:B"}]}',
    "an unknown type of principal": '{"Statement": [{"Effect": "Allow", "Principal": {"GCP": "*"}, "Action": "a:B"}]}',
    "a wildcard within a principal": (
        '{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::*:root"}, "Action": "a:B"}]}'
    ),
    "an array of principals": '{"Statement": [{"Effect": "Allow", "Principal": ["*"], "Action": "a:B"}]}',
    "NaN": '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "a:B", "Condition": '
    '{"StringEquals": {"a:b": NaN}}}]}',
    "an endless number": '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "a:B", "Condition": '
    '{"NumericEquals": {"a:b": %s}}}]}' % ("9" * 5_000),
    "arrays without end": "[" * 200_000,
    "objects without end": '{"Statement":' * 50_000,
    "nothing": "",
    "a byte order mark": '\ufeff{"Statement": [' + STATEMENT + "]}",
    "two documents": f'{{"Statement": [{STATEMENT}]}} {{}}',
}


@pytest.mark.parametrize("text", NO_POLICIES.values(), ids=NO_POLICIES)
def test_what_readers_would_differ_on_is_no_policy(text: str) -> None:
    with pytest.raises(PolicyGrammarError):
        parse_policy(text, name="policy", kind=PolicyKind.RESOURCE)


def test_the_largest_policy_is_answered_at_once() -> None:
    """ECR takes 10,240 characters; somebody may fill them with whatever costs most."""
    stars = "arn:aws:ecr:*:*:repository/" + "*a" * 100
    statements = [
        {"Effect": "Deny", "Principal": {"AWS": ACCOUNT}, "Action": ["*:*a*b*c*d*"] * 20, "Resource": [stars] * 8}
        for _ in range(40)
    ]
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    target = f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/{'a' * 250}b"
    before = time.process_time()
    found = parse_policy(text, name="policy", kind=PolicyKind.RESOURCE)
    verdict = evaluate_resource_policy(found, Request(SESSION, "ecr:PutImage", target, ACCOUNT))

    assert verdict.decision is Decision.IMPLICIT_DENY
    assert time.process_time() - before < 2


LEAVES: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["*", "${aws:username}", "${", "${a,'b'}", ACCOUNT, ROLE, APP, "arn:", "ecr:*", "Allow", "Deny", "2012-10-17"]
    ),
)
NAMES: Final = st.one_of(
    st.sampled_from(
        ["Version", "Statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource",
         "NotResource", "Condition", "AWS", "Service", "StringEquals", "ForAllValues:StringLikeIfExists", "Bool",
         "NumericLessThan", "DateEquals", "IpAddress", "BinaryEquals", "ArnLike", "Null", "aws:SourceArn"]
    ),
    st.text(max_size=8),
)  # fmt: skip
ANYTHING: Final = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
WELL_MEANT: Final = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": st.sampled_from(["*", "ecr:*", ["ecr:PutImage"]])},
    optional={
        "Principal": ANYTHING,
        "NotPrincipal": ANYTHING,
        "Resource": ANYTHING,
        "Condition": st.dictionaries(NAMES, st.dictionaries(NAMES, ANYTHING, max_size=2), max_size=2),
        "Sid": ANYTHING,
    },
)
DOCUMENTS: Final = ANYTHING | st.fixed_dictionaries(
    {"Statement": st.lists(WELL_MEANT | ANYTHING, max_size=3)}, optional={"Version": ANYTHING, "Id": ANYTHING}
)


@given(DOCUMENTS, st.sampled_from(PolicyKind))
@example({"Version": {}, "Statement": [{}]}, PolicyKind.IDENTITY)
def test_any_document_is_answered_or_refused(document: Any, kind: PolicyKind) -> None:
    try:
        found = parse_policy(json.dumps(document), name="policy", kind=kind)
    except PolicyGrammarError:
        return
    context = {"aws:SourceArn": APP, "aws:username": "*", "a": "1"}
    for who in EVERYBODY:
        request = Request(who, "ecr:PutImage", APP, ACCOUNT, context)
        verdict = evaluate(request, Policies(identity=[found] if kind is not PolicyKind.RESOURCE else [],
                                             resource=[found] if kind is PolicyKind.RESOURCE else []))  # fmt: skip
        assert verdict.decision in Decision
