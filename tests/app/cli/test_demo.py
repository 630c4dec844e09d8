"""The demo archive: what skopeo and `docker load` would read."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from transship.demo import build_demo_archive, demo_layers, write_docker_archive

MIB = 1 << 20


@pytest.fixture(name="archive", scope="module")
def _archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_demo_archive(tmp_path_factory.mktemp("demo") / "demo.tar").path


def test_has_three_layers_and_thirty_mebibytes_at_least(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))[0]  # type: ignore[arg-type] # it is a file

    assert len(manifest["Layers"]) >= 3
    assert archive.stat().st_size >= 30 * MIB


def test_every_digest_is_that_of_the_bytes(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))[0]  # type: ignore[arg-type] # it is a file
        config = tar.extractfile(manifest["Config"]).read()  # type: ignore[union-attr] # it is a file
        found = [_sha256(tar, name) for name in manifest["Layers"]]

    assert manifest["Config"] == f"{hashlib.sha256(config).hexdigest()}.json"
    assert json.loads(config)["rootfs"]["diff_ids"] == [f"sha256:{digest}" for digest in found]


def test_every_layer_is_a_sound_tar_of_real_files(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))[0]  # type: ignore[arg-type] # it is a file
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=tar.extractfile(name)) as layer:
                assert sum(member.size for member in layer) > 0


def test_equal_files_give_an_equal_archive(tmp_path: Path) -> None:
    layers = demo_layers()[-1:]
    for name in ("one.tar", "two.tar"):
        with (tmp_path / name).open("w+b") as file:
            write_docker_archive(file, layers)

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not on this machine")
def test_skopeo_reads_it(archive: Path) -> None:
    answer = subprocess.run(
        ["skopeo", "inspect", f"docker-archive:{archive}:vendor/demo:1.0"], capture_output=True, check=True
    )

    assert len(json.loads(answer.stdout)["Layers"]) == 4


def _sha256(tar: tarfile.TarFile, name: str) -> str:
    with tar.extractfile(name) as layer:  # type: ignore[union-attr] # it is a file
        return hashlib.file_digest(layer, "sha256").hexdigest()  # type: ignore[arg-type] # it can be read
