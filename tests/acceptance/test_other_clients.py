"""
What Transship has pushed comes out of every registry by clients beside skopeo: buildah, podman, and oras from PyPI.

buildah and podman unpack each layer and compare it with the config's diff ids; oras checks digests of what it pulls.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import oras.client
import pytest

from chalicelib.state.upload import State
from tests import archives
from tests.acceptance.producer import Producer, needs
from transship.local_stage import RegistryAccess

pytestmark = [pytest.mark.check, pytest.mark.timeout(300)]

ONE = archives.image("base", "app")
MODULE = b"\0asm\1\0\0\0"


def zstd() -> bytes:
    made = archives.Layout()
    made.list(made.image(ONE, "+zstd"), ref="1.0")
    return made.tar()


def index() -> bytes:
    made = archives.Layout()
    amd64 = {**made.image(ONE), "platform": {"os": "linux", "architecture": "amd64"}}
    s390x = archives.image("s390x", architecture="s390x")
    made.list(made.index(amd64, {**made.image(s390x), "platform": archives.platform(s390x)}), ref="1.0")
    return made.tar()


IMAGES = {"docker-save": archives.docker_save(ONE), "zstd-layout": zstd(), "index": index()}


@pytest.fixture(scope="module", name="pushed")
def _pushed(producer: Producer) -> Mapping[str, str]:
    """Push all of them at once and return the digests that their tags name."""
    uploads = {
        name: producer.put(f"uploads/vendor/clients/{name}/app.tar", content) for name, content in IMAGES.items()
    }
    seen = {name: producer.await_end(upload) for name, upload in uploads.items()}
    assert {one.upload.state for one in seen.values()} == {State.AVAILABLE}
    return {name: next(str(one.digest) for one in found.images if one.root) for name, found in seen.items()}


@dataclass(frozen=True)
class Storage:
    """Where buildah and podman keep images; neither overlay mounts nor user namespaces are to be had everywhere."""

    root: Path
    run_root: str

    def run(self, program: str, *command: str) -> str:
        storage = ("--root", str(self.root / "storage"), "--runroot", self.run_root)
        done = subprocess.run(
            [program, *storage, *command],
            check=False,
            capture_output=True,
            text=True,
            timeout=100,
            env={**os.environ, "STORAGE_DRIVER": "vfs", "HOME": str(self.root), "NO_PROXY": "127.0.0.1"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(name="storage")
def _storage(tmp_path: Path) -> Iterator[Storage]:
    with tempfile.TemporaryDirectory(prefix="podman-") as run_root:  # podman's may have 50 characters
        yield Storage(tmp_path, run_root)


def access(registry: RegistryAccess) -> tuple[str, ...]:
    return ("--tls-verify=false", "--creds", f"{registry.username}:{registry.password}")


@needs("buildah")
@needs("podman")
@pytest.mark.parametrize("name", IMAGES)
def test_buildah_and_podman_pull_what_was_pushed(
    producer: Producer, pushed: Mapping[str, str], storage: Storage, name: str
) -> None:
    """Buildah from the registry that was pushed to, podman from each of its replicas."""
    source, *replicas = producer.stage.registries()

    for program, registry in (("buildah", source), *(("podman", replica) for replica in replicas)):
        reference = f"{registry.host}/vendor/clients/{name}:1.0"
        storage.run(program, "pull", *access(registry), "--arch", "amd64", reference)
        [found] = json.loads(storage.run("podman", "image", "inspect", reference))

        assert pushed[name] in {one.partition("@")[2] for one in found["RepoDigests"]}
        assert found["RootFS"]["Layers"] == [f"sha256:{archives.sha256(layer)}" for layer in ONE.layers]


def test_oras_pulls_an_artifact_that_was_pushed(producer: Producer, tmp_path: Path) -> None:
    made = archives.Layout()
    blob = made.add(MODULE, "application/wasm", annotations={"org.opencontainers.image.title": "module.wasm"})
    empty = made.add(b"{}", archives.OCI_EMPTY)
    made.list(made.manifest(empty, [blob], artifactType="application/vnd.example.module"), ref="1.0")
    assert producer.push("uploads/vendor/clients/module/app.tar", made.tar()).upload.state is State.AVAILABLE

    for number, registry in enumerate(producer.stage.registries()):
        client = oras.client.OrasClient(hostname=registry.host, insecure=True, tls_verify=False, auth_backend="basic")
        client.auth.set_basic_auth(registry.username, registry.password)
        target = f"{registry.host}/vendor/clients/module:1.0"
        [pulled] = client.pull(target=target, outdir=str(tmp_path / str(number)))

        assert (Path(pulled).name, Path(pulled).read_bytes()) == ("module.wasm", MODULE)
        assert client.get_tags(target.rpartition(":")[0]) == ["1.0"]
