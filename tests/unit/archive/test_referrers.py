"""Signatures, SBOMs and attestations go with the image that they speak of."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.archive.contents import ArchiveContents, ArchiveImage, KeptManifest
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.read import read_archive
from chalicelib.errors import Code, RefusedError
from tests.archives import OCI_CONFIG, Layout, MemorySource, hybrid_layout, image, layer, multi_platform


def contents_of(layout: Layout) -> ArchiveContents:
    return read_archive(MemorySource(layout.tar()), ArchiveLimits())


def read(layout: Layout) -> tuple[ArchiveImage, ...]:
    return contents_of(layout).images


def digest(found: ArchiveImage) -> str:
    assert isinstance(found.manifest, KeptManifest)
    return str(found.manifest.blob.descriptor.digest)


def referred(found: ArchiveImage) -> list[tuple[str, str | None]]:
    return [(str(one.manifest.blob.descriptor.digest), one.tag) for one in found.referrers]


def signature(layout: Layout, text: str = "signature") -> dict[str, Any]:
    """Store what cosign writes: an image manifest over a layer of its own type."""
    blob = layout.add(text.encode(), "application/vnd.dev.cosign.simplesigning.v1+json")
    return layout.manifest(layout.add(b'{"rootfs":{"type":"layers","diff_ids":[]}}', OCI_CONFIG), [blob])


def cosign_tag(subject: dict[str, Any], suffix: str) -> str:
    return str(subject["digest"]).replace(":", "-") + suffix


@pytest.mark.parametrize("first", ["image", "referrer"])
def test_a_subject_binds_whatever_the_order(first: str) -> None:
    layout = Layout()
    one = layout.list(layout.image(image()), ref="1.0")
    sbom = layout.list(layout.referrer(one))
    if first == "referrer":
        layout.entries.reverse()

    (found,) = read(layout)

    assert referred(found) == [(sbom["digest"], None)]
    assert len(list(found.manifests())) == 2


def test_a_signature_of_an_sbom_goes_along() -> None:
    layout = Layout()
    one = layout.list(layout.image(image()))
    sbom = layout.referrer(one)
    layout.list(layout.referrer(sbom, "application/vnd.signature"))
    layout.list(sbom)

    (found,) = read(layout)

    assert len(found.referrers) == 2


def test_the_subject_may_be_one_platform_of_an_index() -> None:
    layout = Layout()
    child = layout.image(image("arm64", architecture="arm64"))
    layout.list(multi_platform(layout, "amd64", "arm64"))
    layout.list(layout.referrer(child))

    (found,) = read(layout)

    assert len(found.referrers) == 1


@pytest.mark.parametrize("suffix", [".sig", ".att", ".sbom", ""])
@pytest.mark.parametrize("name", ["{}", "registry.example/app:{}"])
def test_cosigns_tags_bind_and_are_kept(suffix: str, name: str) -> None:
    layout = Layout()
    one = layout.list(layout.image(image()), ref="1.0")
    tag = cosign_tag(one, suffix)
    signed = layout.list(signature(layout), ref=name.format(tag))

    (found,) = read(layout)

    assert referred(found) == [(signed["digest"], tag)]


@pytest.mark.parametrize(("kind", "suffix"), [("sigs", ".sig"), ("atts", ".att"), ("sboms", ".sbom")])
def test_kinds_of_cosign_save_bind_by_name(kind: str, suffix: str) -> None:
    layout = Layout()
    layout.list(layout.image(image("other")), ref="x/other:1", kind="dev.cosignproject.cosign/image")
    one = layout.list(layout.image(image()), ref="x/app:1", kind="dev.cosignproject.cosign/image")
    signed = layout.list(signature(layout), ref="x/app:1")
    layout.entries[-1]["annotations"]["kind"] = f"dev.cosignproject.cosign/{kind}"

    other, found = read(layout)

    assert referred(found) == [(signed["digest"], cosign_tag(one, suffix))]
    assert other.referrers == ()


@pytest.mark.parametrize("names", ["tag", "kind"])
def test_a_signed_manifest_keeps_its_bytes_although_docker_made_it_up(names: str) -> None:
    layout = hybrid_layout(image())
    one = layout.entries[0]
    if names == "tag":
        layout.list(signature(layout), ref=cosign_tag(one, ".sig"))
    else:
        layout.list(signature(layout), io_containerd_image_name=one["annotations"]["io.containerd.image.name"])
        layout.entries[-1]["annotations"]["kind"] = "dev.cosignproject.cosign/sigs"

    (found,) = read(layout)

    assert digest(found) == one["digest"]
    assert [one.tag for one in found.referrers] == [cosign_tag(one, ".sig")]


HAULER = {
    "kind": lambda _: {"kind": "dev.hauler/sigs"},
    "kind with digest": lambda one: {"kind": f"dev.hauler/sigs/{one['digest'][7:]}"},
    "annotation": lambda one: {"kind": "dev.hauler/sigs", "hauler.dev/subject-digest": one["digest"]},
    "reference name": lambda one: {"org.opencontainers.image.ref.name": f"team/app:{cosign_tag(one, '.sig')}"},
}


@pytest.mark.parametrize("about", HAULER.values(), ids=HAULER)
def test_every_way_of_haulers_binds(about: Callable[[dict[str, Any]], dict[str, str]]) -> None:
    """Each entry has the name of its image (hauler.dev, pkg/consts)."""
    layout = Layout()
    name = "registry.example/team/app:1"
    layout.list(layout.image(image("other")), io_containerd_image_name="registry.example/team/other:1")
    one = layout.list(layout.image(image()), io_containerd_image_name=name)
    layout.list(signature(layout), io_containerd_image_name=name)
    layout.entries[-1]["annotations"].update(about(one))

    contents = contents_of(layout)

    assert [len(found.referrers) for found in contents.images] == [0, 1]
    assert contents.images[1].referrers[0].tag == cosign_tag(one, ".sig")
    assert contents.warnings == ()


def test_a_subject_that_is_no_digest_is_refused_with_its_place() -> None:
    layout = Layout()
    layout.list(layout.image(image()), ref="x/app:1")
    layout.list(signature(layout), ref="x/app:1", kind="dev.hauler/sigs")
    layout.entries[-1]["annotations"]["hauler.dev/subject-digest"] = "sha256:../x"

    with pytest.raises(RefusedError) as caught:
        read(layout)

    assert (caught.value.code, caught.value.member) == (Code.DIGEST_FORM, "index.json")


def test_haulers_signature_of_one_platform_keeps_that_platforms_tag() -> None:
    layout = Layout()
    child = layout.image(image("arm64", architecture="arm64"))
    name = "registry.example/team/app:1"
    layout.list(multi_platform(layout, "amd64", "arm64"), io_containerd_image_name=name)
    layout.list(signature(layout), io_containerd_image_name=name)
    layout.entries[-1]["annotations"]["kind"] = f"dev.hauler/sigs/{child['digest'][7:]}"

    (found,) = read(layout)

    assert [one.tag for one in found.referrers] == [cosign_tag(child, ".sig")]


LOST = "signatures, SBOMs or attestations speak of a manifest that is not pushed: 1"


@pytest.mark.parametrize("names", ["subject", "tag"])
def test_what_speaks_of_an_index_that_is_written_anew_is_spoken_of(names: str) -> None:
    layout = Layout()
    whole = layout.list(multi_platform(layout, "amd64", "arm64", "s390x", present=("amd64", "arm64")), ref="1.0")
    if names == "tag":
        layout.list(signature(layout), ref=cosign_tag(whole, ".sig"))
    else:
        layout.list(layout.referrer(whole))

    contents = contents_of(layout)

    assert len(contents.images[0].referrers) == 1
    assert contents.warnings[1:] == (LOST,)


def test_what_speaks_of_something_that_is_pushed_needs_no_warning() -> None:
    layout = Layout()
    one = layout.list(multi_platform(layout, "amd64", "arm64"), ref="1.0")
    layout.list(layout.referrer(layout.list(layout.referrer(one))))
    layout.list(signature(layout), ref=cosign_tag(one, ".sig"))

    assert contents_of(layout).warnings == ()


def test_a_subject_that_is_not_there_goes_with_the_only_image() -> None:
    layout = Layout()
    one = layout.list(layout.image(image()), ref="1.0")
    gone = layout.image(image("gone"))
    sbom = layout.list(layout.referrer(gone))

    (found,) = read(layout)

    assert digest(found) == one["digest"]
    assert referred(found) == [(sbom["digest"], None)]
    assert LOST in contents_of(layout).warnings


def test_a_subject_that_is_not_there_is_an_image_of_its_own_among_several() -> None:
    layout = Layout()
    layout.list(layout.image(image("a")), ref="x/a:1")
    layout.list(layout.image(image("b")), ref="x/b:1")
    layout.list(layout.referrer(layout.image(image("gone"))))

    assert [found.names for found in read(layout)] == [("x/a:1",), ("x/b:1",), ()]


def test_an_artifact_alone_is_an_image() -> None:
    layout = Layout()
    sbom = layout.list(layout.referrer(layout.image(image("gone"))), ref="sbom")

    (found,) = read(layout)

    assert isinstance(found.manifest, KeptManifest)
    assert found.manifest.subject is not None
    assert digest(found) == sbom["digest"]


def test_attestations_of_buildkit_stay_in_their_index() -> None:
    layout = Layout()
    one = layout.image(image())
    statement = layout.add(layer("statement"), "application/vnd.in-toto+json")
    attestation = layout.manifest(layout.add(image("statement").config, OCI_CONFIG), [statement])
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": one["digest"]}
    unknown = {"os": "unknown", "architecture": "unknown"}
    layout.list(layout.index(one, {**attestation, "annotations": about, "platform": unknown}))

    (found,) = read(layout)

    manifest = found.manifest
    assert isinstance(manifest, KeptManifest)
    assert [str(child.blob.descriptor.digest) for child in manifest.children] == [one["digest"], attestation["digest"]]
