"""The benchmark measures what it says: archives, processes, medians, prices."""

from __future__ import annotations

import re
import sys
import tarfile
from pathlib import Path

import pytest

from chalicelib.byte_range import ByteRange
from chalicelib.transfer.encoding import Method
from transship.bench import archives, cost, giant, index, report
from transship.bench.archives import build, existing
from transship.bench.measure import CommandFailedError, Taken, run

MIB = 1 << 20


def test_archives_are_one_image_in_two_forms_and_a_rebuilt_one(tmp_path: Path) -> None:
    built = build(tmp_path / "archives", 2)

    assert dict(built.forms()).keys() == {"docker", "oci"}
    for form, path in built.forms():
        assert dict(existing(path).forms()) == {form: path}
    assert built.docker
    assert built.rebuilt
    before, after = layers(built.docker), layers(built.rebuilt)
    assert (len(before), len(after)) == (6, 6)
    assert len(before & after) == 5


def layers(path: Path) -> set[str]:
    with tarfile.open(path) as archive:
        return {name for name in archive.getnames() if name.endswith("/layer.tar")}


def test_archives_that_are_there_are_not_built_again(tmp_path: Path) -> None:
    first = build(tmp_path / "archives", 1)
    assert first.docker
    built = first.docker.stat().st_mtime_ns
    build(tmp_path / "archives", 1)

    assert first.docker.stat().st_mtime_ns == built


def test_a_file_is_in_one_layer_where_roots_lie_in_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inner = tmp_path / "usr" / "bin"
    inner.mkdir(parents=True)
    for name in ("one", "two", "three"):
        (inner / name).write_bytes(name.encode() * 150_000)
    monkeypatch.setattr(archives, "_ROOTS", (str(inner), str(tmp_path / "usr")))

    docker = build(tmp_path / "archives", 1, (30,) * 4).docker

    assert docker
    files: list[str] = []
    with tarfile.open(docker) as archive:
        for name in layers(docker):
            with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                files += layer.getnames()
    assert sorted(files) == sorted(str(inner / name).lstrip("/") for name in ("one", "two", "three"))


def test_command_is_measured_alone() -> None:
    spend = "import time; held = b'x' * (64 << 20); [None for _ in iter(lambda: time.process_time() < 0.3, False)]"

    taken = run([sys.executable, "-c", spend])

    assert taken.seconds >= taken.cpu_seconds * 0.9
    assert 0.3 <= taken.cpu_seconds < 1.5
    assert 64 <= taken.peak_rss_mib < 128


def test_command_that_fails_says_why() -> None:
    with pytest.raises(CommandFailedError, match="the reason"):
        run([sys.executable, "-c", "raise SystemExit('the reason')"])


def test_median_and_ratio_are_of_the_fastest_peer() -> None:
    taken = [Taken(seconds=second, cpu_seconds=1.0, peak_rss_mib=second) for second in (9.0, 1.0, 2.0)]
    results = {
        "oci, first push: transship": report.median(taken),
        "oci, first push: skopeo 1.9.3 to docker-registry": report.median(taken[:1]),
        "oci, first push: skopeo 1.9.3 to the local ECR": {"seconds": 4.0, "cpu_seconds": 2.0},
    }

    assert results["oci, first push: transship"]["seconds"] == 2.0
    assert results["oci, first push: transship"]["peak_rss_mib"] == 9.0
    assert report.ratios(results, "oci") == {"wall": 0.5, "cpu": 1.0}
    assert report.ratios(results, "docker") == {}


@pytest.mark.parametrize(
    ("work", "memory", "seconds"),
    [
        (cost.Work(10, 0, 0), 1769, 10.0),
        (cost.Work(10, 0, 0), 885, pytest.approx(20.0, rel=0.01)),
        (cost.Work(10, 0, 0), 10_240, 5.0),
        (cost.Work(1, 625e6, 0), 1769, 8.0),
        (cost.Work(1, 0, 1250e6), 1769, 16.0),
    ],
    ids=["a core", "half a core", "two cores at most", "sending", "reading"],
)
def test_time_of_a_function_is_that_of_its_narrowest_part(work: cost.Work, memory: int, seconds: float) -> None:
    assert cost.lambda_seconds(work, memory) == seconds


def test_price_of_a_function() -> None:
    assert cost.dollars(10, 1024) == pytest.approx(0.000166867)


CALLS = {"ecr:PutImage": 1, "ecr:InitiateLayerUpload": 7, "ecr:UploadLayerPart": 44, "dynamodb:BatchGetItem": 3}


@pytest.mark.parametrize(
    ("calls", "seconds", "first"),
    [
        (CALLS, 1.0, "PutImage"),
        (cost.grown(CALLS, layers=10), 1.0, "InitiateLayerUpload"),
        (cost.grown(CALLS, size=10), 1.0, "UploadLayerPart"),
        (cost.grown(CALLS, size=10), 60.0, "concurrency of push"),
    ],
    ids=["as it is", "many layers", "large", "large and slow"],
)
def test_scarcest_limit_stands_first(calls: dict[str, int], seconds: float, first: str) -> None:
    limits = cost.images_a_second(calls, seconds)

    assert next(iter(limits)) == first
    assert list(limits.values()) == sorted(limits.values())


def test_requests_are_priced_by_units() -> None:
    asked = cost.requests({**CALLS, "s3:GET": 10}, (8.0, 16.0))

    assert (asked["dynamodb_calls"], asked["ecr_calls"], asked["s3_gets"]) == (3, 52, 10)
    # Prices of us-east-1: a GET 0.4, a read unit 0.125, a write unit 0.625 millionths of a dollar.
    assert asked["dollars"] == pytest.approx((10 * 0.4 + 8 * 0.125 + 16 * 0.625) / 1e6)


def test_costs_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """A run prints what it writes: per GiB, per image, beside the peer, and what binds first."""
    work = cost.by_memory(cost.Work(5, 1e9, 1e9))
    report.show_cost(
        {
            "this image": work,
            "a GiB of layers read": work,
            "cdk-ecr-deployment, 1,108 MiB": {"512": cost.of_cdk_ecr_deployment()},
            "requests of this image": cost.requests(CALLS, (8.0, 16.0)),
            "requests of this image unchanged": cost.requests({}, (0.0, 0.0)),
            "growth": {"each upload": {"ecr_calls": 12.0}, "each layer": {"ecr_calls": 2.5}},
            "images a second": {"this image": cost.images_a_second(CALLS, 1.0)},
        }
    )

    printed = capsys.readouterr().out
    assert "cdk-ecr-deployment, 1,108 MiB │  512 │   56.66 │      28.33" in printed
    assert "the scarcest first: PutImage 10.0" in printed
    assert re.search(r"each upload +│ +12 │", printed)
    assert re.search(r"each layer +│ +2\.5 │", printed)


def test_cold_starts_and_the_giant_layer_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    start = {
        "starts": 3,
        "asks_after_seconds": 0.2,
        "answers_after_seconds": 0.45,
        "answers_after_seconds_least": 0.4,
        "cpu_seconds": 0.4,
    }
    report.show_cold_starts({"receive": start})
    report.show_giant(
        {"bytes": 41 << 30, "method": "gzip", "seconds": 170.4, "cpu_seconds": 190, "parts": 9, "peak_rss_mib": 88}
    )

    printed = capsys.readouterr().out
    assert re.search(r"receive +│ +0\.200 │ +0\.450 │ +0\.400 │ +0\.4 │ +3", printed)
    assert "one layer of 41 GiB, gzip: 170 s, 190 CPU s, 9 parts, peak 88 MiB" in printed


def test_computed_source_gives_the_same_bytes_however_it_is_read() -> None:
    source = giant.ComputedSource(3 * MIB)
    with source.open(ByteRange(MIB - 5, MIB + 10)) as stream:
        pieces = list(iter(lambda: stream.read(300_000), b""))

    content = b"".join(source.read(ByteRange(page * MIB, MIB)) for page in range(3))
    assert b"".join(pieces) == content[MIB - 5 : 2 * MIB + 5]


def test_giant_layer_is_pushed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")

    result = giant.push(25 * MIB, 1, Method.KEEP)

    assert (result["bytes_pushed"], result["parts"]) == (25 * MIB, 3)


@pytest.mark.parametrize(
    ("source", "most_requests", "most_bytes"),
    [(index.of_members(2_000), 60, 20 * MIB), (index.of_size(40 << 30), 20, MIB)],
    ids=["2,000 members", "40 GiB"],
)
def test_an_archive_that_is_nowhere_stored_is_indexed_in_few_requests(
    source: index.ZeroSource, most_requests: int, most_bytes: int
) -> None:
    found = index.measure(source)

    assert found["images"] == 1
    assert found["requests"] <= most_requests
    assert found["bytes_read"] <= most_bytes


def test_a_computed_archive_is_a_tar(tmp_path: Path) -> None:
    source = index.of_members(30)
    path = tmp_path / "computed.tar"
    path.write_bytes(source.read(ByteRange(0, source.size)))

    with tarfile.open(path) as archive:
        assert len(archive.getmembers()) == 30
