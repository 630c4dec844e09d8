"""Many clients at once: nothing deadlocks, nothing leaks, and every answer is one that ECR has."""

from __future__ import annotations

import base64
import json
import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from tests.local.ecr.world import ACCOUNT, RecordingAuthorizer, World, caller_of, manifest_of, sha256
from transship.local.clock import RealClock
from transship.local.ecr import EcrOptions, EcrService
from transship.local.ecr.registry import Registry
from transship.local.ecr.repository import Repository

REPOSITORIES = ("team/a", "team/b", "team/c")
CONTENTS = [b"layer %d" % number for number in range(4)]
EXPECTED = {
    "RepositoryNotFoundException",
    "RepositoryAlreadyExistsException",
    "LayerAlreadyExistsException",
    "LayersNotFoundException",
    "UploadNotFoundException",
    "ImageAlreadyExistsException",
    "InvalidLayerPartException",
}


class Client:
    """Does random things, and counts how they end."""

    def __init__(self, service: EcrService, seed: int) -> None:
        self.service = service
        self.random = random.Random(seed)  # noqa: S311 - the same run for the same seed
        self.outcomes: Counter[str] = Counter()

    def call(self, operation: str, region: str = "us-east-1", **parameters: Any) -> dict[str, Any]:
        body = json.dumps(parameters).encode()
        status, _, answer = self.service.json_api(caller_of(ACCOUNT, region), operation, body)
        document: dict[str, Any] = json.loads(answer)
        self.outcomes["stored" if status == 200 else document["__type"]] += 1
        return document

    def upload(self, repository: str, content: bytes) -> None:
        upload = self.call("InitiateLayerUpload", repositoryName=repository).get("uploadId")
        if upload is None:
            return
        named = {"repositoryName": repository, "uploadId": upload}
        blob = base64.b64encode(content).decode()
        self.call("UploadLayerPart", **named, partFirstByte=0, partLastByte=len(content) - 1, layerPartBlob=blob)
        self.call("CompleteLayerUpload", **named, layerDigests=[sha256(content)])

    def push(self, repository: str) -> None:
        content = self.random.choice(CONTENTS)
        for blob in (b"{}", content):
            self.upload(repository, blob)
        manifest = manifest_of(b"{}", [content])
        self.call("PutImage", repositoryName=repository, imageManifest=manifest, imageTag=self.random.choice("xyz"))

    def work(self) -> None:
        for _ in range(60):
            repository = self.random.choice(REPOSITORIES)
            match self.random.randrange(8):
                case 0:
                    self.call("DeleteRepository", repositoryName=repository, force=True)
                case 1 | 2:
                    self.call("CreateRepository", repositoryName=repository)
                case 3:
                    tag = self.random.choice("xyz")
                    self.call("BatchDeleteImage", repositoryName=repository, imageIds=[{"imageTag": tag}])
                case _:
                    self.push(repository)


@pytest.fixture
def nervous_threads() -> Iterator[None]:
    """Let threads take turns as often as they can, so that what may happen between two steps does."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("nervous_threads")
def test_random_clients_leave_nothing_behind(tmp_path: Path) -> None:
    service = EcrService(
        tmp_path,
        clock=RealClock(),
        authorizer=RecordingAuthorizer(),
        emit=lambda *_: None,
        options=EcrOptions(replication_lag_seconds=0.0),
    )
    service.start()
    clients = [Client(service, seed) for seed in range(6)]
    destination = {"region": "eu-west-1", "registryId": ACCOUNT}
    rule = {"destinations": [destination], "deleteReplication": {"enabled": True}}
    clients[0].call("PutReplicationConfiguration", replicationConfiguration={"rules": [rule]})

    threads = [threading.Thread(target=client.work) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    service.settle()
    service.stop()
    held = {path.name: sha256(path.read_bytes()) for path in (tmp_path / "blobs").rglob("*") if path.is_file()}
    for region in ("us-east-1", "eu-west-1"):
        for repository in REPOSITORIES:
            clients[0].call("DeleteRepository", region, repositoryName=repository, force=True)

    outcomes = sum((client.outcomes for client in clients), Counter())
    assert not any(thread.is_alive() for thread in threads)
    assert set(outcomes) - {"stored"} <= EXPECTED
    assert outcomes["stored"] > 200
    assert all(digest == f"sha256:{name}" for name, digest in held.items())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ("DeleteRepository", "RepositoryNotFoundException"),
        ("InitiateLayerUpload", "RepositoryNotFoundException"),
        ("UploadLayerPart", "UploadNotFoundException"),
        ("CompleteLayerUpload", "UploadNotFoundException"),
        ("PutImage", "RepositoryNotFoundException"),
    ],
)
def test_repository_deleted_while_a_call_is_about_it(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, operation: str, error: str
) -> None:
    repository = world.repository()
    manifest = world.manifest(repository)
    upload = {"uploadId": world.ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]}
    part = upload | {"partFirstByte": 0, "partLastByte": 3, "layerPartBlob": b"more"}
    world.ecr.upload_layer_part(repositoryName=repository, **part)
    parameters: dict[str, dict[str, Any]] = {
        "UploadLayerPart": part,
        "CompleteLayerUpload": upload | {"layerDigests": [sha256(b"more")]},
        "PutImage": {"imageManifest": manifest},
    }
    find, looks = Registry.find, iter(("for its tags, to judge the access", "for the operation itself"))

    def find_and_lose(registry: Registry, name: str) -> Repository | None:
        found = find(registry, name)
        if next(looks) == "for the operation itself":
            monkeypatch.undo()
            world.ecr.delete_repository(repositoryName=name, force=True)
        return found

    monkeypatch.setattr(Registry, "find", find_and_lose)
    with pytest.raises(ClientError) as caught:
        getattr(world.ecr, xform_name(operation))(repositoryName=repository, **parameters.get(operation, {}))

    assert caught.value.response["Error"]["Code"] == error
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
