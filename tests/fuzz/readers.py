"""How other tar readers see an archive: its files by name, with their content."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import libarchive

from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.members import Kind
from chalicelib.archive.tar_walk import walk
from chalicelib.archive.window import Window
from chalicelib.errors import RefusedError
from tests.archives import MemorySource

Files = dict[str, bytes]


def ours(content: bytes) -> Files | None:
    """Return the files as our walk sees them, None if it refuses the tar."""
    try:
        found = walk(Window(MemorySource(content)), ArchiveLimits())
    except RefusedError:
        return None
    return {
        member.name: content[member.content.start : member.content.end]
        for member in found.values()
        if member.kind is Kind.FILE
    }


def plain(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def by_tarfile(content: bytes) -> Files | None:
    try:
        return _by_tarfile(content)
    except tarfile.ReadError:
        return None


def _by_tarfile(content: bytes) -> Files:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {plain(info.name): archive.extractfile(info).read() for info in archive if info.isreg()}  # type: ignore[union-attr]


def by_libarchive(content: bytes) -> Files:
    # Unfiltered: it takes some first names for the header of an LZMA stream, and then refuses the tar.
    with libarchive.memory_reader(content, format_name="tar", filter_name="none") as archive:
        return {plain(one.pathname): b"".join(one.get_blocks()) for one in archive if one.isreg and not one.linkpath}


def by_gnu_tar(content: bytes, folder: Path) -> Files | None:
    """
    Extract with GNU tar, the only reader here that writes to disk, and read what it wrote.

    None if it refuses the tar or cannot write it: a link where a file is to go, a field that we have no use for.
    """
    folder.mkdir()
    done = subprocess.run(["tar", "-xf", "-", "-C", folder], input=content, check=False, capture_output=True)
    if done.returncode:
        return None
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if not path.is_symlink() and path.is_file()  # a link may lead to a name that is too long to look for
    }
