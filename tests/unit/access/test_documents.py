"""Policy documents: what they say, by the evaluator. tests/app/cli/test_policy.py lints them as they are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.access import documents
from chalicelib.access.evaluate import (
    Policies,
    PolicyKind,
    Principal,
    Request,
    evaluate,
    evaluate_resource_policy,
    parse_policy,
)
from chalicelib.oci.reference import Registry

FOUNDATION = Path(__file__).parents[3] / ".chalice" / "foundation.json"
SOURCE, OTHER = "111122223333", "444455556666"
APP = f"arn:aws:ecr:eu-west-1:{SOURCE}:repository/app"
PUSHER = f"arn:aws:iam::{SOURCE}:role/teams/pusher"
BUCKET = "arn:aws:s3:::drop"
BUS = f"arn:aws:events:eu-west-1:{SOURCE}:event-bus/transship-dev"

UPLOADS = documents.upload_policy(BUCKET, {"uploads/blue/": [PUSHER], "uploads/red/": [OTHER, PUSHER]})
SUBSCRIBERS = documents.subscribe_policy(BUS, [OTHER])


def may(document: dict[str, Any], action: str, resource: str) -> bool:
    """Tell whether an identity policy alone allows."""
    policy = parse_policy(document, name="document", kind=PolicyKind.IDENTITY)
    request = Request(Principal.from_arn(PUSHER), action, resource)
    return evaluate(request, Policies(identity=[policy])).allowed


def lets(document: dict[str, Any], principal: str, action: str, resource: str, **context: str) -> bool:
    """Tell whether a resource policy alone allows; keys of *context* have `__` for the colon."""
    policy = parse_policy(document, name="document", kind=PolicyKind.RESOURCE)
    keys = {key.replace("__", ":"): value for key, value in context.items()}
    return evaluate_resource_policy(
        policy, Request(Principal.from_arn(principal), action, resource, None, keys)
    ).allowed


def test_scoped_push_is_the_guides_policy() -> None:
    assert documents.push_policy([APP])["Statement"] == [
        {
            "Effect": "Allow",
            "Action": [
                "ecr:CompleteLayerUpload",
                "ecr:UploadLayerPart",
                "ecr:InitiateLayerUpload",
                "ecr:BatchCheckLayerAvailability",
                "ecr:PutImage",
                "ecr:BatchGetImage",
            ],
            "Resource": APP,
        },
        {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
    ]


def test_unscoped_push_is_the_guides_policy() -> None:
    assert documents.push_policy()["Statement"] == [
        {
            "Effect": "Allow",
            "Action": [
                "ecr:CompleteLayerUpload",
                "ecr:GetAuthorizationToken",
                "ecr:UploadLayerPart",
                "ecr:InitiateLayerUpload",
                "ecr:BatchCheckLayerAvailability",
                "ecr:PutImage",
                "ecr:BatchGetImage",
            ],
            "Resource": "*",
        }
    ]


def test_several_repositories_share_a_statement() -> None:
    first, _ = documents.push_policy([APP, f"{APP}-2"])["Statement"]

    assert first["Resource"] == [APP, f"{APP}-2"]


def test_scoped_push_reaches_no_other_repository() -> None:
    document = documents.push_policy([APP])

    assert all(may(document, action, APP) for action in documents.PUSH_ACTIONS)
    assert may(document, "ecr:GetAuthorizationToken", "*")
    assert not any(may(document, action, f"{APP}-2") for action in documents.PUSH_ACTIONS)
    assert not may(document, "ecr:DeleteRepository", APP)


@pytest.mark.parametrize("create", [True, False], ids=["creating", "not creating"])
def test_replicas_are_accepted_below_the_prefixes_of_one_region(create: bool) -> None:
    document = documents.accept_replicas(
        Registry(OTHER, "us-east-1"), SOURCE, partition="aws", prefixes=("team/",), create=create
    )
    root, place = f"arn:aws:iam::{SOURCE}:root", f"arn:aws:ecr:us-east-1:{OTHER}:repository"

    assert lets(document, root, "ecr:ReplicateImage", f"{place}/team/app")
    assert lets(document, root, "ecr:CreateRepository", f"{place}/team/app") is create
    assert not lets(document, root, "ecr:ReplicateImage", f"{place}/other/app")
    assert not lets(document, root, "ecr:ReplicateImage", f"arn:aws:ecr:eu-west-1:{OTHER}:repository/team/app")
    assert not lets(document, f"arn:aws:iam::{OTHER}:root", "ecr:ReplicateImage", f"{place}/team/app")
    assert not lets(document, root, "ecr:PutImage", f"{place}/team/app")


def test_trust_asks_for_the_external_id() -> None:
    document = documents.trust_policy([PUSHER], "4711")
    role = f"arn:aws:iam::{OTHER}:role/read-back"

    assert lets(document, PUSHER, "sts:AssumeRole", role, sts__ExternalId="4711")
    assert not lets(document, PUSHER, "sts:AssumeRole", role, sts__ExternalId="4712")
    assert not lets(document, PUSHER, "sts:AssumeRole", role)
    assert not lets(document, f"arn:aws:iam::{SOURCE}:role/other", "sts:AssumeRole", role, sts__ExternalId="4711")


def test_role_that_reads_back_cannot_write() -> None:
    reader, healer = (f"arn:aws:iam::{OTHER}:role/{name}" for name in ("read-back", "heal"))
    document = documents.read_back_policy([APP], role=reader)

    assert may(document, "ecr:BatchGetImage", APP)
    assert not may(document, "ecr:PutImage", APP)
    assert may(document, "iam:SimulatePrincipalPolicy", reader)
    assert not may(document, "iam:SimulatePrincipalPolicy", healer)
    both = documents.read_back_policy([APP], role=reader, heal_role=healer)
    assert may(both, "iam:SimulatePrincipalPolicy", healer)


@pytest.mark.parametrize("create", [True, False], ids=["creating", "not creating"])
def test_role_that_heals_creates_only_if_told_to(create: bool) -> None:
    document = documents.heal_policy([APP], create=create)

    assert may(document, "ecr:PutImage", APP)
    assert may(document, "ecr:CreateRepository", APP) is create


def test_uploader_writes_below_their_prefix_over_tls() -> None:
    document = UPLOADS
    blue = f"{BUCKET}/uploads/blue/a.tar"

    assert lets(document, PUSHER, "s3:PutObject", blue, aws__SecureTransport="true")
    assert not lets(document, PUSHER, "s3:PutObject", blue, aws__SecureTransport="false")
    assert not lets(document, PUSHER, "s3:GetObject", blue, aws__SecureTransport="true")
    assert not lets(document, PUSHER, "s3:PutObject", f"{BUCKET}/uploads/green/a.tar", aws__SecureTransport="true")
    assert not lets(document, f"arn:aws:iam::{OTHER}:root", "s3:PutObject", blue, aws__SecureTransport="true")


def test_subscriber_manages_only_rules_of_its_own() -> None:
    document = SUBSCRIBERS
    rule = f"arn:aws:events:eu-west-1:{SOURCE}:rule/transship-dev/theirs"
    root = f"arn:aws:iam::{OTHER}:root"
    own, foreign = (
        {"aws__PrincipalAccount": OTHER, "events__creatorAccount": OTHER},
        {
            "aws__PrincipalAccount": OTHER,
            "events__creatorAccount": SOURCE,
        },
    )

    assert lets(document, root, "events:PutRule", rule, aws__PrincipalAccount=OTHER)
    assert lets(document, root, "events:DeleteRule", rule, **own)
    assert not lets(document, root, "events:DeleteRule", rule, **foreign)
    assert not lets(document, root, "events:PutEvents", BUS, **own)


def test_foundation_grants_subscribers_the_same_actions() -> None:
    resources = json.loads(FOUNDATION.read_text())["Resources"]

    granted = resources["SubscribersByAccount"]["Properties"]["Statement"]["Action"]

    assert granted == list(documents.SUBSCRIBER_ACTIONS)


def test_missing_statement_allows_what_was_denied() -> None:
    statement = documents.missing_statement(["ecr:PutImage"], APP)

    assert statement == {"Effect": "Allow", "Action": "ecr:PutImage", "Resource": APP}
    assert may({"Version": "2012-10-17", "Statement": [statement]}, "ecr:PutImage", APP)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_no_document_names_another_partition(partition: str) -> None:
    def there(arn: str) -> str:
        return arn.replace("arn:aws:", f"arn:{partition}:")

    made = [
        documents.push_policy([there(APP)]),
        documents.heal_policy([there(APP)], create=True),
        documents.read_back_policy([there(APP)]),
        documents.push_across_accounts([there(PUSHER)]),
        documents.accept_replicas(Registry(OTHER, "us-east-1"), SOURCE, partition=partition),
        documents.trust_policy([there(PUSHER)], "4711"),
        documents.upload_policy(there(BUCKET), {"uploads/": [there(PUSHER)]}),
        documents.subscribe_policy(there(BUS), [OTHER]),
    ]

    text = json.dumps(made)
    assert text.count('"arn:') == text.count(f'"arn:{partition}:')
