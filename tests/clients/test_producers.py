"""Archives that real tools write on this machine: skopeo, podman, buildah and umoci, from one image of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.archive.contents import ArchiveContents, GeneratedManifest, KeptManifest
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.read import read_archive
from tests.archives import Image, Layout, MemorySource, docker_save, image, sha256

ONE = image("base", "app", "base", tags=("example.com/team/app:1.0",))


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


pytestmark = [pytest.mark.check, needs("skopeo")]


def run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, **environment}, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(path: Path) -> ArchiveContents:
    return read_archive(MemorySource(path.read_bytes()), ArchiveLimits())


def diff_ids(contents: ArchiveContents) -> list[str]:
    manifest = contents.images[0].manifest
    if isinstance(manifest, GeneratedManifest):
        return [layer.diff_id.hex for layer in manifest.layers]
    return [diff_id.hex for diff_id in manifest.diff_ids]


def expected(one: Image = ONE) -> list[str]:
    return [sha256(layer) for layer in one.layers]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "saved.tar"
    path.write_bytes(docker_save(ONE))
    return path


@pytest.fixture
def short_folder() -> Iterator[str]:
    """A folder for sockets: podman takes no path of more than 50 characters."""
    with tempfile.TemporaryDirectory() as folder:
        yield folder


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    one = Layout()
    one.list(one.image(ONE), ref="1.0")
    path = tmp_path / "layout.tar"
    path.write_bytes(one.tar())
    return path


def test_skopeo_to_docker_archive(layout: Path, tmp_path: Path) -> None:
    """It links a repeated layer, and names layers after their diff_id."""
    out = tmp_path / "out.tar"
    run(
        "skopeo", "--insecure-policy", "copy", f"oci-archive:{layout}", f"docker-archive:{out}:example.com/team/app:1.0"
    )

    contents = read(out)

    assert (contents.kind, contents.images[0].names) == ("docker", ("example.com/team/app:1.0",))
    assert diff_ids(contents) == expected()
    assert contents.producer.startswith("skopeo")


def test_skopeo_to_oci_archive(layout: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tar"
    run("skopeo", "--insecure-policy", "copy", f"oci-archive:{layout}", f"oci-archive:{out}:1.0")

    contents = read(out)

    manifest, original = contents.images[0].manifest, read(layout).images[0].manifest
    assert isinstance(manifest, KeptManifest)
    assert isinstance(original, KeptManifest)
    assert manifest.blob.descriptor == original.blob.descriptor
    assert contents.images[0].names == (":1.0",)


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("tool", ["podman", "buildah"])
def test_podman_and_buildah(tool: str, form: str, saved: Path, tmp_path: Path, short_folder: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    out = tmp_path / "out.tar"
    store = ["--root", str(tmp_path / "store"), "--runroot", short_folder, "--storage-driver", "vfs"]
    if tool == "podman":
        run("podman", *store, "load", "-i", saved)
        run("podman", *store, "save", "--format", form, "-o", out, "example.com/team/app:1.0")
    else:
        policy = tmp_path / "policy.json"
        policy.write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
        accept = ("--signature-policy", str(policy))
        run("buildah", *store, "pull", *accept, f"docker-archive:{saved}")
        run("buildah", *store, "push", *accept, "example.com/team/app:1.0", f"{form}:{out}:example.com/team/app:1.0")

    contents = read(out)

    assert contents.images[0].names == ("example.com/team/app:1.0",)
    assert diff_ids(contents) == expected()


@needs("umoci")
def test_umoci(tmp_path: Path) -> None:
    """Umoci writes layouts as folders; people tar them, often under the folder's name."""
    folder = tmp_path / "app"
    run("umoci", "init", "--layout", folder)
    run("umoci", "new", "--image", f"{folder}:1.0")
    (tmp_path / "file").write_text("hello")
    run("umoci", "insert", "--rootless", "--image", f"{folder}:1.0", tmp_path / "file", "/file")
    run("tar", "-C", tmp_path, "-cf", tmp_path / "app.tar", "app")

    contents = read(tmp_path / "app.tar")

    assert (contents.kind, contents.images[0].names) == ("oci", (":1.0",))
    assert len(diff_ids(contents)) == 1


def test_gnu_tar_of_a_layout(layout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    run("tar", "-C", folder, "-xf", layout)
    for style in ("gnu", "pax", "ustar", "v7", "oldgnu"):
        run("tar", "-C", folder, f"--format={style}", "-cf", tmp_path / "again.tar", ".")

        assert read(tmp_path / "again.tar").images == _moved(read(layout), read(tmp_path / "again.tar"))


def _moved(first: ArchiveContents, second: ArchiveContents) -> object:
    """Return the second's images if they are the first's at other places, else nothing that is equal."""
    one, other = first.images[0].manifest, second.images[0].manifest
    assert isinstance(one, KeptManifest)
    assert isinstance(other, KeptManifest)
    same = [layer.descriptor for layer in one.layers] == [layer.descriptor for layer in other.layers]
    return second.images if same and one.blob.descriptor == other.blob.descriptor else None
