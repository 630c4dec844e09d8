"""
Every document of `transship policy`, under enforcement: with it each call goes through, and without any one of its
actions that action is denied and every other one is not.

Left out here: `function`, whose documents are taken apart by tests/enforcement/test_each_action.py, and the calls that
a writer and a looker make in an upload, by tests/enforcement/test_other_account.py. What `replicas` lets ECR do is
shown by tests/local/ecr/test_replication.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import pytest
from botocore.exceptions import ClientError

from chalicelib.access import documents
from tests.local.iam.test_documents import APP, CONFIG, LAYER, MANIFEST, MEDIA_TYPE, REGION, digest
from tests.policies import without
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT, Credentials

if TYPE_CHECKING:
    from tests.local.iam.conftest import World

Calls = dict[str, Callable[[], Any]]
"""The call that each action allows, in an order in which they can be made."""

EXTERNAL_ID: Final = "4711"
BUCKET: Final = "uploads-of-all"
ROLE: Final = f"arn:aws:iam::{SOURCE_ACCOUNT}:role/bearer"
UPLOADER: Final = f"arn:aws:iam::{OTHER_ACCOUNT}:role/bearer"
BUS: Final = f"arn:aws:events:{REGION}:{SOURCE_ACCOUNT}:event-bus/announcements"
RULE: Final = f"arn:aws:events:{REGION}:{SOURCE_ACCOUNT}:rule/announcements/theirs"
TARGET: Final = {"Id": "1", "Arn": f"arn:aws:sqs:{REGION}:{OTHER_ACCOUNT}:theirs"}

IDENTITY: Final = {
    "push": documents.push_policy([APP]),
    "push everywhere": documents.push_policy(),
    "read-back": documents.read_back_policy([APP], role=ROLE),
    "heal": documents.heal_policy([APP], create=True),
    "writer": documents.writer_policy(ROLE, [APP], create=True),
    "looker": documents.looker_policy([APP]),
}
ORGANIZATION: Final = "o-a1b2c3d4e5"
SUBSCRIBERS: Final = ("subscriber", "subscriber of an organization")
RESOURCE: Final = {
    "uploader": documents.upload_policy(
        f"arn:aws:s3:::{BUCKET}", {"uploads/blue/": [UPLOADER]}, receipts_for="uploads/"
    ),
    "subscriber": documents.subscribe_policy(BUS, [OTHER_ACCOUNT]),
    "subscriber of an organization": documents.subscribe_policy(BUS, [], ORGANIZATION),
    "push-across-accounts": documents.push_across_accounts([UPLOADER]),
}


def granted(document: dict[str, Any]) -> list[str]:
    """Return the actions that a document allows."""
    found = [statement["Action"] for statement in document["Statement"] if statement["Effect"] == "Allow"]
    return sorted({one for actions in found for one in ([actions] if isinstance(actions, str) else actions)})


def less_one(made: dict[str, dict[str, Any]]) -> list[Any]:
    """Return each document whole, and without each of its actions."""
    return [
        pytest.param(name, action, id=f"{name} less {action}" if action else f"all of {name}")
        for name, document in made.items()
        for action in (None, *granted(document))
    ]


def denied_of(calls: Calls, wanted: list[str]) -> list[str]:
    """Make the call of each action that is *wanted*; return those that were denied."""
    denied = []
    for action, call in calls.items():
        if action not in wanted:
            continue
        try:
            call()
        except ClientError as refused:
            # Whatever else AWS says, of things that a call before would have made, is no denial.
            if f"not authorized to perform: {action} on" in str(refused):
                denied.append(action)
            elif refused.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}:
                raise
    return denied


def bearer(world: World, account: str, document: dict[str, Any]) -> Credentials:
    """Return a session of a role that has exactly *document*."""
    arn = world.role("bearer", world.trust({"AWS": account}), account=account)
    iam = world.client("iam", world.aws.administrator(account))
    iam.put_role_policy(RoleName="bearer", PolicyName="p", PolicyDocument=json.dumps(document))
    return world.assume(arn, world.aws.administrator(account))


def on_ecr(ecr: Any, iam: Any) -> Calls:
    """Return a call for each action that any document allows on a registry."""
    app = {"registryId": SOURCE_ACCOUNT, "repositoryName": "app"}
    part = {"partFirstByte": 0, "partLastByte": len(LAYER) - 1, "layerPartBlob": LAYER}
    none = "00000000-0000-4000-8000-000000000000"
    return {
        "ecr:CreateRepository": lambda: ecr.create_repository(repositoryName="app"),
        "ecr:TagResource": lambda: ecr.tag_resource(resourceArn=APP, tags=[{"Key": "team", "Value": "blue"}]),
        "ecr:GetAuthorizationToken": ecr.get_authorization_token,
        "ecr:BatchCheckLayerAvailability": lambda: ecr.batch_check_layer_availability(
            **app, layerDigests=[digest(LAYER)]
        ),
        "ecr:InitiateLayerUpload": lambda: ecr.initiate_layer_upload(**app),
        "ecr:UploadLayerPart": lambda: ecr.upload_layer_part(**app, uploadId=none, **part),
        "ecr:CompleteLayerUpload": lambda: ecr.complete_layer_upload(
            **app, uploadId=none, layerDigests=[digest(CONFIG)]
        ),
        "ecr:PutImage": lambda: ecr.put_image(
            **app, imageManifest=MANIFEST, imageManifestMediaType=MEDIA_TYPE, imageTag="v1"
        ),
        "ecr:BatchGetImage": lambda: ecr.batch_get_image(**app, imageIds=[{"imageTag": "v1"}]),
        "ecr:DescribeImageReplicationStatus": lambda: ecr.describe_image_replication_status(
            **app, imageId={"imageTag": "v1"}
        ),
        "ecr:DescribeRepositories": lambda: ecr.describe_repositories(
            registryId=SOURCE_ACCOUNT, repositoryNames=["app"]
        ),
        "ecr:GetRepositoryPolicy": lambda: ecr.get_repository_policy(**app),
        "ecr:ListTagsForResource": lambda: ecr.list_tags_for_resource(resourceArn=APP),
        "ecr:GetLifecyclePolicy": lambda: ecr.get_lifecycle_policy(**app),
        "ecr:DescribeRegistry": ecr.describe_registry,
        "ecr:GetRegistryPolicy": ecr.get_registry_policy,
        "ecr:DescribeRepositoryCreationTemplates": ecr.describe_repository_creation_templates,
        "iam:SimulatePrincipalPolicy": lambda: iam.simulate_principal_policy(
            PolicySourceArn=ROLE, ActionNames=["ecr:PutImage"], ResourceArns=[APP]
        ),
    }


@pytest.mark.parametrize(("name", "action"), less_one(IDENTITY))
def test_a_role_may_do_what_its_document_allows_and_nothing_that_was_taken_out(
    world: World, name: str, action: str | None
) -> None:
    document = IDENTITY[name]
    session = bearer(world, SOURCE_ACCOUNT, without(document, action) if action else document)
    calls = on_ecr(world.client("ecr", session), world.client("iam", session))
    if "ecr:CreateRepository" not in granted(document) or action == "ecr:CreateRepository":
        world.create_repository("app")

    assert granted(document) == sorted(set(granted(document)) & calls.keys())
    assert denied_of(calls, granted(document)) == ([action] if action else [])


@pytest.mark.parametrize(("name", "action"), less_one({"push-across-accounts": RESOURCE["push-across-accounts"]}))
def test_another_account_may_push_what_the_repository_allows(world: World, name: str, action: str | None) -> None:
    document = RESOURCE[name]
    world.create_repository("app")
    policy = without(document, action) if action else document
    world.client("ecr").set_repository_policy(repositoryName="app", policyText=json.dumps(policy))
    session = bearer(world, OTHER_ACCOUNT, {"Version": "2012-10-17", "Statement": [world.allow("ecr:*")]})
    calls = on_ecr(world.client("ecr", session), None)

    assert denied_of(calls, granted(document)) == ([action] if action else [])


@pytest.fixture(name="bucket")
def _bucket(world: World) -> Iterator[Any]:
    s3 = world.client("s3", region="us-east-1")
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="receipts/blue/a.json", Body=b"{}")
    yield s3
    s3.delete_bucket_policy(Bucket=BUCKET)


@pytest.mark.parametrize(("name", "action"), less_one({"uploader": RESOURCE["uploader"]}))
def test_an_uploader_may_do_what_the_bucket_allows(world: World, bucket: Any, name: str, action: str | None) -> None:
    document = RESOURCE[name]
    session = bearer(world, OTHER_ACCOUNT, {"Version": "2012-10-17", "Statement": [world.allow("s3:*")]})
    policy = without(document, action) if action else document
    bucket.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
    theirs = world.client("s3", session, region="us-east-1")
    begun = bucket.create_multipart_upload(Bucket=BUCKET, Key="uploads/blue/b.tar")
    upload = {"Bucket": BUCKET, "Key": "uploads/blue/b.tar", "UploadId": begun["UploadId"]}
    calls: Calls = {
        "s3:PutObject": lambda: theirs.put_object(Bucket=BUCKET, Key="uploads/blue/a.tar", Body=b"x"),
        "s3:ListMultipartUploadParts": lambda: theirs.list_parts(**upload),
        "s3:AbortMultipartUpload": lambda: theirs.abort_multipart_upload(**upload),
        "s3:GetObject": lambda: theirs.get_object(Bucket=BUCKET, Key="receipts/blue/a.json"),
    }

    assert granted(document) == sorted(calls)
    assert denied_of(calls, granted(document)) == ([action] if action else [])


def on_rule(theirs: Any) -> Calls:
    """Return a call for each action on a rule of our bus, in an order in which its creator can make them."""
    rule, named = {"Rule": "theirs", "EventBusName": BUS}, {"Name": "theirs", "EventBusName": BUS}
    return {
        "events:PutRule": lambda: theirs.put_rule(**named, EventPattern='{"source": ["transship"]}'),
        "events:DescribeRule": lambda: theirs.describe_rule(**named),
        "events:PutTargets": lambda: theirs.put_targets(**rule, Targets=[TARGET]),
        "events:ListTargetsByRule": lambda: theirs.list_targets_by_rule(**rule),
        "events:TagResource": lambda: theirs.tag_resource(ResourceARN=RULE, Tags=[{"Key": "team", "Value": "blue"}]),
        "events:ListTagsForResource": lambda: theirs.list_tags_for_resource(ResourceARN=RULE),
        "events:UntagResource": lambda: theirs.untag_resource(ResourceARN=RULE, TagKeys=["team"]),
        "events:DisableRule": lambda: theirs.disable_rule(**named),
        "events:EnableRule": lambda: theirs.enable_rule(**named),
        "events:RemoveTargets": lambda: theirs.remove_targets(**rule, Ids=["1"]),
        "events:DeleteRule": lambda: theirs.delete_rule(**named),
    }


@pytest.fixture(name="bus")
def _bus(world: World) -> Iterator[Any]:
    events = world.client("events")
    events.create_event_bus(Name="announcements")
    yield events
    with suppress(events.exceptions.ResourceNotFoundException):
        events.remove_targets(Rule="theirs", EventBusName="announcements", Ids=["1"])
        events.delete_rule(Name="theirs", EventBusName="announcements")
    events.delete_event_bus(Name="announcements")


@pytest.mark.parametrize(("name", "action"), less_one({name: RESOURCE[name] for name in SUBSCRIBERS}))
def test_a_subscriber_may_do_what_the_bus_allows(world: World, bus: Any, name: str, action: str | None) -> None:
    document = RESOURCE[name]
    bus.put_permission(
        EventBusName="announcements", Policy=json.dumps(without(document, action) if action else document)
    )
    session = bearer(world, OTHER_ACCOUNT, {"Version": "2012-10-17", "Statement": [world.allow("events:*")]})
    theirs = world.client("events", session)
    calls = on_rule(theirs)

    assert granted(document) == sorted(calls)
    with world.organized({OTHER_ACCOUNT: ORGANIZATION} if name != "subscriber" else {}):
        assert denied_of(calls, granted(document)) == ([action] if action else [])


@pytest.mark.parametrize("organization", ["", "o-other"], ids=["of none", "of another"])
def test_who_is_not_of_the_organization_may_nothing(world: World, bus: Any, organization: str) -> None:
    document = RESOURCE["subscriber of an organization"]
    bus.put_permission(EventBusName="announcements", Policy=json.dumps(document))
    session = bearer(world, OTHER_ACCOUNT, {"Version": "2012-10-17", "Statement": [world.allow("events:*")]})
    with world.organized({OTHER_ACCOUNT: organization} if organization else {}):
        assert sorted(denied_of(on_rule(world.client("events", session)), granted(document))) == granted(document)


def test_a_subscriber_may_touch_no_rule_of_others(world: World, bus: Any) -> None:
    document = RESOURCE["subscriber"]
    bus.put_permission(EventBusName="announcements", Policy=json.dumps(document))
    bus.put_rule(Name="theirs", EventBusName="announcements", EventPattern='{"source": ["transship"]}')
    session = bearer(world, OTHER_ACCOUNT, {"Version": "2012-10-17", "Statement": [world.allow("events:*")]})
    calls = on_rule(world.client("events", session))

    assert bus.describe_rule(Name="theirs", EventBusName="announcements")["CreatedBy"] == SOURCE_ACCOUNT
    assert sorted(denied_of(calls, granted(document))) == granted(document)


@pytest.mark.parametrize("action", [None, "sts:AssumeRole"])
def test_a_role_is_assumed_by_whom_its_trust_policy_names(world: World, action: str | None) -> None:
    confirm = world.user("confirm", world.allow("sts:AssumeRole"), account=OTHER_ACCOUNT)
    trust = documents.trust_policy([f"arn:aws:iam::{OTHER_ACCOUNT}:user/confirm"], EXTERNAL_ID)
    if action:
        (statement,) = trust["Statement"]
        trust["Statement"] = [{**statement, "Action": "sts:TagSession"}]
    role = world.role("assumed", json.dumps(trust))
    calls: Calls = {"sts:AssumeRole": lambda: world.assume(role, confirm, ExternalId=EXTERNAL_ID)}

    assert denied_of(calls, granted(documents.trust_policy([ROLE], EXTERNAL_ID))) == ([action] if action else [])
