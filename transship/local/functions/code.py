"""
Files of a function: the deployed zip, unpacked once, and the runtime beside it.

A function sees the standard library, its own zip and AWS's runtime client, nothing else of this installation:
a package missing from the zip is missing here as it is at AWS.
boto3 is no part of the runtime here, though AWS has one, because its version there changes without notice.
"""

from __future__ import annotations

import io
import re
import shutil
import tempfile
import threading
import zipfile
from importlib.metadata import distribution
from pathlib import Path

from transship.local.functions.errors import InvalidZipFileError

RUNTIME_DISTRIBUTION = "awslambdaric"

_unpacking = threading.Lock()
"""Environments that start together wait for the first: each zip has thousands of files."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def unpack(code: bytes, sha256: str, directory: Path) -> Path:
    """
    Unpack *code* into `directory/sha256` unless it is there, and return that path.

    Raises:
        InvalidZipFileError: It is no zip.
    """
    target = directory / sha256
    with _unpacking:
        if not target.exists():
            _unpack(code, target)
    return target


def _unpack(code: bytes, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            for member in archive.infolist():
                _extract(archive, member, partial)
    except zipfile.BadZipFile as error:
        shutil.rmtree(partial)
        raise InvalidZipFileError("Lambda could not unzip the deployment package.") from error
    _move_into_place(partial, target)


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, directory: Path) -> None:
    path = archive.extract(member, directory)
    mode = member.external_attr >> 16 & 0o777  # 0 in a zip that was not made on Unix
    if mode and not member.is_dir():
        Path(path).chmod(mode | 0o400)


def _move_into_place(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError:  # another local AWS that shares the directory was faster
        if not target.exists():
            raise
        shutil.rmtree(partial)


def link_runtime(directory: Path) -> Path:
    """Make *directory* hold links to the runtime client and what it needs, and return it."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, source in _runtime_files(RUNTIME_DISTRIBUTION).items():
        link = directory / name
        if not link.is_symlink() or link.readlink() != source:
            link.unlink(missing_ok=True)
            link.symlink_to(source)
    return directory


def _runtime_files(name: str) -> dict[str, Path]:
    package = distribution(name)
    files = {
        path.parts[0]: Path(str(package.locate_file(path.parts[0])))
        for path in package.files or ()
        if path.parts[0] not in {"..", "__pycache__"}
    }
    for requirement in package.requires or ():
        needed = _NAME.match(requirement)
        if needed and "extra ==" not in requirement:
            files |= _runtime_files(needed[0])
    return files
