"""What is announced can be pulled, by tag, from every destination, at once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests import archives
from tests.acceptance.producer import needs
from tests.acceptance.scene import Scene
from tests.acceptance.situations import options
from transship.local.accounts import SOURCE_ACCOUNT
from transship.local_stage import RegistryAccess

pytestmark = [pytest.mark.check, pytest.mark.timeout(1_500)]

ANNOUNCEMENTS = 100
IMAGES = 4
"""Of one upload: so many announcements come together."""
AT_ONCE = 4
"""Uploads under way at a time."""
LAGS = {
    f"{SOURCE_ACCOUNT}/eu-west-1": 0.0,
    f"{SOURCE_ACCOUNT}/ap-southeast-2": 0.5,
    "444455556666/us-east-1": 1.5,
    "444455556666/eu-central-1": 3.0,
}
"""Seconds: whoever trusts the first replica, or the source, is found out."""


def several(upload: int) -> bytes:
    numbers = range(upload * IMAGES, (upload + 1) * IMAGES)
    return archives.docker_save(*(archives.image(f"pull {n}", tags=(f"x/image{n}:v{n}",)) for n in numbers))


@needs("skopeo")
def test_every_destination_serves_the_tag_as_soon_as_it_is_announced_a_hundred_times(
    scene: Scene, tmp_path: Path
) -> None:
    """Pulled by the subscriber, the moment that the event has arrived: manifest, config and layers."""
    replicas = [one for one in scene.stage.registries() if f"{one.account}/{one.region}" in LAGS]
    left = list(range(ANNOUNCEMENTS // IMAGES))
    under_way: dict[str, int] = {}
    numbers = itertools.count()
    pulls: list[Future[None]] = []

    def pull(registry: RegistryAccess, image: Mapping[str, Any], number: int) -> None:
        folder = tmp_path / str(number)
        scene.skopeo(
            registry, "copy", "--src-tls-verify=false", repository=image["repository"], tag=image["tags"][0], to=folder
        )
        assert f"sha256:{archives.sha256((folder / 'manifest.json').read_bytes())}" == image["digest"]

    def another_was_announced() -> bool:
        before = len(pulls)
        while left and len(under_way) < AT_ONCE:
            number = left.pop()
            under_way[scene.put(f"uploads/team/pull{number}/x.tar", several(number))] = IMAGES
        for event in scene.listen():
            upload = event["detail"]["upload"]["id"]
            if upload in under_way and event["detail-type"] == "Image Available":
                image = event["detail"]["image"]
                pulls.extend(pool.submit(pull, one, image, next(numbers)) for one in replicas)
                under_way[upload] -= 1
                if not under_way[upload]:
                    del under_way[upload]
            elif upload in under_way:
                assert event["detail-type"] not in {"Upload Rejected", "Upload Failed"}, event
        return len(pulls) > before

    with ThreadPoolExecutor(len(replicas)) as pool, options(scene.stage, replication_lags=LAGS):
        while left or under_way:
            scene.until(another_was_announced)
    for done in pulls:
        done.result()
    assert len(pulls) == ANNOUNCEMENTS * len(replicas) == 400
