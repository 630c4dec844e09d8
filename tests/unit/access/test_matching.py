"""Wildcards of policies, compared with other ways of matching, and how long they take."""

from __future__ import annotations

import itertools
import re
from fnmatch import fnmatchcase
from typing import Any

from chalicelib.access.matching import Template, arn_glob, glob

ALL = "arn:aws:ecr:us-east-1:111122223333:repository/"


def tokens(text: str) -> tuple[Any, ...]:
    return Template.parse(text, variables=False).tokens


def test_a_glob_is_that_of_the_standard_library() -> None:
    texts = ["".join(text) for size in range(5) for text in itertools.product("ab", repeat=size)]
    for size in range(1, 6):
        for pieces in itertools.product("*?ab", repeat=size):
            pattern = "".join(pieces)
            found = [text for text in texts if glob(tokens(pattern)).fullmatch(text)]
            assert found == [text for text in texts if fnmatchcase(text, pattern)], pattern


def test_an_arn_is_matched_as_by_trying_everything() -> None:
    """Two segments that matter, the fifth and the sixth: before the sixth a wildcard does not pass a colon."""
    texts = ["".join(text) for size in range(5) for text in itertools.product("ab:", repeat=size)]
    for size in range(1, 5):
        for pieces in itertools.product("*?a:", repeat=size):
            pattern = f"p:p:p:p:{''.join(pieces)}"
            tried = re.compile(trying_everything(pattern), re.DOTALL)
            for text in texts:
                arn = f"p:p:p:p:{text}"
                assert bool(arn_glob(tokens(pattern)).fullmatch(arn)) is bool(tried.fullmatch(arn)), (pattern, arn)


def trying_everything(pattern: str) -> str:
    segments = pattern.split(":", 5)
    before = [segment.replace("*", "[^:]*").replace("?", "[^:]") for segment in segments[:5]]
    last = segments[5].replace("*", ".*").replace("?", ".") if len(segments) > 5 else ".*"
    return ":".join([*before, last])


def test_no_number_of_wildcards_takes_long() -> None:
    pattern = arn_glob(tokens(ALL + "*a" * 100 + "*b"))

    assert not pattern.fullmatch(ALL + "a" * 256)
    assert pattern.fullmatch(ALL + "a" * 255 + "b")
