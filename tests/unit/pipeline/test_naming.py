"""From keys and names of archives to repositories and tags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.archive.contents import ArchiveImage, Blob, GeneratedManifest
from chalicelib.byte_range import ByteRange
from chalicelib.errors import RefusedError
from chalicelib.oci.descriptor import Descriptor
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName
from chalicelib.planning.naming import Name, Place, file_tag, place, read_name, targets

PREFIX = "uploads/"
APP = Place(RepositoryName("vendor/app"), "app-1.4.tar")
CONFIG = Blob(descriptor=Descriptor(media_type="x", digest=Digest.of(b"config"), size=6), content=ByteRange(0, 6))


def image(*names: str) -> ArchiveImage:
    return ArchiveImage(manifest=GeneratedManifest(config=CONFIG, layers=()), names=names)


def decided(*images: ArchiveImage, where: Place = APP) -> list[list[str]]:
    return [[f"{target.repository}:{tag}" for target in own for tag in target.tags] for own in targets(where, images)]


@pytest.mark.parametrize(
    ("key", "repository", "file_name"),
    [
        ("uploads/vendor/app/app-1.4.tar", "vendor/app", "app-1.4.tar"),
        ("uploads/ab/x.tar", "ab", "x.tar"),
        ("uploads/a/b/c/d/e f+g.tar", "a/b/c/d", "e f+g.tar"),
    ],
)
def test_a_key_names_a_repository_and_a_file(key: str, repository: str, file_name: str) -> None:
    assert place(key, PREFIX) == Place(RepositoryName(repository), file_name)


@pytest.mark.parametrize(
    "key",
    [
        "uploads/app.tar",
        "uploads//app.tar",
        "uploads/vendor/app/",
        "uploads/vendor//app/x.tar",
        "uploads/../app/x.tar",
        "uploads/vendor/./x.tar",
        "uploads/Vendor/x.tar",
        "uploads/vendor%2Fapp/x.tar",
        "uploads/vend\u00f6r/x.tar",
        "uploads/vendor/app /x.tar",
        "uploads/a/x.tar",
        "other/vendor/app/x.tar",
        f"uploads/{'a' * 257}/x.tar",
    ],
)
def test_a_key_that_names_no_repository_is_refused(key: str) -> None:
    with pytest.raises(RefusedError, match=r"KEY|REPOSITORY_NAME"):
        place(key, PREFIX)


@given(st.text(max_size=80), st.text(max_size=80))
def test_two_keys_never_meet_at_one_place(one: str, other: str) -> None:
    found = []
    for text in (one, other):
        try:
            found.append(place(f"uploads/{text}", PREFIX))
        except RefusedError:
            return
    assert (found[0] == found[1]) == (one == other)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("registry.example:5000/vendor/app:1.4", Name("app", "1.4")),
        ("vendor/app:1.4", Name("app", "1.4")),
        ("app:1.4", Name("app", "1.4")),
        (":1.4", Name(None, "1.4")),
        ("registry.example:5000/vendor/app", Name("app", None)),
        ("app", Name("app", None)),
        (f"vendor/app:1.4@sha256:{'0' * 64}", Name("app", "1.4")),
        ("", Name(None, None)),
    ],
)
def test_a_name_is_taken_apart(text: str, name: Name) -> None:
    assert read_name(text) == name


@pytest.mark.parametrize(
    ("file_name", "tag"),
    [
        ("app-1.4.tar", "1.4"),
        ("app-1.4.tar.gz", "1.4"),
        ("app-1.4.tgz", "1.4"),
        ("app-1.4.TAR.ZST", "1.4"),
        ("app-1.4.oci.tar", "1.4"),
        ("1.4.tar", "1.4"),
        ("application-1.4.tar", "application-1.4"),
        ("app.tar", "app"),
        ("app-1.4", "1.4"),
    ],
)
def test_a_file_name_gives_a_tag(file_name: str, tag: str) -> None:
    assert file_tag(Place(APP.repository, file_name)) == tag


def test_one_image_goes_to_the_keys_repository_under_its_own_tags() -> None:
    assert decided(image("x/other:1", "x/other:2", "y/other:1")) == [["vendor/app:1", "vendor/app:2"]]


def test_an_image_without_a_tag_takes_the_file_names() -> None:
    assert decided(image()) == decided(image("x/app")) == [["vendor/app:1.4"]]


def test_several_images_go_below_the_keys_repository() -> None:
    assert decided(image("x/web:1"), image("y/db:2", "y/db:latest")) == [
        ["vendor/app/web:1"],
        ["vendor/app/db:2", "vendor/app/db:latest"],
    ]


def test_an_image_with_two_names_goes_to_both() -> None:
    assert decided(image("x/web:1", "x/proxy:1"), image("db:2"))[0] == ["vendor/app/web:1", "vendor/app/proxy:1"]


def test_names_that_are_only_tags_stay_in_the_keys_repository() -> None:
    assert decided(image(":1"), image(":2")) == [["vendor/app:1"], ["vendor/app:2"]]


@pytest.mark.parametrize(
    ("images", "code"),
    [
        ([image("a:1"), image()], "IMAGE_NAME"),
        ([image("a:1"), image("x/a:1")], "TAG_COLLISION"),
        ([image("a:b c")], "TAG_NAME"),
        ([image(f"a:{'x' * 129}")], "TAG_NAME"),
        ([image("a:1"), image("B:1")], "REPOSITORY_NAME"),
        ([image("a:new\nline")], "TAG_NAME"),
    ],
    ids=["unnamed", "collision", "blank", "long", "capital", "newline"],
)
def test_unusable_names_are_refused(images: list[ArchiveImage], code: str) -> None:
    with pytest.raises(RefusedError, match=code):
        decided(*images)


def test_a_file_name_without_a_tag_is_refused() -> None:
    with pytest.raises(RefusedError, match="TAG_MISSING"):
        decided(image(), where=Place(APP.repository, ".tar"))
