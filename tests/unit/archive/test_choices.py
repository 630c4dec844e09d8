"""What the operator's settings leave out of an index, and that it is said."""

import json
from typing import Any

import pytest

from chalicelib.archive.contents import ArchiveContents, KeptManifest
from chalicelib.archive.limits import MIB, ArchiveLimits
from chalicelib.archive.read import read_archive
from chalicelib.errors import Code, RefusedError
from tests.archives import (
    OCI_CONFIG,
    Descriptor,
    Layout,
    MemorySource,
    docker_entry,
    docker_save,
    dump,
    hybrid_layout,
    image,
    layer,
    multi_platform,
    tar,
    unpacked,
)


def read(layout: Layout, **choices: Any) -> ArchiveContents:
    return read_archive(MemorySource(layout.tar()), ArchiveLimits(**choices))


def root(contents: ArchiveContents) -> KeptManifest:
    manifest = contents.images[0].manifest
    assert isinstance(manifest, KeptManifest)
    return manifest


def platforms_of(layout: Layout) -> Descriptor:
    return layout.list(multi_platform(layout, "amd64", "arm64", "s390x"))


def attested(layout: Layout, *architectures: str) -> Descriptor:
    """An index as BuildKit writes it: an attestation for each image."""
    children = []
    for architecture in architectures:
        one = layout.image(image(architecture, architecture=architecture))
        children.append({**one, "platform": {"os": "linux", "architecture": architecture}})
        statement = layout.add(layer(f"about {architecture}"), "application/vnd.in-toto+json")
        about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": one["digest"]}
        attestation = layout.manifest(layout.add(image(f"of {architecture}").config, OCI_CONFIG), [statement])
        unknown = {"os": "unknown", "architecture": "unknown"}
        children.append({**attestation, "annotations": about, "platform": unknown})
    return layout.list(layout.index(*children))


def test_without_choices_everything_stays() -> None:
    layout = Layout()
    listed = attested(layout, "amd64", "arm64")

    contents = read(layout)

    assert str(root(contents).blob.descriptor.digest) == listed["digest"]
    assert (contents.pushed, contents.found, contents.warnings) == (5, 5, ())


def test_chosen_platforms_stay_in_an_index_written_anew() -> None:
    layout = Layout()
    listed = platforms_of(layout)

    contents = read(layout, platforms=("linux/amd64", "linux/s390x"))

    content = root(contents).blob.content
    original = json.loads(layout.blobs[listed["digest"][7:]])
    assert isinstance(content, bytes)
    assert json.loads(content)["manifests"] == [original["manifests"][0], original["manifests"][2]]
    assert (contents.pushed, contents.found) == (3, 4)
    assert contents.warnings[0].endswith("linux/arm64")


def test_one_chosen_platform_is_pushed_without_index() -> None:
    layout = Layout()
    listed = platforms_of(layout)

    contents = read(layout, platforms=("linux/arm64",))

    original = json.loads(layout.blobs[listed["digest"][7:]])
    assert str(root(contents).blob.descriptor.digest) == original["manifests"][1]["digest"]


def test_an_attestation_goes_with_its_image() -> None:
    layout = Layout()
    attested(layout, "amd64", "arm64")

    contents = read(layout, platforms=("linux/arm64",))

    assert len(root(contents).children) == 2
    assert len(contents.unwanted) == 2


def test_without_its_attestation_an_image_is_pushed_without_index() -> None:
    layout = Layout()
    attested(layout, "amd64")

    contents = read(layout, attestations=False)

    assert str(root(contents).platform) == "linux/amd64"
    assert (contents.pushed, contents.found) == (1, 2)


def test_no_chosen_platform_is_refused() -> None:
    layout = Layout()
    platforms_of(layout)

    with pytest.raises(RefusedError) as caught:
        read(layout, platforms=("windows/amd64",))

    assert caught.value.code is Code.PLATFORM_ABSENT


UNLISTED = "manifests that nothing lists are in the archive and not pushed: 1"


@pytest.mark.parametrize("before", [0, 3_000_000], ids=["beside", "behind a large blob"])
@pytest.mark.parametrize("length", [10, 200_000])
def test_a_manifest_that_nothing_lists_is_spoken_of_whatever_its_size(before: int, length: int) -> None:
    layout = Layout()
    layout.list(layout.image(image("a")))
    layout.blobs["f" * 64] = bytes(before)
    layout.image(image("forgotten"), annotations={"a": "x" * length})

    assert read(layout).warnings == (UNLISTED,)


def test_a_save_whose_index_lists_nothing_drops_no_signature_in_silence() -> None:
    layout = hybrid_layout(image(), compression="+gzip")
    layout.referrer(layout.entries[0])
    layout.entries.clear()

    contents = read(layout)

    assert (contents.kind, contents.warnings) == ("docker", (UNLISTED,))


def test_a_config_that_docker_does_not_list_is_spoken_of() -> None:
    both = tar(dict([*unpacked(docker_save(image("forgotten"))), *unpacked(docker_save(image("a")))]))

    contents = read_archive(MemorySource(both), ArchiveLimits())

    assert contents.warnings == ("configs that manifest.json does not list are in the archive and not pushed: 1",)


def test_of_many_members_that_nothing_lists_some_are_counted_unseen() -> None:
    layout = Layout()
    layout.list(layout.image(image("a")))
    for number in range(130):
        layout.add(b"%d" % number, OCI_CONFIG)

    assert read(layout).warnings == ("blobs that nothing lists, not looked at, and not pushed: 30",)


def test_of_large_members_that_nothing_lists_some_are_counted_unseen() -> None:
    layout = Layout()
    layout.list(layout.image(image("a")))
    for text in ("one", "two", "three"):
        layout.image(image(text), annotations={"a": "x" * 3 * MIB})

    assert read(layout).warnings == (
        "manifests that nothing lists are in the archive and not pushed: 2",
        "blobs that nothing lists, not looked at, and not pushed: 1",
    )


def test_what_docker_lists_may_be_left_out() -> None:
    layout = Layout()
    listed = multi_platform(layout, "amd64", "arm64")
    layout.list(listed, io_containerd_image_name="docker.io/example/app:1.0")
    child = json.loads(layout.blobs[listed["digest"][7:]])["manifests"][0]
    layout.extra["manifest.json"] = dump([docker_entry(layout, child, ["example/app:1.0"])])

    contents = read(layout, platforms=("linux/arm64",))

    assert str(root(contents).platform) == "linux/arm64"
    assert contents.images[0].names == ("example/app:1.0",)


def test_a_signature_of_an_index_goes_with_what_is_left_of_it() -> None:
    layout = Layout()
    layout.list(layout.referrer(platforms_of(layout)))
    layout.list(layout.image(image("other")), ref="x/other:1")

    contents = read(layout, platforms=("linux/arm64",))

    assert [len(found.referrers) for found in contents.images] == [1, 0]
