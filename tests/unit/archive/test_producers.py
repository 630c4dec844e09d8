"""Archives of tools that are not here: what we build has the members of theirs, and is taken, as it is and packed."""

from __future__ import annotations

import io
import re
import tarfile

import pytest

from chalicelib.archive.compressed import open_compressed
from chalicelib.archive.contents import ArchiveContents, GeneratedManifest
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.read import read_archive
from tests.archives import Image, MemorySource, gzipped, image, layer, sha256
from tests.corpora import CORPUS, needs_corpus
from tests.producers import BUILDERS, RECORDS, listed, shape

ONE = image("base", "app", "top")
IDS = [f"{tool}, {form}" for tool, form in BUILDERS]
EVIDENCE = re.compile(r"[\w.-]+/[\w.-]+(@[0-9a-f]{40}:[\w./-]+|#[0-9]+)")
GGCR = "kaniko, ko or crane"
NO_DAEMON = "a builder without a daemon (Bazel, crane, Nix)"
PRODUCERS = {
    ("kaniko, crane and ko", "tarball"): GGCR,
    ("crane", "legacy"): NO_DAEMON,
    ("Jib", "docker"): "Jib",
    ("Bazel rules_docker", "docker"): NO_DAEMON,
    ("Bazel rules_docker", "joined layers"): NO_DAEMON,
    ("Bazel rules_docker", "joined layers, compressed"): GGCR,
    ("Bazel rules_oci", "docker"): "Bazel (rules_oci)",
    ("Bazel rules_oci", "docker, by mtree"): "Bazel (rules_oci)",
    ("Nix dockerTools", "streamLayeredImage"): NO_DAEMON,
    ("Nix dockerTools", "buildImage"): "docker save (before 25) or Nix",
}
# Sorted by names that are digests, or as a folder lists them.
NO_ORDER = [("Nix dockerTools", "buildImage"), ("Bazel rules_oci", "docker"), ("Bazel rules_oci", "oci")]


def diff_ids(contents: ArchiveContents) -> list[str]:
    (found,) = contents.images
    nodes = [node for node in found.manifests() if isinstance(node, GeneratedManifest) or node.config]
    (node,) = nodes
    if isinstance(node, GeneratedManifest):
        return [one.diff_id.hex for one in node.layers]
    return [one.hex for one in node.diff_ids]


def test_every_record_has_a_builder_and_says_where_it_is_from() -> None:
    assert [(one["tool"], one["form"]) for one in RECORDS] == list(BUILDERS)
    for one in RECORDS:
        assert one["evidence"]
        assert all(EVIDENCE.fullmatch(text) for text in one["evidence"])


def test_a_record_is_of_a_real_file_to_the_byte() -> None:
    for one in RECORDS:
        assert one["recorded"]
        assert all(isinstance(size, int) for _, _, size in one["members"])


@pytest.mark.parametrize("record", RECORDS, ids=IDS)
def test_ours_has_the_members_of_the_real_one(record: dict[str, object]) -> None:
    number = int(str(record["layers"]))
    one = Image(tuple(layer(f"layer {depth}") for depth in range(number)))
    members = [(name, kind) for name, kind, _ in record["members"]]  # type: ignore[attr-defined]

    key = str(record["tool"]), str(record["form"])
    built = BUILDERS[key](one)

    if key in NO_ORDER:
        assert sorted(shape(listed(built))) == sorted(shape(members))
    else:
        assert shape(listed(built)) == shape(members)


@pytest.mark.parametrize("build", BUILDERS.values(), ids=IDS)
@pytest.mark.parametrize("repeated", [False, True], ids=["", "a layer twice"])
def test_taken(build: object, *, repeated: bool) -> None:
    one = image("base", "app", "base") if repeated else ONE
    content = build(one)  # type: ignore[operator]

    contents = read_archive(MemorySource(content), ArchiveLimits())

    assert diff_ids(contents) == [sha256(content) for content in one.layers]
    # containerd writes the registry out
    assert tuple(name.removeprefix("docker.io/") for name in contents.images[0].names) == one.tags
    assert not contents.warnings


@pytest.mark.parametrize("build", BUILDERS.values(), ids=IDS)
def test_taken_as_a_whole_compressed(build: object) -> None:
    """Nix writes no other."""
    with open_compressed(MemorySource(gzipped(build(ONE))), ArchiveLimits()) as archive:  # type: ignore[operator]
        for _ in archive:
            pass

        assert diff_ids(archive.contents()) == [sha256(content) for content in ONE.layers]


@pytest.mark.parametrize(("tool", "form"), PRODUCERS)
def test_who_wrote_it(tool: str, form: str) -> None:
    contents = read_archive(MemorySource(BUILDERS[tool, form](ONE)), ArchiveLimits())

    assert contents.producer == PRODUCERS[tool, form]


@needs_corpus
@pytest.mark.parametrize(
    ("name", "tool", "form"),
    [
        ("ggcr/test_image_1.tar", "Bazel rules_docker", "docker"),
        ("libimage/buildkit-docker.tar", "buildx", "type=docker"),
        ("libimage/buildkit-oci.tar", "buildx", "type=oci"),
    ],
)
def test_the_record_is_the_real_file(name: str, tool: str, form: str) -> None:
    record = next(one for one in RECORDS if (one["tool"], one["form"]) == (tool, form))
    content = (CORPUS / "images" / name).read_bytes()

    assert listed(content) == [(member, kind) for member, kind, _ in record["members"]]
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert [one.size for one in archive] == [size for _, _, size in record["members"]]
