"""
Every sound archive of the corpus goes the whole way, and where the format keeps digests, skopeo puts the same one.

`skopeo copy` from a `docker save` compresses anew, so of those the clients' tests compare configs and diff_ids.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from chalicelib.state.upload import State
from tests.acceptance.producer import Producer, needs
from tests.corpora import CORPUS, needs_corpus
from tests.corpus.test_images import CHARTS, TAKEN
from transship.local_stage import RegistryAccess
from transship.observation import Observation

pytestmark = [pytest.mark.check, pytest.mark.timeout(300), needs_corpus]

KEPT = {name: digest for name, (_, images) in TAKEN.items() for _, digest in images if digest}
COPIED = "copied/by-skopeo"


def repository(name: str) -> str:
    return "vendor/real/" + re.sub(r"[^a-z0-9]+", "-", name.lower())


@pytest.fixture(scope="module", name="observed")
def _observed(producer: Producer) -> Mapping[str, Observation]:
    """Upload all of them at once and wait for each."""
    files = {name: CORPUS / "images" / name for name in TAKEN} | {
        name: CORPUS / "charts/helm" / name for name in CHARTS
    }
    uploads = {
        name: producer.put(f"uploads/{repository(name)}/{path.name}", path.read_bytes()) for name, path in files.items()
    }
    return {name: producer.await_end(upload) for name, upload in uploads.items()}


@pytest.mark.parametrize("name", TAKEN)
def test_becomes_available(name: str, observed: Mapping[str, Observation]) -> None:
    seen, (_, images) = observed[name], TAKEN[name]

    roots = [image for image in seen.images if image.root]

    assert seen.upload.state is State.AVAILABLE, (seen.upload.code, seen.upload.detail)
    assert len(roots) == len(images)
    assert {f"sha256:{digest}" for _, digest in images if digest} <= {str(image.digest) for image in roots}
    assert len(seen.replicas) == 4 * len(images)


@pytest.mark.parametrize("name", CHARTS)
def test_chart_becomes_available(name: str, observed: Mapping[str, Observation]) -> None:
    seen = observed[name]

    (chart,) = seen.images

    assert seen.upload.state is State.AVAILABLE, (seen.upload.code, seen.upload.detail)
    assert [f"{chart.repository.last}:{tag}" for tag in chart.tags] == [CHARTS[name]]


@pytest.fixture(scope="module", name="copied")
def _copied(producer: Producer) -> None:
    producer.stage.client("ecr").create_repository(repositoryName=COPIED)


@needs("skopeo")
@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize("name", KEPT)
def test_skopeo_puts_the_same_digest(name: str, producer: Producer) -> None:
    registry = producer.stage.registries()[0]
    tag = repository(name).rpartition("/")[2]

    copy(CORPUS / "images" / name, registry, tag)

    assert producer.skopeo_digest(registry, COPIED, tag) == f"sha256:{KEPT[name]}"


def copy(archive: Path, registry: RegistryAccess, tag: str) -> None:
    """Put the image of an OCI layout into *registry* with skopeo, byte for byte."""
    source, target = f"oci-archive:{archive}", f"docker://{registry.host}/{COPIED}:{tag}"
    login = ["--dest-tls-verify=false", f"--dest-creds={registry.username}:{registry.password}"]
    platform = ["--override-os=linux", "--override-arch=amd64"]
    subprocess.run(
        ["skopeo", *platform, "copy", "--preserve-digests", *login, source, target],
        check=True,
        capture_output=True,
        timeout=60,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )
