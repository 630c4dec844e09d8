"""`python -m transship.local` from outside: what it prints, how soon, what it refuses, what it leaves behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from click.testing import CliRunner

from transship.local.command import aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., dict[str, Any]]


@pytest.fixture(name="start")
def _start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "transship.local", "--json", "--data", str(tmp_path), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        started.append(process)
        assert process.stdout
        ready: dict[str, Any] = json.loads(process.stdout.readline())
        return ready

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stdout
        assert process.stdout.read() == b"", "one document, and nothing after it"
        process.stdout.close()
    assert list(tmp_path.iterdir()) == []


def test_impatience_leaves_nothing_behind(tmp_path: Path) -> None:
    """A second Ctrl-C, and a third, come while the first is obeyed."""
    command = [sys.executable, "-m", "transship.local", "--json", "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
        _, told = process.communicate(timeout=30)

    assert (process.returncode, told, list(tmp_path.iterdir())) == (0, b"stopped\n", [])


def ecr(ready: dict[str, Any], **config: Any) -> Any:
    keys = ready["environment"]
    return boto3.client(
        "ecr",
        region_name=keys["AWS_DEFAULT_REGION"],
        endpoint_url=ready["endpoint_url"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def test_command_tells_how_to_reach_it_and_obeys_switches_and_faults(start: Start) -> None:
    places = ("--registry", "222233334444/eu-north-1", "--registry", "555566667777/us-gov-west-1")
    ready = start(*places, "--ecr", "part_size=5242880", "--fault", "DescribeRegistry:nth=2:throttle")

    client = ecr(ready)
    client.create_repository(repositoryName="some/app")
    assert client.initiate_layer_upload(repositoryName="some/app")["partSize"] == 5_242_880
    assert client.describe_registry()["registryId"] == "222233334444"
    with pytest.raises(client.exceptions.ClientError, match="ThrottlingException"):
        client.describe_registry()
    client.close()
    assert [(one["account"], one["region"]) for one in ready["registries"]] == [
        ("222233334444", "eu-north-1"),
        ("555566667777", "us-gov-west-1"),
    ]
    assert all(one["username"] == "AWS" and one["password"] for one in ready["registries"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fault", "UploadLayerPart:often:throttle"], "UploadLayerPart:often:throttle"),
        (["--fault", "UploadLayer:throttle"], "UploadLayer"),
        (["--ecr", "strict=yes"], "there is no switch 'strict'"),
        (["--registry", "us-east-1"], "ACCOUNT/REGION"),
    ],
)
def test_wrong_option_is_named_before_anything_starts(options: list[str], words: str) -> None:
    done = CliRunner().invoke(aws, options)

    assert (done.exit_code, words in done.output) == (2, True)
