"""
The evaluator against tables of situations, and the tables against an independent implementation.

The rows of `situations/` restate, with our own names, what these pages of the IAM User Guide describe in tables and
examples: "Condition operators", "Multivalued context keys", "Variables and tags", "Resource", "NotPrincipal",
"Policy evaluation logic", "Cross-account policy evaluation logic", "Permissions boundaries", "Session policies" and
"SCP evaluation".
`test_oracle_agrees` gives every row to the npm package @cloud-copilot/iam-simulate, which shares no code with ours;
a row where the two are known to differ says why under `oracle_differs`.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chalicelib.access.evaluate import (
    Decision,
    Policies,
    Policy,
    PolicyKind,
    Principal,
    Request,
    Verdict,
    evaluate,
    parse_policy,
)

HERE = Path(__file__).parent
ORACLE = HERE / "oracle"
APP = "arn:aws:ecr:eu-west-1:111111111111:repository/app"
ORACLE_WORDS = {
    "Allowed": Decision.ALLOWED,
    "ImplicitlyDenied": Decision.IMPLICIT_DENY,
    "ExplicitlyDenied": Decision.EXPLICIT_DENY,
}


def load(name: str) -> Any:
    return json.loads((HERE / "situations" / name).read_text())


def condition_situation(row: dict[str, Any]) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": row["condition"]}
    return {
        "name": row["name"],
        "principal": {"arn": "arn:aws:iam::111111111111:user/bob"},
        "action": "ecr:PutImage",
        "on": APP,
        "context": row["context"],
        "identity": [{"Version": row.get("version", "2012-10-17"), "Statement": [statement]}],
        "expect": "allowed" if row["holds"] else "implicitDeny",
        "oracle_differs": row.get("oracle_differs"),
    }


def element_situation(row: dict[str, Any]) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    del statement[row["element"].removeprefix("Not")]
    statement[row["element"]] = row["patterns"]
    of_action = row["element"].endswith("Action")
    return {
        "name": row["name"],
        "principal": {"arn": "arn:aws:iam::111111111111:user/bob"},
        "action": row["value"] if of_action else row.get("action", "ecr:PutImage"),
        "on": APP if of_action else row["value"],
        "context": row.get("context", {}),
        "identity": [{"Version": "2012-10-17", "Statement": [statement]}],
        "expect": "allowed" if row["matches"] else "implicitDeny",
        "oracle_differs": row.get("oracle_differs"),
    }


WRAPPED = {
    name: {"Version": "2012-10-17", "Statement": [statement]}
    for name, statement in load("layers.json")["documents"].items()
}
EVERYBODY = ("*", {"AWS": "*"})
TEAM = {"aws:ResourceTag/team": "blue", "aws:PrincipalTag/team": "blue"}


def layer_situations() -> list[dict[str, Any]]:
    table = load("layers.json")
    return [layer_situation(row, WRAPPED, table["principals"]) for row in table["cases"]]


def layer_situation(row: dict[str, Any], documents: dict[str, Any], principals: dict[str, Any]) -> dict[str, Any]:
    def named(names: list[str]) -> list[Any]:
        return [documents[name] for name in names]

    return {
        "action": "ecr:PutImage",
        "on": APP,
        "context": {},
        "principal": principals[row["who"]],
        **row,
        "identity": named(row.get("identity", [])),
        "boundary": documents[row["boundary"]] if "boundary" in row else None,
        "session": named(row["session"]) if "session" in row else None,
        "organization": [named(level) for level in row.get("organization", [])],
        "resource": named(row.get("resource", [])),
        "registry": named(row.get("registry", [])),
    }


CONDITIONS = [condition_situation(row) for row in load("conditions.json")]
ELEMENTS = [element_situation(row) for row in load("elements.json")]
LAYERS = layer_situations()
ALL = CONDITIONS + ELEMENTS + LAYERS


def by_name(situations: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("situation", situations, ids=[row["name"] for row in situations])


def principal_of(situation: dict[str, Any]) -> Principal:
    who = situation["principal"]
    if "service" in who:
        return Principal.service(who["service"])
    return Principal.from_arn(who["arn"], role=who.get("role")) if "arn" in who else Principal.anonymous()


def decide(situation: dict[str, Any]) -> Verdict:
    def read(key: str, kind: PolicyKind) -> list[Policy]:
        return [parse_policy(document, name=key, kind=kind) for document in situation.get(key) or ()]

    boundary = situation.get("boundary")
    policies = Policies(
        identity=read("identity", PolicyKind.IDENTITY),
        boundary=parse_policy(boundary, name="boundary", kind=PolicyKind.BOUNDARY) if boundary else None,
        session=read("session", PolicyKind.SESSION) if situation.get("session") is not None else None,
        organization=[
            [parse_policy(document, name="scp", kind=PolicyKind.ORGANIZATION) for document in level]
            for level in situation.get("organization", [])
        ],
        resource=read("resource", PolicyKind.RESOURCE),
        registry=read("registry", PolicyKind.RESOURCE),
        resource_must_allow=situation.get("must_allow", False),
    )
    request = Request(
        principal_of(situation), situation["action"], situation["on"], "111111111111", situation["context"]
    )
    return evaluate(request, policies)


@by_name(ALL)
def test_situation(situation: dict[str, Any]) -> None:
    verdict = decide(situation)

    assert verdict.decision == situation["expect"]


@by_name(LAYERS)
def test_verdict_names_the_kind_of_policy_that_decided(situation: dict[str, Any]) -> None:
    verdict = decide(situation)

    assert verdict.kind == situation["by"]
    if "missing" in situation:
        assert verdict.missing_keys == set(situation["missing"])
    if "boundary_allows" in situation:
        assert verdict.boundary_allows is situation["boundary_allows"]


def test_names_of_situations_are_unique() -> None:
    names = [situation["name"] for situation in ALL]

    assert len(names) == len(set(names))


def simulation(situation: dict[str, Any]) -> dict[str, Any]:
    """Put *situation* into the oracle's words."""
    session = situation.get("session")
    who = situation["principal"]
    boundary = situation.get("boundary")
    resource = [statement for document in situation.get("resource", []) for statement in document["Statement"]]
    return {
        "identityOnly": "who" not in situation,
        "request": {
            "principal": who.get("arn") or who.get("service") or "*",
            "action": situation["action"],
            "resource": {"resource": situation["on"], "accountId": "111111111111"},
            "contextVariables": situation["context"],
        },
        "identityPolicies": [
            {"name": str(place), "policy": policy} for place, policy in enumerate(situation["identity"])
        ],
        "permissionBoundaryPolicies": [{"name": "boundary", "policy": boundary}] if boundary else None,
        "sessionPolicy": session[0] if session else None,
        "serviceControlPolicies": [
            {
                "orgIdentifier": str(depth),
                "policies": [{"name": str(place), "policy": policy} for place, policy in enumerate(level)],
            }
            for depth, level in enumerate(situation.get("organization", []))
        ],
        "resourceControlPolicies": [],
        "resourcePolicy": {"Version": "2012-10-17", "Statement": resource} if resource else None,
    }


def ask_oracle(situations: list[dict[str, Any]]) -> list[str]:
    run = subprocess.run(
        ["node", "simulate.mjs"],
        cwd=ORACLE,
        input=json.dumps([simulation(situation) for situation in situations]),
        capture_output=True,
        text=True,
        check=True,
    )
    return [ORACLE_WORDS.get(answer, answer) for answer in json.loads(run.stdout)]


needs_oracle = pytest.mark.skipif(
    shutil.which("node") is None or not (ORACLE / "node_modules").is_dir(),
    reason="the oracle is not installed: npm install --prefix tests/unit/access/oracle",
)


@pytest.mark.check
@needs_oracle
def test_oracle_agrees() -> None:
    differing = {
        situation["name"]: (answer, situation["expect"])
        for situation, answer in zip(ALL, ask_oracle(ALL), strict=True)
        if answer != situation["expect"]
    }
    excused = {situation["name"] for situation in ALL if situation.get("oracle_differs")}

    assert differing.keys() == excused, {name: differing.get(name, "agrees") for name in differing.keys() ^ excused}


def random_situations(count: int) -> list[dict[str, Any]]:
    """Combine the documents and principals of layers.json, leaving out where the oracle is known to differ."""
    table = load("layers.json")
    choice = random.Random(20260917)  # noqa: S311 - repeatable, not secret
    resource = [
        name
        for name, body in table["documents"].items()
        if "Principal" in body and "session s1" not in name and body["Action"] == "ecr:PutImage"
    ]
    other = [name for name, body in table["documents"].items() if not {"Principal", "NotPrincipal"} & body.keys()]
    rows = []
    for place in range(count):
        row: dict[str, Any] = {"name": str(place), "expect": None}
        row["who"] = choice.choice(["bob", "alice", "session", "foreign session", "foreign user"])
        row["identity"] = choice.sample(other, choice.randrange(3))
        row["resource"] = choice.sample(resource, choice.randrange(3))
        row["organization"] = [choice.sample(other, 2) for _ in range(choice.randrange(3))]
        if choice.random() < 0.3:
            row["boundary"] = choice.choice(other)
        if "session" in row["who"] and choice.random() < 0.3:
            row["session"] = [choice.choice(other)]
            # What "everybody" grants directly to a session is the oracle's known difference.
            row["resource"] = [
                name for name in row["resource"] if table["documents"][name]["Principal"] not in EVERYBODY
            ]
        row["context"] = choice.choice(
            [{}, {"aws:RequestedRegion": "eu-west-1"}, {"aws:SecureTransport": "false"}, TEAM]
        )
        rows.append(layer_situation(row, WRAPPED, table["principals"]))
    return rows


@pytest.mark.check
@needs_oracle
def test_oracle_agrees_on_random_combinations() -> None:
    situations = random_situations(1500)
    ours = [decide(situation).decision for situation in situations]

    differing = [
        (situation, mine, theirs)
        for situation, mine, theirs in zip(situations, ours, ask_oracle(situations), strict=True)
        if mine != theirs
    ]

    assert not differing, differing[0]
    assert len(set(ours)) == len(Decision)
