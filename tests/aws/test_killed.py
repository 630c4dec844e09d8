"""A process that is killed in the middle of a layer, and the one after it, on default block and segment sizes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName
from chalicelib.ports.bucket import ObjectVersion
from tests.aws.conftest import HOME, PART, World

MIB = 1 << 20


def content() -> bytes:
    """40 MiB of text that compresses as text does."""
    return b"".join(b"%x is the square of %d\n" % (number * number, number) for number in range(1_300_000))[: 40 * MIB]


def child(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.aws.pushing_child", str(folder / "object.json"), str(folder / "place.json")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_layer_goes_on_after_its_process_was_killed(world: World, repository: RepositoryName, tmp_path: Path) -> None:
    layer = content()
    describe(world, repository, layer, tmp_path / "object.json")

    place = killed_on_the_way(tmp_path)
    result = pushed(tmp_path)

    assert place["checkpoint"], "it was killed before the first flush"
    # The first life may have had one part accepted that it did not note.
    assert result["size"] - place["sent"] - PART <= result["bytes_uploaded"] <= result["size"] - place["sent"]
    assert result["source_bytes_read"] == len(layer) - place["checkpoint"]["input_offset"]
    assert result["digest"] == uninterrupted(tmp_path)["digest"]


def pushed(folder: Path) -> dict[str, Any]:
    """Run a child to its end."""
    with child(folder) as process:
        out, _ = process.communicate()
    assert process.returncode == 0
    return dict(json.loads(out))


def uninterrupted(folder: Path) -> dict[str, Any]:
    (folder / "place.json").unlink()
    return pushed(folder)


def killed_on_the_way(folder: Path) -> dict[str, Any]:
    """Run a child until it has come past its first flush, kill it, and return the place it kept."""
    place = folder / "place.json"
    with child(folder) as first:
        while first.poll() is None:
            kept = json.loads(place.read_text()) if place.exists() else {"checkpoint": None}
            if kept["checkpoint"]:
                first.kill()
            time.sleep(0.001)
    kept = json.loads(place.read_text())
    assert first.returncode < 0, "it had ended before it could be killed"
    return dict(kept)


def describe(world: World, repository: RepositoryName, layer: bytes, path: Path) -> None:
    s3 = world.admin("s3")
    s3.create_bucket(Bucket="killed")
    s3.put_bucket_versioning(Bucket="killed", VersioningConfiguration={"Status": "Enabled"})
    answer = s3.put_object(Bucket="killed", Key="layer", Body=layer)
    version = ObjectVersion(
        bucket="killed",
        key="layer",
        version_id=answer["VersionId"],
        etag=answer["ETag"].strip('"'),
        size=len(layer),
    )
    wanted = {
        "object": asdict(version),
        "registry": str(HOME),
        "repository": str(repository),
        "diff_id": str(Digest.of(layer)),
    }
    path.write_text(json.dumps(wanted))
