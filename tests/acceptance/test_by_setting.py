"""What only a setting switches on, deployed with it: receipts for a producer, and healing that nobody asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError

from chalicelib.access.documents import upload_policy
from chalicelib.outcome.receipt import receipt_key
from chalicelib.state.records import Arrival
from chalicelib.state.upload import State
from tests.acceptance.scene import SOUND, Scene, destination
from tests.acceptance.situations import FAR, faults, options, redeployed
from tests.acceptance.test_replicas import ALL_FINE, counts, index
from transship.local.accounts import SOURCE_ACCOUNT
from transship.observation import Observation

pytestmark = [pytest.mark.check, pytest.mark.timeout(300)]

PREFIX: Final = "uploads/team/producer/"
SETTINGS: Final = {"TRANSSHIP_RECEIPTS": "true", "TRANSSHIP_HEAL": "retag"}


@pytest.fixture(name="_switched", scope="module", autouse=True)
def _deployed_with_the_settings(scene: Scene) -> Iterator[None]:
    with redeployed(scene.stage, SETTINGS):
        yield


@pytest.fixture(name="producer_environment", scope="module")
def role_without_any_right_but_on_the_bucket(scene: Scene) -> Iterator[dict[str, str]]:
    """The environment of a producer whose role has no policy; the bucket's is what `--for uploader` prints."""
    iam, s3, bucket = scene.stage.client("iam"), scene.stage.client("s3"), scene.stage.deployment.bucket
    trust = {"Effect": "Allow", "Principal": {"AWS": SOURCE_ACCOUNT}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName="producer", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    usual = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    granted = upload_policy(f"arn:aws:s3:::{bucket}", {PREFIX: [arn]}, receipts_for="uploads/")
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(granted))
    session = scene.stage.client("sts").assume_role(RoleArn=arn, RoleSessionName="producer")["Credentials"]
    try:
        yield {
            **os.environ,
            "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
            "AWS_SESSION_TOKEN": session["SessionToken"],
        }
    finally:
        s3.put_bucket_policy(Bucket=bucket, Policy=usual)
        iam.delete_role(RoleName="producer")


def push(scene: Scene, environment: Mapping[str, str], archive: Path, *more: str) -> tuple[int, dict[str, Any]]:
    """Run `transship push` as the producer does, and return its exit status and the receipt that it printed."""
    bucket = scene.stage.deployment.bucket
    named = ["--bucket", bucket, "--key", f"{PREFIX}{archive.name}", "--timeout", "250", "--json", *more]
    program = Path(sys.executable).with_name("transship")
    done = subprocess.run(
        [program, "push", str(archive), "--wait", "--receipt", *named],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
        env=environment,
    )
    assert done.stdout, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, printed


def test_a_producer_follows_the_receipt_with_rights_on_the_bucket_alone(
    scene: Scene, producer_environment: dict[str, str], tmp_path: Path
) -> None:
    archive = tmp_path / "app-1.tar"
    archive.write_bytes(SOUND)

    status, receipt = push(scene, producer_environment, archive)

    assert (status, receipt["state"], receipt["ended"]) == (0, "available", True)
    (image,) = receipt["images"]
    assert [one["status"] for one in image["destinations"]] == ["verified"] * 4
    seen = scene.look(receipt["upload"])
    assert seen
    assert image["digest"] == str(seen.roots[0].digest)
    assert counts(scene.heard(seen)) == ALL_FINE


def test_a_producer_reads_why_it_was_rejected(
    scene: Scene, producer_environment: dict[str, str], tmp_path: Path
) -> None:
    archive = tmp_path / "half-1.tar"
    archive.write_bytes(SOUND[: len(SOUND) // 2])

    status, receipt = push(scene, producer_environment, archive)

    assert (status, receipt["state"], receipt["code"]) == (1, "rejected", "TRUNCATED")
    assert receipt["remedy"]


def test_a_producer_may_write_no_receipt_and_read_no_others_nor_anything_but_the_bucket(
    scene: Scene, producer_environment: dict[str, str]
) -> None:
    """So that the test above shows what it says: the rights of the role are enforced."""
    own, bucket = producer_environment, scene.stage.deployment.bucket
    key = "uploads/team/somebody-else/x.tar"
    other = scene.push(key, SOUND)
    theirs = receipt_key(key, other.upload.id, "uploads/")
    session = boto3.Session(
        own["AWS_ACCESS_KEY_ID"], own["AWS_SECRET_ACCESS_KEY"], own["AWS_SESSION_TOKEN"], own["AWS_DEFAULT_REGION"]
    )
    s3, table = session.client("s3"), scene.stage.deployment.table
    denied = {
        "read another's receipt": lambda: s3.get_object(Bucket=bucket, Key=theirs),
        "write a receipt": lambda: s3.put_object(Bucket=bucket, Key="receipts/team/producer/x.json", Body=b"{}"),
        "list the bucket": lambda: s3.list_objects_v2(Bucket=bucket),
        "read the table": lambda: session.client("dynamodb").scan(TableName=table),
        "look into the registry": lambda: session.client("ecr").describe_repositories(),
    }

    assert scene.stage.client("s3").get_object(Bucket=bucket, Key=theirs)["Body"].read()
    for what, call in denied.items():
        with pytest.raises(ClientError, match="AccessDenied"):
            call()
        assert what


def test_what_did_not_arrive_is_healed_unasked_under_the_roles_of_the_deployment(scene: Scene) -> None:
    """The index came without one of its children; put again by a tag of its own it brings that, and the tag goes."""
    child, again = (f"ReplicateImage:region={FAR.region}:nth={nth}" for nth in (1, 4))
    source = scene.stage.client("ecr")
    with faults(scene.stage, f"{child}:code=ChildBroken:fail", f"{again}:seconds=86400:slow"):
        with options(scene.stage, index_brings_children=False):
            upload = scene.put("uploads/team/by-itself/x.tar", index())
            scene.until(lambda: len(tags(source)) > 1)
        scene.until(lambda: (scene.stage.aws.ecr.hurry(), tags(source) == {"1.0"})[1])
    seen = scene.await_end(upload)

    assert (seen.upload.state, seen.upload.attempt, seen.upload.heal) == (State.AVAILABLE, 2, "retag")
    (available,) = scene.heard(seen)["Image Available"]
    assert destination(available, FAR)["status"] == "verified"
    assert not any(scene.heard_of(upload, attempt)["Upload Failed"] for attempt in (1, 2))


@pytest.mark.parametrize(
    ("found", "state"), [({"MEDIUM": 3}, State.AVAILABLE), ({"HIGH": 1}, State.FAILED)], ids=["below", "at the limit"]
)
def test_available_waits_for_the_scan_and_for_findings_below_a_severity(
    scene: Scene, found: Mapping[str, int], state: State
) -> None:
    with (
        redeployed(scene.stage, {**SETTINGS, "TRANSSHIP_SCAN_SEVERITY": "HIGH"}),
        options(scene.stage, scan_seconds=86_400.0, scan_findings=found),
    ):
        upload = scene.put(f"uploads/team/scanned-{state.value}/x.tar", index())
        scene.until(lambda: (seen := scene.look(upload)) and everywhere(seen) and seen.upload.polls)
        assert not scene.heard_of(upload)["Image Available"], "every destination has it, and the scan is under way"
        with options(scene.stage, scan_seconds=0.0, scan_findings=found):
            seen = scene.await_end(upload)

    assert (seen.upload.state, seen.upload.code) == (state, "" if state is State.AVAILABLE else "SCAN_FINDINGS")
    told = {**ALL_FINE, "Upload Failed": 1}
    del told["Upload Failed" if state is State.AVAILABLE else "Image Available"]
    assert counts(scene.heard(seen)) == told


def everywhere(seen: Observation) -> bool:
    """Tell whether every destination was read back."""
    return bool(seen.replicas) and all(one.status is Arrival.VERIFIED for one in seen.replicas)


def tags(client: Any) -> set[str]:
    answer = client.describe_repositories()["repositories"]
    if "team/by-itself" not in [one["repositoryName"] for one in answer]:
        return set()
    images = client.list_images(repositoryName="team/by-itself")["imageIds"]
    return {image["imageTag"] for image in images if "imageTag" in image}
