"""
skopeo as the judge: every archive that we take, and that it can read, is the same image to both.

`docker-archive:` shows the config and the uncompressed layers, `oci-archive:` the manifest's own bytes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.archive.contents import ArchiveContents, ArchiveImage, GeneratedManifest, KeptManifest
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.read import read_archive
from chalicelib.errors import RefusedError
from tests.archives import (
    DOCKER_MANIFEST,
    Layout,
    MemorySource,
    docker_save,
    gzipped,
    hybrid,
    image,
    mended,
    multi_platform,
    packed_save,
    sha256,
    tar,
    unpacked,
)
from tests.corpora import CORPUS, needs_corpus
from tests.corpus.test_images import TAKEN, plain
from tests.fuzz.mutations import damage
from tests.hostile import ATTACKS, Attack
from tests.producers import BUILDERS

pytestmark = [
    pytest.mark.check,
    pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed"),
]


def skopeo(*arguments: str) -> bytes | None:
    """Return what skopeo prints, None if it refuses."""
    done = subprocess.run(["skopeo", "inspect", "--raw", *arguments], check=False, capture_output=True)
    return None if done.returncode else done.stdout


def seen_by_skopeo(path: Path | str, kind: str) -> tuple[str, ...] | None:
    if kind == "oci":
        raw = skopeo(f"oci-archive:{path}")
        return None if raw is None else (sha256(raw),)
    config, manifest = skopeo("--config", f"docker-archive:{path}"), skopeo(f"docker-archive:{path}")
    if config is None or manifest is None:
        return None
    return sha256(config), *(str(one["digest"])[7:] for one in json.loads(manifest)["layers"])


def seen_by_us(found: ArchiveImage, kind: str) -> tuple[str, ...]:
    manifest = found.manifest
    if kind == "oci":
        assert isinstance(manifest, KeptManifest)
        return (manifest.blob.descriptor.digest.hex,)
    if isinstance(manifest, GeneratedManifest):
        return manifest.config.descriptor.digest.hex, *(one.diff_id.hex for one in manifest.layers)
    assert manifest.config is not None
    return manifest.config.descriptor.digest.hex, *(one.hex for one in manifest.diff_ids)


def kinds(contents: ArchiveContents) -> list[str]:
    return {"docker": ["docker"], "oci": ["oci"], "docker+oci": ["docker"]}[contents.kind]


def layout(**fields: str) -> bytes:
    one = Layout()
    one.list(one.image(image(), **fields), ref="1.0")
    return one.tar()


def index_layout() -> bytes:
    one = Layout()
    one.list(multi_platform(one, "amd64", "arm64"), ref="1.0")
    return one.tar()


FORMS = {
    "legacy": docker_save(image()),
    "legacy with links": docker_save(image("a", "b", "a"), links=True),
    "legacy with links before": docker_save(image("a", "b", "a"), links=True, link_first=True),
    "hybrid": hybrid(image()),
    "hybrid of original blobs": hybrid(image(), compression="+gzip"),
    "gzip layers without a manifest": packed_save(image()),
    "layout": layout(),
    "layout, uncompressed": layout(compression=""),
    "layout, zstd": layout(compression="+zstd"),
    "layout, Docker types": layout(media_type=DOCKER_MANIFEST),
    "layout with an index": index_layout(),
    **{f"{tool}, {form}": build(image()) for (tool, form), build in BUILDERS.items()},
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS.keys())
def test_every_form_is_the_same_image(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(content)
    contents = read_archive(MemorySource(content), ArchiveLimits())

    for kind in kinds(contents):
        assert seen_by_skopeo(path, kind) == seen_by_us(contents.images[0], kind)


def test_a_hybrid_is_the_same_layout_too(tmp_path: Path) -> None:
    content = hybrid(image(), compression="+gzip")
    (tmp_path / "image.tar").write_bytes(content)

    (found,) = read_archive(MemorySource(content), ArchiveLimits()).images

    assert seen_by_skopeo(tmp_path / "image.tar", "oci") == seen_by_us(found, "oci")


UNREAD = "trivy/alpine-310.tar.gz"  # skopeo 1.9 reads no `docker save` that is compressed


@needs_corpus
@pytest.mark.parametrize("name", sorted(TAKEN.keys() - {UNREAD}))
def test_real_archives_are_the_same_images(name: str, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(plain(name))
    contents = read_archive(MemorySource(path.read_bytes()), ArchiveLimits())

    for kind in kinds(contents):
        for number, found in enumerate(contents.images):
            place = f"{path}:@{number}" if kind == "docker" else str(path)
            assert seen_by_skopeo(place, kind) == seen_by_us(found, kind)


@needs_corpus
def test_the_archive_that_skopeo_does_not_read_is_the_same_image_once_it_is_plain(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(plain(UNREAD))

    (found,) = read_archive(MemorySource(path.read_bytes()), ArchiveLimits()).images

    assert skopeo(f"docker-archive:{CORPUS / 'images' / UNREAD}") is None
    assert seen_by_skopeo(path, "docker") == seen_by_us(found, "docker")


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_what_we_refuse_is_another_image_to_skopeo(attack: Attack, tmp_path: Path) -> None:
    """Not to skopeo's discredit: it shows that the attacks are real."""
    path = tmp_path / "image.tar"
    path.write_bytes(attack.content)

    config = skopeo("--config", f"docker-archive:{path}")

    assert config == (attack.seen and attack.seen.config)


EDITS = [
    (b'"Layers":', b'"layers":'),
    (b'"Layers":', b'"Layers":[],"layers":'),
    (b'"Config":', b'"Config":"x","Config":'),
    (b'"RepoTags":', b'"repoTags":'),
    (b'"digest":', b'"Digest":'),
    (b'"manifests":', b'"Manifests":'),
    (b'"config":', b'"Config":'),
    (b'"architecture":"amd64"', b'"architecture":"amd65"'),
    (b'"size":', b'"size":1'),
    (b"layer.tar", b"layer.tat"),
    (b"manifest.json", b"./nifest.json"),
    (b"blobs/sha256/", b"blobs/./sha2/"),
    (b"ustar\x0000", b"ustar  \0"),
]


def edited(form: str, old: bytes, new: bytes, times: int) -> bytes:
    """Replace a text, the first *times* that it occurs, in a sound archive, the tar's own structure mended."""
    content = FORMS[form]
    if len(old) != len(new):
        return rebuilt(content, old, new)
    return mended(content.replace(old, new, times))


def rebuilt(content: bytes, old: bytes, new: bytes) -> bytes:
    files = unpacked(content)
    return tar([(name, body.replace(old, new) if isinstance(body, bytes) else body) for name, body in files])


def taken(content: bytes) -> ArchiveContents | None:
    """Return what we read, None if we refuse it."""
    try:
        return read_archive(MemorySource(content), ArchiveLimits())
    except RefusedError:
        return None


def check_skopeo_sees_no_other(contents: ArchiveContents, content: bytes, folder: Path) -> None:
    path = folder / "image.tar"
    path.write_bytes(content)
    for kind in kinds(contents):
        assert seen_by_skopeo(path, kind) in (seen_by_us(contents.images[0], kind), None)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(["legacy", "hybrid", "layout", "layout with an index"]),
    edit=st.sampled_from(EDITS),
    times=st.integers(1, 9),
)
def test_no_edited_archive_is_another_image_to_skopeo(
    form: str, edit: tuple[bytes, bytes], times: int, tmp_path: Path
) -> None:
    content = edited(form, *edit, times)
    contents = taken(content)
    # Of a sparse index we take what is there, and say so; `skopeo inspect` does not look what is there.
    if contents and not contents.absent:
        check_skopeo_sees_no_other(contents, content, tmp_path)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    content = bytearray(FORMS[draw(st.sampled_from(["legacy", "legacy with links", "hybrid", "layout"]))])
    for _ in range(draw(st.integers(1, 2))):
        content = damage(draw, content)
    return bytes(content)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=damaged())
def test_no_damaged_tar_is_another_image_to_skopeo(content: bytes, tmp_path: Path) -> None:
    contents = taken(content)
    if contents:
        check_skopeo_sees_no_other(contents, content, tmp_path)


def test_an_archive_compressed_as_a_whole_is_the_same_image(tmp_path: Path) -> None:
    """Skopeo 1.9 cannot read these of `docker save`; it reads those of layouts."""
    content = FORMS["layout"]
    (tmp_path / "image.tar.gz").write_bytes(gzipped(content))

    (found,) = read_archive(MemorySource(content), ArchiveLimits()).images

    assert seen_by_skopeo(tmp_path / "image.tar.gz", "oci") == seen_by_us(found, "oci")
