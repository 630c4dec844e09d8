"""
The members of an archive by name: what `tar_walk` found, as a content store that documents are read from.

A symbolic link is resolved in this table alone, and only to a regular file: older `docker save`s write a repeated
layer as a link to the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final, Protocol

from msgspec import Struct

from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.member_name import link_target
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError

_HEAD: Final = 512


class Kind(Enum):
    """What a member is, by its type flag."""

    FILE = b"0"
    HARD_LINK = b"1"
    SYMBOLIC_LINK = b"2"
    CHARACTER_DEVICE = b"3"
    BLOCK_DEVICE = b"4"
    DIRECTORY = b"5"
    FIFO = b"6"


class Member(Struct, frozen=True, kw_only=True):
    """
    One member.

    Attributes:
        name: Its clean name, see `member_name`.
        kind: What it is.
        offset: Byte offset of its first header.
        content: Where its bytes are; empty for all but files.
        target: Where a link says it leads, as written.
        kept: Its content or a beginning of it, as far as it came along while the tar was walked.
    """

    name: str
    kind: Kind
    offset: int
    content: ByteRange
    target: str = ""
    kept: bytes = b""


class Source(Protocol):
    """Where members' bytes are read from: an `ObjectSource`, or nothing any more."""

    def read(self, span: ByteRange) -> bytes:
        """Return exactly the bytes of *span*."""


class Members:
    """
    All members of one archive.

    Args:
        source: The archive.
        limits: How far links are followed.
        members: What was found, in the archive's order; no two files of one name.
        embeds: Whether documents are handed on as bytes, because *source* cannot be read again.
    """

    def __init__(
        self, source: Source, limits: ArchiveLimits, members: dict[str, Member], *, embeds: bool = False
    ) -> None:
        self._source = source
        self._limits = limits
        self._members = members
        self._documents: dict[str, bytes] = {}
        self._read: dict[str, int] = {}
        self._room = limits.kept
        self._embeds = embeds

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def names(self) -> Iterator[str]:
        """Yield the names in the archive's order."""
        return iter(self._members)

    def find(self, name: str) -> Member | None:
        """
        Return the file called *name*, links followed, or None if there is no such member.

        Raises:
            RefusedError: LINK, LINK_TYPE, TAR_TYPE if the name is there but leads to no regular file.
        """
        member = self._members.get(name)
        return None if member is None else self._resolve(member)

    def read(self, member: Member, limit: int) -> bytes:
        """
        Return the whole content of *member*; it is fetched once.

        Raises:
            RefusedError: TOO_LARGE if it has more than *limit* bytes, or all that were asked for have more than they
                may have together; nothing is read then.
        """
        if member.content.length > limit:
            detail = f"a document has more than {limit} bytes"
            raise RefusedError(Code.TOO_LARGE, detail, member=member.name, offset=member.offset)
        self._read[member.name] = member.content.length
        if sum(self._read.values()) > self._limits.documents:
            detail = f"the archive's documents have more than {self._limits.documents} bytes together"
            raise RefusedError(Code.TOO_LARGE, detail, member=member.name, offset=member.offset)
        if len(member.kept) == member.content.length:
            return member.kept
        if member.name in self._documents:
            return self._documents[member.name]
        content = self._source.read(member.content)
        if len(content) <= self._room:
            self._room -= len(content)
            self._documents[member.name] = content
        return content

    def content(self, member: Member, raw: bytes) -> ByteRange | bytes:
        """Return where the document *raw* of *member* is read from later."""
        return raw if self._embeds else member.content

    def head(self, member: Member) -> bytes:
        """Return the first 512 bytes of *member*, or all if it is shorter."""
        length = min(_HEAD, member.content.length)
        if len(member.kept) >= length:
            return member.kept[:length]
        return self._source.read(ByteRange(member.content.start, length))

    def check(self) -> None:
        """
        Refuse the archive if a member is of a type that image archives do not have, or a link leads nowhere.

        Raises:
            RefusedError: LINK, LINK_TYPE, TAR_TYPE.
        """
        for member in self:
            if member.kind is not Kind.DIRECTORY:
                self._resolve(member)

    def _resolve(self, member: Member) -> Member:
        seen = member
        for _ in range(self._limits.links + 1):
            if member.kind is Kind.FILE:
                return member
            if member.kind is not Kind.SYMBOLIC_LINK:
                raise self._refusal(member)
            target = link_target(member.name, member.target)
            if target is None or target not in self._members:
                raise _broken(seen, "a link leads out of the archive or to nothing")
            member = self._members[target]
        raise _broken(seen, f"a link leads to itself or over more than {self._limits.links} links")

    @staticmethod
    def _refusal(member: Member) -> RefusedError:
        if member.kind is Kind.DIRECTORY:
            return _broken(member, "a directory stands where a file is needed")
        if member.kind is Kind.HARD_LINK:
            code, detail = Code.LINK_TYPE, "a member is a hard link, which readers treat differently"
        else:
            code, detail = Code.TAR_TYPE, "a member is a device or a pipe"
        return RefusedError(code, detail, member=member.name, offset=member.offset)


@contextmanager
def blaming(member: Member | None) -> Iterator[None]:
    """Name *member* and its place in a refusal from within that names no member itself."""
    try:
        yield
    except RefusedError as error:
        if member is not None and error.member is None:
            error.member, error.offset = member.name, member.offset
        raise


def _broken(member: Member, detail: str) -> RefusedError:
    return RefusedError(Code.LINK, detail, member=member.name, offset=member.offset)
