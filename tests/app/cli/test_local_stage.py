"""The local stage from outside: commands as a newcomer types them, a real client, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from transship.demo import Layer, write_docker_archive

pytestmark = [pytest.mark.check, pytest.mark.timeout(300)]

TRANSSHIP = str(Path(sys.executable).with_name("transship"))
REGISTRIES = [
    ("111122223333", "us-east-1"),
    ("111122223333", "eu-west-1"),
    ("111122223333", "ap-southeast-2"),
    ("444455556666", "us-east-1"),
    ("444455556666", "eu-central-1"),
]
PATIENCE = 120


@pytest.fixture(name="archive", scope="module")
def _archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    (folder / "hello").write_text("hello")
    path = folder / "small.tar"
    with path.open("w+b") as file:
        write_docker_archive(file, [Layer("a file", (("hello", folder / "hello"),))], "any/small:1.4")
    return path


@pytest.fixture(name="empty", scope="module")
def _empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "empty.tar"
    path.touch()
    return path


@pytest.fixture(name="up", scope="module")
def _up() -> Iterator[dict[str, Any]]:
    """`transship local up --json`, ready."""
    process = subprocess.Popen([TRANSSHIP, "local", "up", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout
        yield json.loads(process.stdout.readline())
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, rest) == (0, b"")
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []


def _run(*arguments: str, up: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    if up:
        environment |= {**up["environment"], "AWS_ENDPOINT_URL": up["endpoint_url"]}
    return subprocess.run(
        [TRANSSHIP, *arguments], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_up_says_how_to_reach_it(up: dict[str, Any]) -> None:
    assert up.keys() == {"endpoint_url", "bucket", "bus", "environment", "registries"}
    assert up["environment"].keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}
    assert [(registry["account"], registry["region"]) for registry in up["registries"]] == REGISTRIES
    assert all(
        registry.keys() == {"account", "region", "host", "username", "password"} for registry in up["registries"]
    )


def test_an_image_comes_out_of_all_five_registries_under_the_announced_digest(
    up: dict[str, Any], archive: Path
) -> None:
    answer = _run("push", str(archive), "--repository", "team/app", "--wait", "--json", up=up)

    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    (image,) = document["images"]
    assert (document["status"], image["repository"], image["tags"]) == ("available", "team/app", ["1.4"])
    assert {(one["account"], one["region"]): one["status"] for one in image["destinations"]} == dict.fromkeys(
        REGISTRIES[1:], "verified"
    )
    assert all(one["digest_verified"] and one["tags_verified"] for one in image["destinations"])
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not on this machine: the digests in the registries were not compared")
    assert [_digest(registry, "team/app:1.4") for registry in up["registries"]] == [image["digest"]] * 5


def test_a_rejection_is_told_by_every_command(up: dict[str, Any], empty: Path) -> None:
    pushed = _run("push", str(empty), "--wait", "--json", up=up)
    document = json.loads(pushed.stdout)
    number = document["upload"]["id"]

    assert (pushed.returncode, document["status"], document["code"]) == (1, "rejected", "EMPTY_OBJECT")
    assert json.loads(_run("status", number, "--json", up=up).stdout)["code"] == "EMPTY_OBJECT"
    listed = {one["id"]: one["status"] for one in json.loads(_run("status", "--json", up=up).stdout)}
    assert listed[number] == "rejected"
    retried = json.loads(_run("retry", number, "--json", up=up).stdout)
    assert retried == {"status": "received", "upload": {"id": number, "attempt": 2}}


def test_doctor_finds_a_permission_that_was_taken_away(up: dict[str, Any]) -> None:
    keys = up["environment"]
    iam = boto3.client(
        "iam",
        region_name=keys["AWS_DEFAULT_REGION"],
        endpoint_url=up["endpoint_url"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )
    assert json.loads(_run("doctor", "--json", up=up).stdout)["status"] == "sound"
    denial = {"Effect": "Deny", "Action": "ecr:UploadLayerPart", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [denial]})
    iam.put_role_policy(RoleName="transship-local-push", PolicyName="denial", PolicyDocument=document)
    try:
        answer = _run("doctor", "--json", up=up)
    finally:
        iam.delete_role_policy(RoleName="transship-local-push", PolicyName="denial")

    assert answer.returncode == 1
    broken = [finding for finding in json.loads(answer.stdout)["findings"] if not finding["holds"]]
    assert any(
        "transship-local-push" in finding["subject"] and "ecr:UploadLayerPart" in finding["remedy"]
        for finding in broken
    )


def test_a_deployment_can_be_repeated(up: dict[str, Any]) -> None:
    answer = _run("deploy", "--stage", "local", "--json", up=up)

    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["bucket"] == up["bucket"]


def test_local_push_tells_of_every_archive_and_fails_if_one_does(archive: Path, empty: Path) -> None:
    answer = _run("local", "push", str(archive), str(empty), "--json")

    assert answer.returncode == 1
    good, bad = json.loads(answer.stdout)
    assert (good["status"], bad["status"]) == ("available", "rejected")
    received = [event["detail-type"] for event in good["events"]]
    assert sorted(received) == ["Image Available", "Image Pushed", *["Image Replicated"] * 4, "Upload Accepted"]
    assert [event["detail"]["code"] for event in bad["events"]] == ["EMPTY_OBJECT"]
    assert {event["account"] for event in good["events"]} == {"111122223333"}
    metrics = good["metrics"]
    assert 0 < metrics["peak_rss_mib"] < 256
    assert metrics["cpu_seconds"] > 0
    assert metrics["seconds"] > 0
    assert (metrics["source_bytes"], metrics["layers"]) == (archive.stat().st_size, 1)


def test_faults_are_checked_before_anything_starts(archive: Path) -> None:
    answer = _run("local", "push", str(archive), "--fault", "Nonsense:throttle")

    assert answer.returncode == 2
    assert "Nonsense" in answer.stderr


def test_a_faulty_ecr_changes_nothing_of_the_result(archive: Path) -> None:
    rules = ("UploadLayerPart:nth=1:cut-after", "PutImage:nth=1:throttle", "CompleteLayerUpload:nth=1:cut-after")
    answer = _run("local", "push", str(archive), "--json", *(word for rule in rules for word in ("--fault", rule)))

    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["status"] == "available"


def _digest(registry: dict[str, str], image: str) -> str:
    answer = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", "--creds", f"{registry['username']}:{registry['password']}",
         "--format", "{{.Digest}}", f"docker://{registry['host']}/{image}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return answer.stdout.strip()
