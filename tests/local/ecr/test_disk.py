"""Layers are written past the page cache where the system can, and in the common way where it cannot."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from transship.local.ecr.disk import write_at

MIB = 1 << 20
PIECES = (MIB, 3 * MIB + 17, 100, 2 * MIB)

Write = Callable[..., int]


def written(file: Path) -> tuple[bytes, bytes]:
    """Write pieces one after the other and return what they were and what the file holds."""
    pieces = [os.urandom(size) for size in PIECES]
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    try:
        offset = 0
        for piece in pieces:
            write_at(descriptor, memoryview(piece), offset)
            offset += len(piece)
    finally:
        os.close(descriptor)
    return b"".join(pieces), file.read_bytes()


def test_pieces_of_any_length_follow_each_other(tmp_path: Path) -> None:
    given, held = written(tmp_path / "layer")
    assert held == given


def test_only_large_pieces_are_asked_to_pass_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, pwritev = [], os.pwritev

    def noting(descriptor: int, pieces: list[memoryview], offset: int, flags: int) -> int:
        asked.append((len(pieces[0]), flags))
        return pwritev(descriptor, pieces, offset, 0)

    monkeypatch.setattr(os, "pwritev", noting)
    monkeypatch.setattr("sys.platform", "linux")
    written(tmp_path / "layer")
    assert asked == [(size, 0x80 if size >= MIB else 0) for size in PIECES]


def test_a_system_that_cannot_is_asked_in_the_common_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwritev = os.pwritev

    def older(descriptor: int, pieces: list[memoryview], offset: int, flags: int) -> int:
        if flags:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return pwritev(descriptor, [pieces[0][: MIB // 2]], offset)  # and it takes less than it is given

    monkeypatch.setattr(os, "pwritev", older)
    given, held = written(tmp_path / "layer")
    assert held == given


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(OSError, match="No space"):
        written(tmp_path / "layer")
