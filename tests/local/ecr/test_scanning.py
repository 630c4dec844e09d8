"""Scans on push: of which images there is one, when it ends, and what it found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.ecr.points_images import index_of
from tests.local.ecr.world import World, code_of

ON_PUSH = {"imageScanningConfiguration": {"scanOnPush": True}}


def findings(world: World, repository: str, digest: str, **more: Any) -> Any:
    return world.ecr.describe_image_scan_findings(repositoryName=repository, imageId={"imageDigest": digest}, **more)


def test_a_scan_begins_with_the_push_and_ends_in_its_time(make_world: Callable[..., World]) -> None:
    world = make_world(scan_seconds=10.0, scan_findings={"CRITICAL": 1, "LOW": 2})
    repository = world.repository(**ON_PUSH)
    digest = world.push(repository, "1")
    before = findings(world, repository, digest)
    world.clock.advance(10.0)
    after = findings(world, repository, digest)

    assert before["imageScanStatus"]["status"] == "IN_PROGRESS"
    assert "imageScanFindings" not in before
    assert after["imageScanStatus"]["status"] == "COMPLETE"
    assert after["imageScanFindings"]["findingSeverityCounts"] == {"CRITICAL": 1, "LOW": 2}
    assert [one["severity"] for one in after["imageScanFindings"]["findings"]] == ["CRITICAL", "LOW", "LOW"]


def test_findings_come_in_pages_and_their_counts_with_each(make_world: Callable[..., World]) -> None:
    world = make_world(scan_seconds=0.0, scan_findings={"HIGH": 3})
    repository = world.repository(**ON_PUSH)
    digest = world.push(repository, "1")
    first = findings(world, repository, digest, maxResults=2)
    second = findings(world, repository, digest, maxResults=2, nextToken=first["nextToken"])
    pages = [one["imageScanFindings"] for one in (first, second)]

    assert [len(one["findings"]) for one in pages] == [2, 1]
    assert [one["findingSeverityCounts"] for one in pages] == [{"HIGH": 3}] * 2
    assert "nextToken" not in second


def test_neither_an_index_nor_what_was_pushed_before_is_scanned(world: World) -> None:
    repository = world.repository()
    text = world.manifest(repository)
    before = world.ecr.put_image(repositoryName=repository, imageManifest=text)["image"]
    world.ecr.put_image_scanning_configuration(repositoryName=repository, **ON_PUSH)
    index = world.ecr.put_image(repositoryName=repository, imageManifest=index_of(text))["image"]

    for digest in (one["imageId"]["imageDigest"] for one in (before, index)):
        with pytest.raises(ClientError) as refused:
            findings(world, repository, digest)
        assert code_of(refused.value) == "ScanNotFoundException"
