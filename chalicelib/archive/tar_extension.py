"""
PAX and GNU extension headers: long names, long links, sizes.

Rules (CVE-2025-62518, CVE-2024-6232, CVE-2019-20907):

- an extension belongs to the next member alone; a member has at most one PAX header, or one each of GNU's L and K,
  never both kinds, because readers differ on which wins
- `path`, `linkpath` and `size` at most once, never empty, never global
- no global header between a member and its extensions: Go's reader forgets those then, all others do not
- a PAX size is the header's size, unless the header could not hold it
- no sparse map, by whatever keys
- zeros behind it, up to the end of its last block: Python's tarfile takes a long name or records from there, too
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from chalicelib.archive.tar_header import Header
from chalicelib.errors import Code, RefusedError

PAX: Final = b"x"
PAX_GLOBAL: Final = b"g"
GNU_NAME: Final = b"L"
GNU_LINK: Final = b"K"
KINDS: Final = frozenset({PAX, PAX_GLOBAL, GNU_NAME, GNU_LINK})

_DECIDING: Final = frozenset({b"path", b"linkpath", b"size"})
_SPARSE: Final = (b"GNU.sparse.", b"SCHILY.realsize", b"SUN.holesdata")  # the last is Solaris's, read by libarchive
_LENGTH: Final = re.compile(rb"[0-9]{1,10} ")
_DECIMAL: Final = re.compile(rb"[0-9]{1,19}")
_LARGEST_OCTAL: Final = 0o77777777777
_BEYOND_OCTAL: Final = _LARGEST_OCTAL + 1  # 8 GiB


class Extension(Struct):
    """What the extension headers before a member say about it; *kinds* are those seen so far."""

    kinds: frozenset[bytes] = frozenset()
    name: bytes | None = None
    link: bytes | None = None
    size: bytes | None = None

    def add(self, kind: bytes, body: bytes, records: int, offset: int) -> None:
        """
        Take in one extension header.

        Args:
            kind: Its type flag, one of `KINDS`.
            body: Its content.
            records: How many PAX records it may have.
            offset: Where it is, for errors.

        Raises:
            RefusedError: TAR_META, TAR_DESYNC, TAR_TYPE.
        """
        if kind == PAX_GLOBAL:
            if self.kinds:
                raise RefusedError(Code.TAR_DESYNC, "a global PAX header parts a member from its own", offset=offset)
            if _DECIDING & _records(body, records, offset).keys():
                raise RefusedError(Code.TAR_META, "a global PAX header sets names or sizes", offset=offset)
            return
        self._join(kind, offset)
        if kind == PAX:
            fields = _records(body, records, offset)
            self.name, self.link, self.size = (fields.get(key) for key in (b"path", b"linkpath", b"size"))
        elif kind == GNU_NAME:
            self.name = _gnu_text(body, offset)
        else:
            self.link = _gnu_text(body, offset)

    def _join(self, kind: bytes, offset: int) -> None:
        if kind in self.kinds or (self.kinds and PAX in (self.kinds | {kind})):
            raise RefusedError(Code.TAR_DESYNC, "a member has extension headers that compete", offset=offset)
        self.kinds |= {kind}

    def size_of(self, header: Header, offset: int) -> int:
        """
        Return the size of the member that *header* starts.

        Raises:
            RefusedError: TAR_DESYNC where the two sizes are not one.
        """
        if self.size is None:
            return header.size
        if not _DECIMAL.fullmatch(self.size):
            raise RefusedError(Code.TAR_META, "a PAX size is not a decimal number", offset=offset)
        size = int(self.size)
        if size != header.size and not (size >= _BEYOND_OCTAL and header.size in (0, _LARGEST_OCTAL)):
            raise RefusedError(Code.TAR_DESYNC, "a PAX header and its member state different sizes", offset=offset)
        return size


def _gnu_text(body: bytes, offset: int) -> bytes:
    text, _, rest = body.partition(b"\0")
    if not text or rest.strip(b"\0"):
        raise RefusedError(Code.TAR_META, "a GNU long name is empty or holds a NUL", offset=offset)
    return text


def _records(body: bytes, limit: int, offset: int) -> dict[bytes, bytes]:
    """Return the records of a PAX header; one pass, whatever the body."""
    fields: dict[bytes, bytes] = {}
    position = count = 0
    while position < len(body):
        key, value, position = _record(body, position, offset)
        count += 1
        if count > limit:
            raise RefusedError(Code.TAR_META, f"a PAX header has more than {limit} records", offset=offset)
        if key.startswith(_SPARSE):
            raise RefusedError(Code.TAR_TYPE, "a member is sparse", offset=offset)
        if key in _DECIDING and (not value or b"\0" in value or key in fields):
            raise RefusedError(Code.TAR_META, "a PAX name or size is empty, repeated or holds a NUL", offset=offset)
        fields[key] = value
    return fields


def _record(body: bytes, position: int, offset: int) -> tuple[bytes, bytes, int]:
    match = _LENGTH.match(body, position)
    end = position + int(match[0]) if match else 0
    if match is None or not match.end() < end <= len(body) or body[end - 1 : end] != b"\n":
        raise RefusedError(Code.TAR_META, "a PAX record is malformed", offset=offset)
    key, equals, value = body[match.end() : end - 1].partition(b"=")
    if not key or not equals or b"\0" in key:
        raise RefusedError(Code.TAR_META, "a PAX record has no key", offset=offset)
    return key, value, end
