"""Where images must arrive, and what a read-back proves."""

from __future__ import annotations

import pytest

from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from chalicelib.ports.registry import ImageAnswer, ImageQuery, ReplicationRule
from chalicelib.replacing import replace
from chalicelib.replicas.destinations import Reading, destinations, judge, near_misses, queries

SOURCE = Registry("111122223333", "us-east-1")
NEAR = Registry("111122223333", "eu-west-1")
FAR = Registry("444455556666", "eu-central-1")
MANIFEST, CHILD = b"manifest", b"child"
DIGEST, CHILD_DIGEST = Digest.of(MANIFEST), Digest.of(CHILD)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], set()),
        ([ReplicationRule((NEAR,))], {NEAR}),
        ([ReplicationRule((NEAR,)), ReplicationRule((NEAR, FAR))], {NEAR, FAR}),
        ([ReplicationRule((NEAR,), ("team/",)), ReplicationRule((FAR,), ("vendor/",))], {NEAR}),
        ([ReplicationRule((FAR,), ("vendor/", "tea"))], {FAR}),
        ([ReplicationRule((SOURCE, NEAR))], {NEAR}),
    ],
    ids=["none", "no filter", "one destination twice", "filters", "raw prefix", "itself"],
)
def test_destinations_follow_the_rules(rules: list[ReplicationRule], expected: set[Registry]) -> None:
    assert destinations(rules, RepositoryName("team/app"), SOURCE) == expected


@pytest.mark.parametrize(("name", "missed"), [("team-x/app", True), ("team", True), ("other/app", False)])
def test_a_near_miss_is_named(name: str, missed: bool) -> None:
    assert near_misses([ReplicationRule((NEAR,), ("team/",))], RepositoryName(name)) == (("team/",) if missed else ())


def answer(query: ImageQuery, manifest: bytes | None, failure: str | None = None) -> ImageAnswer:
    return ImageAnswer(query, manifest, None, failure)


ASKED = queries(DIGEST, [CHILD_DIGEST], [Tag("1")])
SOUND = [MANIFEST, CHILD, MANIFEST]


@pytest.mark.parametrize(
    ("position", "manifest", "failure", "reading"),
    [
        (0, MANIFEST, None, Reading(True, True)),
        (0, b"forged", None, Reading(False, True, "ManifestDiffers")),
        (0, None, "ImageNotFound", Reading(False, True, "ImageAbsent")),
        (1, None, "ImageNotFound", Reading(False, True, "ChildAbsent")),
        (2, None, "ImageNotFound", Reading(True, False, "TagAbsent")),
        (2, None, "ImageTagDoesNotMatchDigest", Reading(True, False, "TagNamesAnotherImage")),
    ],
    ids=["all there", "bytes differ", "absent", "child absent", "tag absent", "tag elsewhere"],
)
def test_a_read_back_is_judged(position: int, manifest: bytes | None, failure: str | None, reading: Reading) -> None:
    contents: list[tuple[bytes | None, str | None]] = [(one, None) for one in SOUND]
    contents[position] = (manifest, failure)

    judged = judge([answer(query, *one) for query, one in zip(ASKED, contents, strict=True)], DIGEST)

    assert replace(judged, checks={}) == reading
