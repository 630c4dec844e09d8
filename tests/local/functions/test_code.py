"""Deployed zips on disk."""

from __future__ import annotations

import hashlib
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from transship.local.functions.code import link_runtime, unpack
from transship.local.functions.errors import InvalidZipFileError

if TYPE_CHECKING:
    from pathlib import Path


def pack(**members: tuple[str, int]) -> tuple[bytes, str]:
    """Return a zip of members (text, mode) and its sha256."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, (text, mode) in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, text)
    return buffer.getvalue(), hashlib.sha256(buffer.getvalue()).hexdigest()


def test_is_unpacked_once_with_its_modes(tmp_path: Path) -> None:
    code, sha256 = pack(**{"app.py": ("x", 0o644), "bin/tool": ("y", 0o755), "plain": ("z", 0)})

    with ThreadPoolExecutor(4) as threads:
        (root,) = set(threads.map(lambda _: unpack(code, sha256, tmp_path), range(4)))

    assert (root / "app.py").read_text() == "x"
    assert [(root / name).stat().st_mode & 0o777 for name in ("app.py", "bin/tool")] == [0o644, 0o755]
    assert [path.name for path in tmp_path.iterdir()] == [sha256]


def test_what_is_there_is_not_unpacked_again(tmp_path: Path) -> None:
    code, sha256 = pack(**{"app.py": ("x", 0o644)})
    root = unpack(code, sha256, tmp_path)

    assert unpack(b"not looked at", sha256, tmp_path) == root


def test_member_outside_stays_inside(tmp_path: Path) -> None:
    code, sha256 = pack(**{"../../outside": ("x", 0o644)})

    root = unpack(code, sha256, tmp_path / "code")

    assert (root / "outside").read_text() == "x"
    assert not (tmp_path / "outside").exists()


def test_broken_zip_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InvalidZipFileError):
        unpack(b"PK\x03\x04", "0" * 64, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_runtime_holds_the_client_and_what_it_needs(tmp_path: Path) -> None:
    for _ in range(2):
        names = {path.name.partition(".")[0] for path in link_runtime(tmp_path).iterdir()}

    assert {"awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py"} <= names
    assert not names & {"boto3", "moto", "chalice", "transship", "pip"}
