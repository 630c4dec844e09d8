"""
No tar that we take is another tar to another reader.

The number of examples is TRANSSHIP_EXAMPLES: 150 in a plain run, 200,000 by `make differential`, which takes hours and
no time limit. GNU tar, a process for each, gets a twentieth of it, but at least 25.
"""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.mutations import tars
from tests.fuzz.readers import by_gnu_tar, by_libarchive, by_tarfile, ours

EXAMPLES = int(os.environ.get("TRANSSHIP_EXAMPLES", "150"))
QUICK = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SLOW = settings(QUICK, max_examples=max(EXAMPLES // 20, 25))

pytestmark = pytest.mark.timeout(120 if EXAMPLES <= 1_000 else 0)


@QUICK
@given(tars())
def test_tarfile_sees_the_same(content: bytes) -> None:
    files = ours(content)

    if files is not None:
        assert by_tarfile(content) in (files, None)


@QUICK
@given(tars())
def test_libarchive_sees_the_same(content: bytes) -> None:
    files = ours(content)

    if files is not None:
        assert by_libarchive(content) == files


@pytest.mark.check
@SLOW
@given(content=tars())
def test_gnu_tar_sees_the_same(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    files = ours(content)

    if files is not None:
        folder: Path = tmp_path_factory.mktemp("gnu") / "out"
        try:
            assert by_gnu_tar(content, folder) in (files, None)
        finally:
            shutil.rmtree(folder)


def test_the_strategy_makes_archives_that_are_taken_and_some_that_are_not() -> None:
    """A differential test that never compares anything would pass as well."""
    verdicts: list[bool] = []

    @settings(max_examples=200, database=None, deadline=None, derandomize=True)
    @given(tars())
    def collect(content: bytes) -> None:
        verdicts.append(bool(ours(content)))

    collect()

    assert 0.2 < sum(verdicts) / len(verdicts) < 0.9
