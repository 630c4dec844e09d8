"""
What an object is if it is no image archive, so that the refusal can call it by its name.

Everything is told from content: magic numbers at the start, and names of members. Names of files and keys say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from chalicelib.archive.tar_header import BLOCK, ZERO_BLOCK, looks_like_header, parse_header
from chalicelib.errors import Code, RefusedError

GZIP: Final = "gzip"
ZSTD: Final = "zstd"
XZ: Final = "xz"
BZIP2: Final = "bzip2"

_COMPRESSIONS: Final = (
    (b"\x1f\x8b\x08", GZIP),
    (b"\x28\xb5\x2f\xfd", ZSTD),
    *((bytes([low]) + b"\x2a\x4d\x18", ZSTD) for low in range(0x50, 0x60)),  # a skippable frame (RFC 8878, 3.1.2)
    (b"\xfd7zXZ\0", XZ),
    (b"BZh", BZIP2),
)
_ZIP: Final = b"PK\x03\x04"
_HANGAR: Final = re.compile(rb"[0-9a-f]{64}/|share/")  # its folder of an image, and of their blobs
_FILES: Final = (
    (_ZIP, "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x7fELF", "an ELF program"),
    (b"MZ", "a Windows program"),
    (b"\x89PNG", "a PNG picture"),
    (b"%PDF", "a PDF document"),
    (b"!<arch>", "a Debian package or static library"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"070701", "a cpio archive"),
    (b"hsqs", "a squashfs image"),
    (b"\x04\x22\x4d\x18", "an lz4 stream"),
    (b"\x1f\x9d", "a compress (.Z) stream"),
    (b"{", "a JSON document"),
    (b"[", "a JSON document"),
    (b"<", "an XML or HTML document"),
    (b"#!", "a script"),
    (b"-----BEGIN", "a PEM or PGP document"),
)
_ROOT: Final = frozenset({"bin", "dev", "etc", "home", "lib", "opt", "proc", "root", "sbin", "sys", "usr", "var"})
_ROOT_ENOUGH: Final = 4


def compression_of(head: bytes) -> str | None:
    """Return how content that starts with *head* is compressed, None if it is not, or not in a known way."""
    return next((name for magic, name in _COMPRESSIONS if head.startswith(magic)), None)


def refuse_two_natures(head: bytes) -> None:
    """
    Refuse an object that is compressed to one reader and a tar to another: a stream's magic can be a member's name.

    Args:
        head: Its first block, which starts like a compressed stream.

    Raises:
        RefusedError: NOT_ARCHIVE.
    """
    if len(head) >= BLOCK and _is_header(head[:BLOCK]):
        raise RefusedError(Code.NOT_ARCHIVE, "the object is a compressed stream and a tar at once", offset=0)


def refuse_other_files(head: bytes) -> None:
    """
    Refuse an object that does not start like a tar.

    Args:
        head: Its first block, or all of it if it is shorter.

    Raises:
        RefusedError: NOT_ARCHIVE, BUNDLE for Hangar's zip, or TRUNCATED if not even the first header is complete.
    """
    if len(head) >= BLOCK and _is_header(head[:BLOCK]):
        return
    if len(head) < BLOCK and looks_like_header(head):
        raise RefusedError(Code.TRUNCATED, "the archive ends inside its first header", offset=len(head))
    if head.startswith(_ZIP) and _HANGAR.match(head, 30):  # behind the first entry's header
        raise RefusedError(Code.BUNDLE, "the object is a Hangar archive; push it with `hangar load`", offset=0)
    for magic, name in _FILES:
        if head.startswith(magic):
            raise RefusedError(Code.NOT_ARCHIVE, f"the object is {name}, not a tar", offset=0)
    raise RefusedError(Code.NOT_ARCHIVE, "the object does not start with a tar header", offset=0)


def _is_header(block: bytes) -> bool:
    """Tell whether a tar starts with *block*; with a magic, the walk says what is wrong with it."""
    if block == ZERO_BLOCK or looks_like_header(block):
        return True
    try:
        parse_header(block, 0)
    except RefusedError:
        return False
    return True


def refuse_root_file_system(top: Collection[str]) -> None:
    """
    Refuse a tar whose outermost names are those of a Unix system's root directory (`docker export`).

    Raises:
        RefusedError: ROOT_FILE_SYSTEM.
    """
    if len(_ROOT.intersection(top)) >= _ROOT_ENOUGH:
        raise RefusedError(Code.ROOT_FILE_SYSTEM, "the tar holds a root file system (bin, etc, usr ...)")
