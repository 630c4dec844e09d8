"""
One 512-byte header of a tar, read strictly (POSIX.1-1988 ustar, GNU, and V7 without magic).

Where readers would read different things, nothing is read: numbers must be octal digits padded with spaces or NULs,
or GNU's base-256 without a sign; the checksum is the unsigned one; the fields behind the name are only believed in
the dialect that defines them. Types are judged by `tar_walk`, extension headers by `tar_extension`.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from chalicelib.errors import Code, RefusedError

BLOCK: Final = 512
ZERO_BLOCK: Final = bytes(BLOCK)

_OCTAL: Final = re.compile(rb" *([0-7]+)[\0 ]*")
_OCTAL_OR_NONE: Final = re.compile(rb" *[0-7]*[\0 ]*")
_BASE_256: Final = (0x80, 0xFF)
# Mode, owner, group, time, device: we have no use for them, but Python's tarfile takes a header in which one of them
# is malformed for the end of the archive, and hides what follows from whoever scans with it.
_UNUSED_NUMBERS: Final = ((100, 108), (108, 116), (116, 124), (136, 148), (329, 337), (337, 345))
_USTAR: Final = b"ustar\x0000"
_GNU: Final = b"ustar  \0"
_GNU_SPARSE: Final = b"S"  # a type that the walk refuses
_V7: Final = bytes(8)


class Header(Struct, frozen=True, kw_only=True):
    """What a header says: *kind* is its type flag, *size* counts the bytes that follow; names are raw."""

    kind: bytes
    name: bytes
    link: bytes
    size: int


def parse_header(block: bytes, offset: int) -> Header:
    """
    Read a header that is not all zeros.

    Args:
        block: 512 bytes.
        offset: Where they are in the archive, for errors.

    Raises:
        RefusedError: TAR_HEADER.
    """
    if _number(block[148:156], offset) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise RefusedError(Code.TAR_HEADER, "the checksum of a tar header is wrong", offset=offset)
    for start, end in _UNUSED_NUMBERS:
        if block[start] not in _BASE_256 and not _OCTAL_OR_NONE.fullmatch(block, start, end):
            raise RefusedError(Code.TAR_HEADER, "a number of a tar header is not octal", offset=offset)
    return Header(
        kind=block[156:157],
        name=_name(block, offset),
        link=_text(block[157:257]),
        size=_number(block[124:136], offset),
    )


def looks_like_header(block: bytes) -> bool:
    """Tell whether *block*, perhaps cut short, starts a tar."""
    return block[257:262] == b"ustar"


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _name(block: bytes, offset: int) -> bytes:
    name, magic = _text(block[:100]), block[257:265]
    if magic == _USTAR:
        if block[508:512] == b"tar\0":
            raise RefusedError(Code.TAR_HEADER, "a tar header is of the star dialect", offset=offset)
        prefix = _text(block[345:500])
        return prefix + b"/" + name if prefix else name
    if magic not in (_GNU, _V7):
        raise RefusedError(Code.TAR_HEADER, "a tar header has an unknown magic", offset=offset)
    if block[156:157] != _GNU_SPARSE and block[345:].strip(b"\0"):
        # GNU tar keeps times there in incremental archives; Python's tarfile takes them for a prefix of the name, and
        # Go's reader does if they are not sound.
        raise RefusedError(Code.TAR_HEADER, "a tar header has something where others read a prefix", offset=offset)
    return name


def _number(field: bytes, offset: int) -> int:
    if field[0] == 0x80:  # GNU's base-256; 0xff would start a negative number
        value = int.from_bytes(field[1:], "big")
        if value >= 2**63:
            raise RefusedError(Code.TAR_HEADER, "a number of a tar header is beyond 63 bits", offset=offset)
        return value
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise RefusedError(Code.TAR_HEADER, "a number of a tar header is not octal", offset=offset)
    return int(match[1], 8)
