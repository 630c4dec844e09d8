"""The main job through the deployed functions: from an object to five registries, seen by real clients."""

from __future__ import annotations

import hashlib
import io
import random
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.names import PUBLISH, PUSH, queue_name, role_name
from chalicelib.state.upload import State
from tests import archives
from tests.acceptance.producer import Producer, needs
from tests.acceptance.situations import faults
from tests.unit.pipeline.test_outcomes import absent_layer, wrong_layer

pytestmark = [pytest.mark.check, pytest.mark.timeout(300)]

SOUND = archives.docker_save(archives.image("hello"))


@needs("skopeo")
def test_each_registry_serves_the_digest_that_was_announced(producer: Producer, tmp_path: Path) -> None:
    """For an OCI layout it is the digest inside the archive."""
    layout = archives.Layout()
    digest = layout.list(layout.image(archives.image("layout")), ref="2.0")["digest"]
    seen = producer.push("uploads/vendor/layout/layout.tar", layout.tar())

    assert seen.upload.state is State.AVAILABLE
    registries = producer.stage.registries()
    assert len(registries) == 5
    for number, registry in enumerate(registries):
        assert producer.skopeo_digest(registry, "vendor/layout", "2.0") == digest
        producer.skopeo(
            registry, "copy", "--src-tls-verify=false", repository="vendor/layout", tag="2.0", to=tmp_path / str(number)
        )
        assert archives.sha256((tmp_path / str(number) / "manifest.json").read_bytes()) == digest.partition(":")[2]


@needs("skopeo")
def test_each_registry_serves_a_multi_platform_index(producer: Producer) -> None:
    layout = archives.Layout()
    digest = layout.list(archives.multi_platform(layout, "amd64", "arm64"), ref="3.0")["digest"]
    seen = producer.push("uploads/vendor/index/index.tar", layout.tar())

    assert seen.upload.state is State.AVAILABLE
    for registry in producer.stage.registries():
        raw = producer.skopeo(registry, "inspect", "--raw", "--tls-verify=false", repository="vendor/index", tag="3.0")
        assert f"sha256:{archives.sha256(raw.encode())}" == digest


def test_the_aws_command_line_starts_the_pipeline(producer: Producer, tmp_path: Path, aws_cli: str) -> None:
    archive = tmp_path / "app-4.0.tar"
    archive.write_bytes(archives.docker_save(archives.image("cli", tags=())))
    key = "uploads/vendor/cli/cli-4.0.tar"
    done = subprocess.run(
        [aws_cli, "s3", "cp", str(archive), f"s3://{producer.stage.deployment.bucket}/{key}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr

    seen = producer.await_end(producer.arrived(key))
    assert seen.upload.state is State.AVAILABLE
    assert [str(tag) for image in seen.images for tag in image.tags] == ["4.0"]


@pytest.fixture(name="aws_cli")
def current_aws_cli() -> str:
    found = shutil.which("aws")
    said = subprocess.run([found, "--version"], check=False, capture_output=True, text=True).stdout if found else ""
    version = tuple(int(number) for number in re.findall(r"aws-cli/(\d+)\.(\d+)", said)[0]) if said else (0, 0)
    # Debian's own is too old to know AWS_ENDPOINT_URL, which came with 1.29 and 2.13.
    if found is None or version < (1, 29) or (2, 0) <= version < (2, 13):
        pytest.skip("no AWS CLI of 1.29, 2.13 or newer; .ci/run installs one")
    return found


def test_a_gigabyte_needs_little_memory_and_is_read_once(producer: Producer, tmp_path: Path) -> None:
    functions = producer.stage.aws.functions
    path = tmp_path / "gigabyte.tar"
    write_large_save(path, layers=4, megabytes=256)
    key = "uploads/vendor/gigabyte/gigabyte-1.tar"
    producer.stage.client("s3").upload_file(str(path), producer.stage.deployment.bucket, key)
    began = time.time()

    seen = producer.await_end(producer.arrived(key), seconds=200)

    assert seen.upload.state is State.AVAILABLE
    peaks = [one.outcome.usage.peak_rss_mib for one in functions.invocations(since=began)]
    assert max(peaks) < 256
    assert seen.upload.tally["source_bytes_read"] <= 1.01 * path.stat().st_size


def write_large_save(path: Path, *, layers: int, megabytes: int) -> None:
    """Write a `docker save` whose layers are part text and part noise, as programs are, without holding one."""
    noise = random.Random(layers).randbytes(512 << 10)  # noqa: S311 - the same bytes each time
    text = b"".join(b"%d bottles of beer on the wall\n" % number for number in range(20_000))[: 512 << 10]
    block = noise + text
    digests = []
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as save:
        for number in range(layers):
            layer = path.with_suffix(f".{number}")
            with tarfile.open(layer, "w", format=tarfile.USTAR_FORMAT) as content:
                member = tarfile.TarInfo(f"{number}.bin")
                member.size = len(block) * megabytes
                content.addfile(member, Repeated(block, megabytes))
            with layer.open("rb") as written:
                digests.append(hashlib.file_digest(written, "sha256").hexdigest())
            save.add(layer, f"{digests[-1]}/layer.tar")
            layer.unlink()
        config = archives.dump(
            {
                "architecture": "amd64",
                "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
            }
        )
        listed = [{"Config": "config.json", "RepoTags": None, "Layers": [f"{digest}/layer.tar" for digest in digests]}]
        for name, document in (("config.json", config), ("manifest.json", archives.dump(listed))):
            member = tarfile.TarInfo(name)
            member.size = len(document)
            save.addfile(member, io.BytesIO(document))


class Repeated(io.RawIOBase):
    """A block, many times over."""

    def __init__(self, block: bytes, times: int) -> None:
        super().__init__()
        self._block = block
        self._left = len(block) * times

    def read(self, size: int = -1, /) -> bytes:
        piece = self._block[: min(size, self._left)] if size >= 0 else self._block
        self._left -= len(piece)
        return piece


REFUSED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "no archive": (lambda: b"\x7fELF" + bytes(4096), "uploads/vendor/bad/a.tar", "NOT_ARCHIVE"),
    "empty": (lambda: b"", "uploads/vendor/bad/b.tar", "EMPTY_OBJECT"),
    "no image": (lambda: archives.tar({"notes.txt": b"hello"}), "uploads/vendor/bad/c.tar", "NO_IMAGE"),
    "truncated": (lambda: SOUND[: len(SOUND) // 2], "uploads/vendor/bad/d.tar", "TRUNCATED"),
    "layer is not its digest": (wrong_layer, "uploads/vendor/bad/e.tar", "DIGEST_MISMATCH"),
    "absent layer": (absent_layer, "uploads/vendor/bad/f.tar", "MISSING_BLOB"),
    "no repository": (lambda: SOUND, "uploads/Vendor/Bad/g.tar", "REPOSITORY_NAME"),
}


@pytest.mark.parametrize(("build", "key", "code"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_pushed_is_rejected_with_its_code(
    producer: Producer, build: Callable[[], bytes], key: str, code: str
) -> None:
    seen = producer.push(key, build())

    assert (seen.upload.state, seen.upload.code) == (State.REJECTED, code)
    assert not [image for image in seen.images if image.put], "nothing was put"
    producer.await_quiet()


def test_a_missing_permission_is_refused_before_the_first_write(producer: Producer) -> None:
    iam, role = producer.stage.client("iam"), role_name("local", PUSH)
    deny = '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"ecr:UploadLayerPart","Resource":"*"}}'
    iam.put_role_policy(RoleName=role, PolicyName="forbid", PolicyDocument=deny)
    try:
        seen = producer.push("uploads/vendor/forbidden/app-1.tar", archives.docker_save(archives.image("forbidden")))
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="forbid")

    assert (seen.upload.state, seen.upload.code) == (State.REJECTED, "PERMISSION_MISSING")
    denied = seen.upload.facts["denied"][0]
    assert (denied["action"], denied["role"].rpartition("/")[2]) == ("ecr:UploadLayerPart", role)
    names = [one["repositoryName"] for one in producer.stage.client("ecr").describe_repositories()["repositories"]]
    assert "vendor/forbidden" not in names


def large(megabytes: int, name: str) -> bytes:
    return archives.docker_save(archives.Image((archives.layer(name, size=megabytes << 20),), tags=(f"{name}:1",)))


@pytest.mark.parametrize(("function", "call"), [(PUSH, "UploadLayerPart:nth=1"), (PUBLISH, "PutImage:nth=1")])
def test_a_function_killed_at_work_is_followed_by_another(producer: Producer, function: str, call: str) -> None:
    functions = producer.stage.aws.functions
    seen_before = len(functions.invocations())
    # What the function is at takes until it is killed, on whatever machine; the call still takes effect afterwards.
    with faults(producer.stage, f"{call}:seconds=15:slow"):
        upload = producer.put(f"uploads/vendor/killed-{function}/app-1.tar", large(256, f"killed-{function}"))
        producer.until(lambda: producer.stage.aws.ecr.faults.strikes)
        assert functions.kill(role_name("local", function))
        seen = producer.await_end(upload)

    killed = [one for one in functions.invocations()[seen_before:] if one.outcome.function_error]
    assert killed, "the function died"
    assert seen.upload.state is State.AVAILABLE
    hidden = visibility_timeout(producer, function)
    assert seen.upload.ended - seen.upload.received < hidden, "the message came back long before its queue shows it"
    types = [event.detail_type for event in seen.events]
    assert types.count("Image Available") == types.count("Image Pushed") == 1
    producer.await_quiet()


def visibility_timeout(producer: Producer, function: str) -> float:
    """Return the seconds for which the queue of *function* hides a message from anybody else."""
    sqs, name = producer.stage.client("sqs"), queue_name("local", function)
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    return float(asked["Attributes"]["VisibilityTimeout"])
