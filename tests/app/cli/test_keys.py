"""Keys, and that the pipeline reads from them what the command line meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.oci.reference import RepositoryName
from chalicelib.planning.naming import file_tag, place
from transship.errors import ArgumentsError
from transship.keys import slug, upload_key


@pytest.mark.parametrize(
    ("file_name", "options", "key"),
    [
        ("app.tar", {}, "uploads/vendor/app/app.tar"),
        ("App 2.0.TAR.gz", {}, "uploads/vendor/app-2.0/App 2.0.TAR.gz"),
        ("test_image_1.tar", {}, "uploads/vendor/test_image_1/test_image_1.tar"),
        ("___.tar", {}, "uploads/vendor/image/___.tar"),
        ("app.tar", {"repository": "team/x"}, "uploads/team/x/app.tar"),
        ("app.tar", {"repository": "team/x", "tag": "1.4"}, "uploads/team/x/x-1.4.tar"),
        ("app.tgz", {"tag": "1.4"}, "uploads/vendor/app/app-1.4.tgz"),
        ("app", {"tag": "1.4"}, "uploads/vendor/app/app-1.4.tar"),
        ("app.tar", {"key": "uploads/a/b/c.tar"}, "uploads/a/b/c.tar"),
    ],
)
def test_key(file_name: str, options: dict[str, str], key: str) -> None:
    assert upload_key(Path("somewhere", file_name), **options) == key


@pytest.mark.parametrize(
    "options",
    [
        {"key": "uploads/a/b.tar", "tag": "1"},
        {"key": "uploads/a/b.tar", "repository": "ab"},
        {"repository": "UPPER"},
        {"repository": "a/../b"},
        {"tag": "no spaces"},
    ],
    ids=str,
)
def test_refuses_what_the_pipeline_would_refuse(options: dict[str, str]) -> None:
    with pytest.raises(ArgumentsError):
        upload_key(Path("app.tar"), **options)


@given(st.text(min_size=1, max_size=60).filter(lambda name: "/" not in name and "\0" not in name))
def test_any_file_name_gives_a_repository(file_name: str) -> None:
    assert RepositoryName(f"vendor/{slug(file_name)}")


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True))
@example("0.")
@example("1.oci")
def test_a_tag_comes_out_as_it_went_in_or_is_refused(tag: str) -> None:
    try:
        key = upload_key(Path("archive.tar"), repository="team/app", tag=tag)
    except ArgumentsError:
        assert tag.endswith((".", ".oci", ".docker"))
        return

    where = place(key, "uploads/")
    assert (str(where.repository), file_tag(where)) == ("team/app", tag)
