"""Somebody who has a bucket and waits for what becomes of an upload."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib.ports.bucket import ObjectVersion
from chalicelib.state.upload import upload_id
from transship.aws import table
from transship.keys import PREFIX
from transship.local_stage import LocalStage, RegistryAccess
from transship.observation import Observation, observe


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed; .ci/run installs it")


@dataclass(frozen=True)
class Producer:
    """A producer at the local *stage*."""

    stage: LocalStage

    def put(self, key: str, content: bytes) -> str:
        """Put an object and return the id of its upload."""
        bucket = self.stage.deployment.bucket
        answer = self.stage.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
        return self._upload(key, answer["VersionId"])

    def arrived(self, key: str) -> str:
        """Return the id of the upload of an object that somebody else put."""
        bucket = self.stage.deployment.bucket
        answer = self.stage.client("s3").head_object(Bucket=bucket, Key=key)
        return self._upload(key, answer["VersionId"])

    def _upload(self, key: str, version_id: str) -> str:
        bucket = self.stage.deployment.bucket
        return upload_id(ObjectVersion(bucket=bucket, key=key, version_id=version_id, etag="", size=0), PREFIX)

    def look(self, upload: str) -> Observation | None:
        """Return an upload as it stands."""
        return observe(table(self.stage.deployment), upload)

    def await_end(self, upload: str, seconds: float = 250) -> Observation:
        """Wait until an upload has ended; *seconds* only keep a test from hanging, here and in `until`."""
        found = self.until(lambda: (seen := self.look(upload)) and seen.upload.state.terminal and seen, seconds=seconds)
        assert isinstance(found, Observation)
        return found

    def push(self, key: str, content: bytes) -> Observation:
        """Put an object and wait for its end."""
        return self.await_end(self.put(key, content))

    def until(self, condition: Callable[[], Any], seconds: float = 250) -> Any:
        """Wait for *condition* to hold and return what it returned."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.05)  # between two looks at the condition
        return found

    def await_quiet(self) -> None:
        """Wait until no message waits or is in flight in any queue, dead letters included."""
        seen: list[dict[str, dict[str, str]]] = []

        def quiet() -> bool:
            seen.append(self._waiting())
            return not seen[-1]

        try:
            self.until(quiet)
        except AssertionError as error:
            raise AssertionError(f"messages are left: {seen[-1]}") from error

    def _waiting(self) -> dict[str, dict[str, str]]:
        sqs = self.stage.client("sqs")
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        urls = [url for url in sqs.list_queues(QueueNamePrefix="transship-")["QueueUrls"] if "subscriber" not in url]
        counts = {
            url.rpartition("/")[2]: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))["Attributes"]
            for url in urls
        }
        return {queue: count for queue, count in counts.items() if any(count[name] != "0" for name in names)}

    def skopeo_digest(self, registry: RegistryAccess, repository: str, tag: str) -> str:
        """Return the digest that skopeo sees under a tag."""
        asked = ("inspect", "--format", "{{.Digest}}", "--tls-verify=false")
        return self.skopeo(registry, *asked, repository=repository, tag=tag).strip()

    @staticmethod
    def skopeo(registry: RegistryAccess, *command: str, repository: str, tag: str, to: Path | None = None) -> str:
        """Run skopeo against an image of a registry."""
        credentials = f"{registry.username}:{registry.password}"
        login = ["--src-creds", credentials] if command[0] == "copy" else ["--creds", credentials]
        image = f"docker://{registry.host}/{repository}:{tag}"
        target = [f"dir:{to}"] if to else []
        done = subprocess.run(
            ["skopeo", *command, *login, image, *target],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
