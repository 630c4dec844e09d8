"""Whether a destination's registry policy lets replicas in; what is proposed does, and keeps what was there."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from chalicelib.access.documents import accept_replicas
from chalicelib.oci.reference import Registry, Repository, RepositoryName
from chalicelib.replicas.acceptance import Lacking, Replica, rejection

SOURCE: Final = "111122223333"
THERE: Final = Registry("444455556666", "eu-central-1")
PLACE: Final = "arn:aws:ecr:eu-central-1:444455556666:repository"
SENTENCE: Final = {
    "Sid": "ReplicationAccessCrossAccount",
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{SOURCE}:root"},
    "Action": ["ecr:CreateRepository", "ecr:ReplicateImage"],
    "Resource": f"{PLACE}/team/*",
}
OTHER: Final = {
    "Sid": "ReplicationAccessCrossAccount",
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::777788889999:root"},
    "Action": "ecr:ReplicateImage",
    "Resource": f"{PLACE}/*",
}


def replica(name: str = "team/app", *, exists: bool = False) -> Replica:
    repository = Repository(THERE, RepositoryName(name))
    return Replica(partition="aws", source_account=SOURCE, repository=repository, exists=exists)


def policy(*statements: dict[str, Any], **more: str) -> str:
    return json.dumps({"Version": "2012-10-17", **more, "Statement": list(statements)})


ACCEPTING: Final = {
    "what we hand out": json.dumps(accept_replicas(THERE, SOURCE, partition="aws", prefixes=["team/"])),
    "a statement that is no list": json.dumps({"Version": "2012-10-17", "Statement": SENTENCE}),
    "the account by its number": policy({**SENTENCE, "Principal": {"AWS": SOURCE}}),
    "among other accounts": policy({**SENTENCE, "Principal": {"AWS": ["777788889999", SOURCE]}}),
    "everybody": policy({**SENTENCE, "Principal": {"AWS": "*"}}),
    "whatever ECR can do": policy({**SENTENCE, "Action": "ecr:*"}),
    "a denial of others": policy(SENTENCE, {**OTHER, "Effect": "Deny", "Sid": "Not"}),
}


@pytest.mark.parametrize("text", ACCEPTING.values(), ids=ACCEPTING)
def test_accepts(text: str) -> None:
    assert rejection(text, replica()) is None
    assert rejection(text, replica(exists=True)) is None


def test_a_repository_that_is_there_need_not_be_created() -> None:
    text = policy({**SENTENCE, "Action": "ecr:ReplicateImage"})

    assert rejection(text, replica(exists=True)) is None
    refused = rejection(text, replica())
    assert refused
    assert refused.lacking is Lacking.CREATION
    assert "ecr:CreateRepository" in refused.detail


MENDABLE: Final = {
    "no policy": (None, Lacking.POLICY, ""),
    "another source": (policy(OTHER), Lacking.REPLICATION, "does not allow ecr:ReplicateImage"),
    "another prefix": (policy({**SENTENCE, "Resource": f"{PLACE}/web/*"}), Lacking.REPLICATION, "does not allow"),
    "another Region": (
        policy({**SENTENCE, "Resource": "arn:aws:ecr:us-east-1:444455556666:repository/*"}),
        Lacking.REPLICATION,
        "does not allow",
    ),
    "a role of the source": (
        policy({**SENTENCE, "Principal": {"AWS": f"arn:aws:iam::{SOURCE}:role/pusher"}}),
        Lacking.REPLICATION,
        "does not allow",
    ),
    "the old version of the language": (
        policy(OTHER, Version="2008-10-17", Id="kept"),
        Lacking.REPLICATION,
        "does not allow",
    ),
    "what replication does not bring": (
        policy({**SENTENCE, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}),
        Lacking.REPLICATION,
        "asks for aws:PrincipalOrgID",
    ),
}


@pytest.mark.parametrize(("text", "lacking", "words"), MENDABLE.values(), ids=MENDABLE)
def test_what_is_proposed_accepts_and_keeps_what_was_there(text: str | None, lacking: Lacking, words: str) -> None:
    refused = rejection(text, replica())

    assert refused
    assert refused.lacking is lacking
    assert words in refused.detail
    assert refused.document
    assert rejection(json.dumps(refused.document), replica()) is None
    there = json.loads(text) if text else {"Statement": []}
    assert refused.document["Statement"][: len(there["Statement"])] == there["Statement"]
    assert {key: refused.document[key] for key in there if key != "Statement"} == {
        key: value for key, value in there.items() if key != "Statement"
    }


def test_a_statement_that_denies_is_named_and_nothing_is_proposed_in_its_place() -> None:
    denial = {**SENTENCE, "Sid": "Closed", "Effect": "Deny", "Principal": "*"}
    refused = rejection(policy(SENTENCE, denial), replica(exists=True))

    assert refused
    assert refused.document is None
    assert "denies, by statement Closed, ecr:ReplicateImage" in refused.detail


@pytest.mark.parametrize("text", ["", "[]", "{}", "no JSON", policy({"Effect": "Maybe"}), "[" * 100_000])
def test_what_is_no_policy_accepts_nothing(text: str) -> None:
    refused = rejection(text, replica())

    assert refused
    assert refused.document is None
    assert "cannot be understood" in refused.detail
