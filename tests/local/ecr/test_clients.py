"""
Real registry clients: each pushes and pulls, and the JSON API reads the same digests.

skopeo, buildah and podman come with the system (`.ci/run` installs them); oras is the client from PyPI.
Images are made here as OCI layouts with layers that can really be unpacked.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import oras.client
import pytest

from tests.local.ecr.world import SOURCE, World, descriptor, sha256

pytestmark = pytest.mark.check

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


class Layout:
    """An OCI layout on disk."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "blobs" / "sha256").mkdir(parents=True)
        (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, data: bytes) -> bytes:
        (self.directory / "blobs" / "sha256" / sha256(data)[7:]).write_bytes(data)
        return data

    def image(self, architecture: str) -> dict[str, Any]:
        """Store an image of one file, and return its descriptor."""
        tar = _tar("hello.txt", architecture.encode())
        layer = self.blob(gzip.compress(tar, mtime=0))
        rootfs = {"type": "layers", "diff_ids": [sha256(tar)]}
        config = self.blob(json.dumps({"architecture": architecture, "os": "linux", "rootfs": rootfs}).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
        }
        described = descriptor(MANIFEST, self.blob(json.dumps(manifest).encode()))
        return described | {"platform": {"architecture": architecture, "os": "linux"}}

    def index(self, *entries: dict[str, Any]) -> bytes:
        return self.blob(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}).encode())

    def publish(self, entry: dict[str, Any]) -> str:
        """Make *entry* what the tag `1` names, and return its digest."""
        named = entry | {"annotations": {"org.opencontainers.image.ref.name": "1"}}
        (self.directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
        return str(entry["digest"])


def _tar(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


class Registry:
    """Where the clients push to, and as whom."""

    def __init__(self, world: World) -> None:
        client = world.registry_client(*SOURCE)
        self.host = client.url.removeprefix("http://")
        self.credentials = base64.b64decode(client.token).decode()

    def reference(self, tag: str) -> str:
        return f"{self.host}/team/app:{tag}"


@pytest.fixture
def registry(world: World) -> Iterator[Registry]:
    world.repository()
    world.service.start()
    yield Registry(world)
    world.service.stop()


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, env=os.environ | environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def skopeo_copy(registry: Registry, source: str, target: str, *options: str) -> None:
    sides = [
        option
        for side, end in (("src", source), ("dest", target))
        if end.startswith("docker://")
        for option in (f"--{side}-tls-verify=false", f"--{side}-creds", registry.credentials)
    ]
    run("skopeo", "--insecure-policy", "copy", *options, *sides, source, target)


def digest_of_tag(world: World, tag: str) -> str:
    (image,) = world.ecr.batch_get_image(repositoryName="team/app", imageIds=[{"imageTag": tag}])["images"]
    assert sha256(image["imageManifest"].encode()) == image["imageId"]["imageDigest"]
    return str(image["imageId"]["imageDigest"])


def assert_same_layout(pulled: Path, digest: str) -> None:
    """Check that the tag of a pulled layout names *digest*, and that every blob is what its name says."""
    (entry,) = json.loads((pulled / "index.json").read_text())["manifests"]
    assert entry["digest"] == digest
    for blob in (pulled / "blobs" / "sha256").iterdir():
        assert sha256(blob.read_bytes())[7:] == blob.name


@needs("skopeo")
class TestSkopeo:
    def test_oci_image_goes_in_and_comes_out(self, world: World, registry: Registry, tmp_path: Path) -> None:
        layout = Layout(tmp_path / "layout")
        digest = layout.publish(layout.image("amd64"))

        skopeo_copy(registry, f"oci:{layout.directory}:1", f"docker://{registry.reference('1')}")
        skopeo_copy(registry, f"docker://{registry.reference('1')}", f"oci:{tmp_path}/pulled:1")

        assert digest_of_tag(world, "1") == digest
        assert_same_layout(tmp_path / "pulled", digest)

    def test_docker_archive_goes_in_as_docker_v2(self, world: World, registry: Registry, tmp_path: Path) -> None:
        layout = Layout(tmp_path / "layout")
        layout.publish(layout.image("amd64"))
        archive = f"docker-archive:{tmp_path}/image.tar"
        skopeo_copy(registry, f"oci:{layout.directory}:1", f"{archive}:app:1")

        skopeo_copy(registry, archive, f"docker://{registry.reference('1')}")

        (detail,) = world.ecr.describe_images(repositoryName="team/app")["imageDetails"]
        assert detail["imageManifestMediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
        inspected = run(
            "skopeo",
            "inspect",
            "--tls-verify=false",
            "--creds",
            registry.credentials,
            f"docker://{registry.reference('1')}",
        )
        assert json.loads(inspected)["Digest"] == detail["imageDigest"] == digest_of_tag(world, "1")

    def test_index_goes_in_and_comes_out_with_all_its_images(
        self, world: World, registry: Registry, tmp_path: Path
    ) -> None:
        layout = Layout(tmp_path / "layout")
        index = layout.index(layout.image("amd64"), layout.image("arm64"))
        digest = layout.publish(descriptor(INDEX, index))

        skopeo_copy(registry, f"oci:{layout.directory}:1", f"docker://{registry.reference('1')}", "--all")
        skopeo_copy(registry, f"docker://{registry.reference('1')}", f"oci:{tmp_path}/pulled:1", "--all")

        assert digest_of_tag(world, "1") == digest
        assert_same_layout(tmp_path / "pulled", digest)
        assert len(world.ecr.list_images(repositoryName="team/app")["imageIds"]) == 3

    def test_image_pushed_in_parts_comes_out(self, world: World, registry: Registry, tmp_path: Path) -> None:
        digest = world.push("team/app", "1", gzip.compress(_tar("big", os.urandom(11_000_000)), 0))

        skopeo_copy(registry, f"docker://{registry.reference('1')}", f"oci:{tmp_path}/pulled:1")

        assert_same_layout(tmp_path / "pulled", digest)

    def test_replica_comes_out_of_the_other_region(self, world: World, registry: Registry, tmp_path: Path) -> None:
        world.replicate_to((SOURCE[0], "eu-west-1"))
        digest = world.push("team/app", "1", gzip.compress(_tar("small", b"small")))
        world.settle()
        replica = world.registry_client(SOURCE[0], "eu-west-1")
        registry.host = replica.url.removeprefix("http://")
        registry.credentials = base64.b64decode(replica.token).decode()

        skopeo_copy(registry, f"docker://{registry.reference('1')}", f"oci:{tmp_path}/pulled:1")

        assert_same_layout(tmp_path / "pulled", digest)

    def test_image_is_deleted(self, world: World, registry: Registry) -> None:
        world.push("team/app", "1")
        access = ("--tls-verify=false", "--creds", registry.credentials)

        run("skopeo", "delete", *access, f"docker://{registry.reference('1')}")

        assert world.ecr.list_images(repositoryName="team/app")["imageIds"] == []


@pytest.fixture
def short_directory() -> Iterator[str]:
    """Podman's runroot may have 50 characters."""
    with tempfile.TemporaryDirectory(prefix="podman-") as directory:
        yield directory


@needs("buildah")
@needs("podman")
@needs("skopeo")
def test_buildah_pushes_what_podman_pulls(
    world: World, registry: Registry, tmp_path: Path, short_directory: str
) -> None:
    layout = Layout(tmp_path / "layout")
    layout.publish(layout.image("amd64"))
    storage = ("--root", f"{tmp_path}/root", "--runroot", short_directory)
    access = ("--tls-verify=false", "--creds", registry.credentials)
    # Neither overlay mounts nor user namespaces are to be had everywhere.
    vfs = {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot", "HOME": str(tmp_path)}

    container = run("buildah", *storage, "from", f"oci:{layout.directory}:1", **vfs).strip()
    run("buildah", *storage, "commit", container, "local:1", **vfs)
    run("buildah", *storage, "push", *access, "local:1", f"docker://{registry.reference('1')}", **vfs)
    run("podman", *storage, "pull", *access, registry.reference("1"), **vfs)
    run("podman", *storage, "push", *access, registry.reference("1"), registry.reference("2"), **vfs)

    inspected = run("podman", *storage, "image", "inspect", registry.reference("1"), **vfs)
    assert digest_of_tag(world, "1") in {name.partition("@")[2] for name in json.loads(inspected)[0]["RepoDigests"]}
    assert digest_of_tag(world, "2")


def test_oras_pushes_and_pulls_an_artifact(
    world: World, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chart.txt").write_text("a chart")
    client = oras.client.OrasClient(hostname=registry.host, insecure=True, tls_verify=False, auth_backend="basic")
    client.auth.set_basic_auth(*registry.credentials.split(":", 1))

    client.push(target=registry.reference("1"), files=["chart.txt:text/plain"])
    (pulled,) = client.pull(target=registry.reference("1"), outdir=str(tmp_path / "out"))

    assert Path(pulled).read_text() == "a chart"
    assert client.get_tags(registry.reference("1").rpartition(":")[0]) == ["1"]
    assert digest_of_tag(world, "1")
