"""What an operator's settings make of the same archives, and that nothing is left out or moved in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.replacing import replace
from chalicelib.state.upload import State
from tests import archives
from tests.world import SOURCE, World

KEY = "uploads/team/app/app-1.4.tar"
APP = RepositoryName("team/app")


def arrive(content: bytes, key: str = KEY, world: World | None = None, **settings: Any) -> World:
    """Upload *content* under *settings* and let everything happen."""
    world = world or World()
    world.settings = replace(world.settings, **settings)
    upload = world.upload(key, content)
    world.run()
    assert world.state(upload) is State.AVAILABLE, world.record(upload)
    return world


def refusal(content: bytes, key: str = KEY, world: World | None = None, **settings: Any) -> str:
    world = world or World()
    world.settings = replace(world.settings, **settings)
    upload = world.upload(key, content)
    world.run()
    assert world.state(upload) is State.REJECTED
    assert world.ecr.count()["PutImage"] == 0
    return world.record(upload).code


def tags(world: World, name: RepositoryName = APP) -> dict[str, str]:
    return {str(tag): str(digest) for tag, digest in world.ecr.repository(SOURCE, name).tags.items()}


def manifest(world: World, tag: str) -> dict[str, Any]:
    repository = world.ecr.repository(SOURCE, APP)
    document: dict[str, Any] = json.loads(repository.images[repository.tags[Tag(tag)]].content)
    return document


def event(world: World, kind: str) -> dict[str, Any]:
    return next(dict(one.detail) for one in world.bus.taken if one.detail_type == kind)


def built(*architectures: str) -> tuple[archives.Layout, archives.Descriptor]:
    """Return a layout as buildx writes it: an index over images, each with its attestation."""
    layout = archives.Layout()
    entries: list[archives.Descriptor] = []
    for architecture in architectures:
        one = archives.image(architecture, architecture=architecture)
        found = {**layout.image(one), "platform": archives.platform(one)}
        notes = {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": found["digest"],
        }
        statement = layout.add(b"{}" + architecture.encode(), "application/vnd.in-toto+json")
        about = layout.manifest(layout.add(b'{"os":"unknown"}', archives.OCI_CONFIG), [statement])
        unknown = {"os": "unknown", "architecture": "unknown"}
        entries += [found, {**about, "platform": unknown, "annotations": notes}]
    return layout, layout.list(layout.index(*entries), ref="1.0")


@pytest.mark.parametrize("pack", [lambda content: content, archives.gzipped], ids=["plain", "sealed"])
def test_layers_are_stored_as_they_are_where_no_compression_is_wanted(pack: Any) -> None:
    image = archives.image("hello")
    world = arrive(pack(archives.docker_save(image)), compression="none")

    layers = manifest(world, "1.0")["layers"]
    assert [one["digest"] for one in layers] == [f"sha256:{archives.sha256(layer)}" for layer in image.layers]
    assert {one["mediaType"] for one in layers} == {"application/vnd.docker.image.rootfs.diff.tar"}


def test_only_the_chosen_platforms_are_pushed_and_the_others_are_counted() -> None:
    layout = archives.Layout()
    layout.list(archives.multi_platform(layout, "amd64", "arm64", "s390x"), ref="1.0")
    world = arrive(layout.tar(), platforms=("linux/amd64", "linux/arm64"))

    assert len(manifest(world, "1.0")["manifests"]) == 2
    for kind in ("Upload Accepted", "Image Available"):
        told = event(world, kind)
        assert told["manifests"] == {"found": 4, "pushed": 3}
        assert any("linux/s390x" in warning for warning in told["warnings"])


def test_without_attestations_one_image_stands_by_itself() -> None:
    layout, _ = built("amd64")
    kept = arrive(layout.tar())
    dropped = arrive(layout.tar(), attestations=False)

    assert "manifests" in manifest(kept, "1.0")
    assert "layers" in manifest(dropped, "1.0"), "AWS Lambda runs no image behind an index"
    assert event(dropped, "Image Available")["manifests"]["pushed"] == 1
    assert event(dropped, "Image Available")["warnings"]


def test_one_platform_gets_a_tag_of_its_own() -> None:
    layout, index = built("amd64", "arm64")
    world = arrive(layout.tar(), platform_tags={"linux/arm64": "-lambda"})

    found = tags(world)
    assert found["1.0"] == index["digest"]
    children = {one["platform"]["architecture"]: one["digest"] for one in manifest(world, "1.0")["manifests"]}
    assert found["1.0-lambda"] == children["arm64"]
    assert ("tag#" + f"{SOURCE}/team/app:1.0-lambda", "claim") in world.table.rows


def test_two_platforms_that_meet_at_one_tag_are_refused() -> None:
    layout, _ = built("amd64", "arm64")

    assert refusal(layout.tar(), platform_tags={"linux/amd64": "-x", "linux/arm64": "-x"}) == "TAG_COLLISION"


@pytest.mark.parametrize(
    ("source", "metadata", "expected"),
    [
        ("archive", {"tag": "meta"}, "1.0"),
        ("key", {"tag": "meta"}, "1.4"),
        ("metadata", {"tag": "meta"}, "meta"),
        ("metadata", {}, "1.0"),
    ],
)
@pytest.mark.parametrize("pack", [lambda content: content, archives.gzipped], ids=["plain", "sealed"])
def test_the_tag_comes_from_where_the_setting_says(
    source: str, metadata: dict[str, str], expected: str, pack: Any
) -> None:
    world = World()
    world.bucket.given[KEY] = metadata
    arrive(pack(archives.docker_save(archives.image("hello"))), world=world, tag_source=source)

    assert set(tags(world)) == {expected}


def test_a_tag_of_the_metadata_must_be_one() -> None:
    world = World()
    world.bucket.given[KEY] = {"tag": "../evil"}

    assert refusal(archives.docker_save(archives.image("a")), world=world, tag_source="metadata") == "TAG_NAME"


@pytest.mark.parametrize("pack", [lambda content: content, archives.gzipped], ids=["plain", "sealed"])
def test_a_tag_that_names_other_bytes_is_said_with_the_old_digest(pack: Any) -> None:
    world = arrive(pack(archives.docker_save(archives.image("old"))))
    before = tags(world)["1.0"]
    arrive(pack(archives.docker_save(archives.image("new"))), world=world)

    told = [one.detail for one in world.bus.taken if one.detail_type == "Image Available"][-1]
    assert any(before in warning and "1.0" in warning for warning in told["warnings"])


def test_the_same_bytes_under_their_tag_are_no_warning() -> None:
    layout = archives.Layout()
    layout.list(layout.image(archives.image("hello")), ref="1.0")
    world = arrive(layout.tar())
    arrive(layout.tar(), world=world)

    assert not any(one.detail.get("warnings") for one in world.bus.taken)


# --- charts ----------------------------------------------------------------------------------------------------------

CHART = archives.chart()


@pytest.mark.parametrize("key", ["uploads/charts/webapp-1.2.3.tgz", "uploads/charts/webapp/any-name.tgz"])
def test_a_chart_goes_where_helm_push_would_bring_it(key: str) -> None:
    world = arrive(CHART, key)

    name = RepositoryName("charts/webapp")
    assert set(tags(world, name)) == {"1.2.3_build.5"}
    repository = world.ecr.repository(SOURCE, name)
    (image,) = repository.images.values()
    document = image.document
    assert document["config"]["mediaType"] == "application/vnd.cncf.helm.config.v1+json"
    (layer,) = document["layers"]
    assert layer["mediaType"] == "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
    assert repository.blobs[Digest.parse(layer["digest"])] == CHART
