"""A file as an `ObjectSource`."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.byte_range import ByteRange
from chalicelib.codes import Code
from chalicelib.errors import FailedError
from transship.file_source import FileSource


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return path


def test_reads_exactly_the_span(path: Path) -> None:
    with FileSource(path) as source:
        assert source.size == 10
        assert source.read(ByteRange(3, 4)) == b"3456"
        assert source.read(ByteRange(10, 0)) == b""


def test_two_streams_keep_their_own_places(path: Path) -> None:
    with FileSource(path) as source, source.open(ByteRange(0, 5)) as one, source.open(ByteRange(5, 5)) as two:
        assert [one.read(2), two.read(2), one.read(9), two.read(9)] == [b"01", b"56", b"234", b"789"]
        assert (one.read(1), two.read(1)) == (b"", b"")


def test_a_file_that_becomes_shorter_is_an_object_that_changed(path: Path) -> None:
    with FileSource(path) as source:
        path.write_bytes(b"012")
        with pytest.raises(FailedError) as failed:
            source.read(ByteRange(0, 10))

    assert (failed.value.code, failed.value.offset) == (Code.OBJECT_CHANGED, 3)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileSource(tmp_path / "none")
