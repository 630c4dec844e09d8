"""The policy documents that we hand out, under enforcement: with them work goes on, without one action it stops."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.access import documents
from chalicelib.oci.reference import Registry
from tests.policies import without
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT, Credentials

if TYPE_CHECKING:
    from tests.local.iam.conftest import World

REGION = "eu-west-1"
APP = f"arn:aws:ecr:{REGION}:{SOURCE_ACCOUNT}:repository/app"
ROOT = f"arn:aws:iam::{SOURCE_ACCOUNT}:root"
LAYER = b"a layer"
CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": MEDIA_TYPE,
        "config": descriptor(CONFIG, "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor(LAYER, "application/vnd.oci.image.layer.v1.tar")],
    }
)


def push(ecr: Any, registry: str = SOURCE_ACCOUNT) -> None:
    """Push a small image and look at it."""
    target = {"registryId": registry, "repositoryName": "app"}
    ecr.get_authorization_token()
    for blob in (LAYER, CONFIG):
        ecr.batch_check_layer_availability(**target, layerDigests=[digest(blob)])
        upload = {"uploadId": ecr.initiate_layer_upload(**target)["uploadId"]}
        last = len(blob) - 1
        ecr.upload_layer_part(**target, **upload, partFirstByte=0, partLastByte=last, layerPartBlob=blob)
        ecr.complete_layer_upload(**target, **upload, layerDigests=[digest(blob)])
    ecr.put_image(**target, imageManifest=MANIFEST, imageManifestMediaType=MEDIA_TYPE, imageTag="v1")
    ecr.batch_get_image(**target, imageIds=[{"imageTag": "v1"}])


def stops_at(ecr: Any) -> str | None:
    """Push, and return the action that was denied; None if it went through."""
    try:
        push(ecr)
    except ClientError as refused:
        denied = re.search(r"AccessDeniedException.* is not authorized to perform: (\S+) on", str(refused))
        if denied is None:
            raise
        return denied[1]
    return None


def session_with(world: World, document: dict[str, Any], *, account: str = SOURCE_ACCOUNT) -> Credentials:
    """Return a session of a role with exactly *document*."""
    arn = world.role("pusher", world.trust({"AWS": account}), account=account)
    iam = world.client("iam", world.aws.administrator(account))
    iam.put_role_policy(RoleName="pusher", PolicyName="p", PolicyDocument=json.dumps(document))
    return world.assume(arn, world.aws.administrator(account))


@pytest.mark.parametrize("scoped", [True, False], ids=["scoped", "unscoped"])
def test_push_policy_suffices(world: World, scoped: bool) -> None:
    world.create_repository("app")
    document = documents.push_policy([APP] if scoped else [])

    assert stops_at(world.client("ecr", session_with(world, document))) is None


def test_missing_statement_mends_the_push(world: World) -> None:
    world.create_repository("app")
    session = session_with(world, without(documents.push_policy([APP]), "ecr:PutImage"))
    stopped = stops_at(world.client("ecr", session))

    assert stopped == "ecr:PutImage"
    mending = {"Version": "2012-10-17", "Statement": [documents.missing_statement([stopped], APP)]}
    world.client("iam").put_role_policy(RoleName="pusher", PolicyName="mend", PolicyDocument=json.dumps(mending))
    world.client("ecr", session).put_image(
        repositoryName="app", imageManifest=MANIFEST, imageManifestMediaType=MEDIA_TYPE, imageTag="v1"
    )


@pytest.mark.parametrize("action", [None, *documents.PUSH_ACTIONS])
def test_push_across_accounts_needs_every_action_of_the_repository_policy(world: World, action: str | None) -> None:
    world.create_repository("app")
    session = session_with(world, documents.push_policy([APP]), account=OTHER_ACCOUNT)
    pusher = f"arn:aws:iam::{OTHER_ACCOUNT}:role/pusher"
    policy = documents.push_across_accounts([pusher])
    if action:
        policy = without(policy, action)
    world.client("ecr").set_repository_policy(repositoryName="app", policyText=json.dumps(policy))

    assert stops_at(world.client("ecr", session)) == action


def test_uploader_of_another_account_writes_below_the_prefix(world: World) -> None:
    s3 = world.client("s3", region="us-east-1")
    s3.create_bucket(Bucket="uploads-of-teams")
    uploader = world.user("uploader", world.allow("s3:*"), account=OTHER_ACCOUNT)
    policy = documents.upload_policy(
        "arn:aws:s3:::uploads-of-teams", {"uploads/blue/": [f"arn:aws:iam::{OTHER_ACCOUNT}:user/uploader"]}
    )
    s3.put_bucket_policy(Bucket="uploads-of-teams", Policy=json.dumps(policy))
    foreign = world.client("s3", uploader, region="us-east-1")

    foreign.put_object(Bucket="uploads-of-teams", Key="uploads/blue/a.tar", Body=b"x")
    started = foreign.create_multipart_upload(Bucket="uploads-of-teams", Key="uploads/blue/b.tar")["UploadId"]
    foreign.list_parts(Bucket="uploads-of-teams", Key="uploads/blue/b.tar", UploadId=started)
    foreign.abort_multipart_upload(Bucket="uploads-of-teams", Key="uploads/blue/b.tar", UploadId=started)
    with pytest.raises(ClientError, match="AccessDenied"):
        foreign.put_object(Bucket="uploads-of-teams", Key="uploads/red/a.tar", Body=b"x")
    with pytest.raises(ClientError, match="AccessDenied"):
        foreign.get_object(Bucket="uploads-of-teams", Key="uploads/blue/a.tar")


def test_registry_accepts_the_policy_for_replicas(world: World) -> None:
    ecr = world.client("ecr")
    policy = documents.accept_replicas(Registry(SOURCE_ACCOUNT, REGION), OTHER_ACCOUNT, partition="aws")

    ecr.put_registry_policy(policyText=json.dumps(policy))

    assert json.loads(ecr.get_registry_policy()["policyText"]) == policy
