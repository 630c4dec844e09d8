"""
The walk over a tar, from header to header, without its large members.

It fails closed: what a walker could misread is refused with a code and an offset. Its rules beyond those of
`tar_header`, `tar_extension` and `member_name`:

- no two members of one name, directories apart; no member under a name that is not a directory
- only files have content, and their content is inside the object
- two zero blocks end the archive, and only zeros follow them
- hard links, devices and pipes are noted, so that a root file system can be called by its name, and refused later

Python's own `tarfile` is not used: hostile headers make it loop or take gigabytes
(CVE-2025-8194, CVE-2024-6232; a GNU name of 512 MiB in a gzip of 0.5 MB took 1,050 MiB).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from chalicelib.archive import tar_extension
from chalicelib.archive.limits import KIB, ArchiveLimits
from chalicelib.archive.member_name import clean_name
from chalicelib.archive.members import Kind, Member
from chalicelib.archive.recognise import refuse_root_file_system
from chalicelib.archive.tar_extension import Extension
from chalicelib.archive.tar_header import BLOCK, ZERO_BLOCK, Header, parse_header
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError

_CONTIGUOUS: Final = 512  # bytes of a large member worth keeping: enough to tell its compression
_SMALL: Final = 64 * KIB


class Tape(Protocol):
    """What is walked: a `Window` over an object, or a `Stream` of inflated bytes."""

    @property
    def grant(self) -> int:
        """How many bytes may be read now for the sake of what might be in them."""

    def read(self, span: ByteRange) -> bytes:
        """Return the bytes of *span*; TRUNCATED if there are not as many."""

    def holds(self, span: ByteRange) -> bool:
        """Tell whether reading *span* costs nothing."""

    def reaches(self, end: int) -> bool:
        """Tell whether there may be bytes up to *end*, as far as that is known."""

    def rest(self, start: int, limit: int) -> bytes:
        """Return all bytes from *start*, or more than *limit* of them if there are so many."""


def walk(tape: Tape, limits: ArchiveLimits) -> dict[str, Member]:
    """
    Return the members by name, in the archive's order.

    Raises:
        RefusedError: as `members_of`.
    """
    return {member.name: member for member in members_of(tape, limits)}


def members_of(tape: Tape, limits: ArchiveLimits, *, backslashes: bool = False) -> Iterator[Member]:
    """
    Yield the members in the archive's order, each before the walk goes on behind it.

    Args:
        tape: The tar.
        limits: Its bounds.
        backslashes: Whether a backslash in a name is a slash, as it is for Helm.

    Raises:
        RefusedError: TAR_HEADER, TAR_META, TAR_DESYNC, TAR_TYPE, TRUNCATED, TRAILING, MEMBER_NAME, NAME_ENCODING,
            DUP_MEMBER, TOO_MANY_MEMBERS, ROOT_FILE_SYSTEM.
    """
    return _Walk(tape, limits, backslashes=backslashes).run()


class _Walk:
    def __init__(self, tape: Tape, limits: ArchiveLimits, *, backslashes: bool) -> None:
        self._tape = tape
        self._limits = limits
        self._backslashes = backslashes
        self._offset = 0
        self._began = 0
        self._extension = Extension()
        self._extensions = 0
        self._kept = 0
        self._kinds: dict[str, Kind] = {}
        self._parents: set[str] = set()
        self._top: set[str] = set()

    def run(self) -> Iterator[Member]:
        while (block := self._block()) != ZERO_BLOCK:
            header = parse_header(block, self._offset)
            if header.kind in tar_extension.KINDS:
                self._extend(header)
            else:
                yield from self._take(header)
        if self._extension.kinds:
            raise RefusedError(Code.TAR_META, "an extension header has no member", offset=self._began)
        self._end()

    def _block(self) -> bytes:
        return self._tape.read(ByteRange(self._offset, BLOCK))

    def _extend(self, header: Header) -> None:
        self._extensions += header.size
        if header.size > self._limits.extension or self._extensions > self._limits.extensions:
            raise RefusedError(Code.TAR_META, "extension headers are larger than the limit", offset=self._offset)
        blocks = self._tape.read(ByteRange(self._offset + BLOCK, _padded(header.size)))
        if blocks[header.size :].strip(b"\0"):
            detail = "an extension header is followed by something else in its last block"
            raise RefusedError(Code.TAR_META, detail, offset=self._offset)
        self._extension.add(header.kind, blocks[: header.size], self._limits.records, self._offset)
        self._offset += BLOCK + _padded(header.size)

    def _take(self, header: Header) -> Iterator[Member]:
        member = self._member(header)
        self._place(member)
        if member.name:
            yield member
        self._offset = member.content.start + _padded(member.content.length)
        self._began = self._offset
        self._extension = Extension()

    def _member(self, header: Header) -> Member:
        raw = header.name if self._extension.name is None else self._extension.name
        raw = raw.replace(b"\\", b"/") if self._backslashes else raw
        name = clean_name(raw, longest=self._limits.name, parts=self._limits.name_parts, offset=self._began)
        kind = self._kind(header, raw)
        content = ByteRange(self._offset + BLOCK, self._extension.size_of(header, self._offset))
        self._check_content(name, kind, content)
        link = header.link if self._extension.link is None else self._extension.link
        return Member(
            name=name,
            kind=kind,
            offset=self._began,
            content=content,
            target=link.decode("utf-8", "replace"),
            kept=self._keep(content),
        )

    def _kind(self, header: Header, raw: bytes) -> Kind:
        if header.kind in (b"\0", Kind.FILE.value):
            return self._file_kind(header, raw)
        try:
            return Kind(header.kind)
        except ValueError as error:
            raise RefusedError(Code.TAR_TYPE, "a member is of an unknown type", offset=self._offset) from error

    def _file_kind(self, header: Header, raw: bytes) -> Kind:
        """V7 had no type for directories: their names end in a slash. Elsewhere readers differ on such a name."""
        if not header.name.endswith(b"/") and not raw.endswith(b"/"):
            return Kind.FILE
        if header.kind != b"\0" or self._extension.name is not None:
            raise RefusedError(Code.MEMBER_NAME, "a file's name ends in a slash", offset=self._began)
        return Kind.DIRECTORY

    def _check_content(self, name: str, kind: Kind, content: ByteRange) -> None:
        if kind is not Kind.FILE and content.length:
            detail = "a directory or link claims to have content; readers differ on where the next member starts"
            raise RefusedError(Code.TAR_DESYNC, detail, member=name, offset=self._offset)
        if not self._tape.reaches(content.end):
            raise RefusedError(Code.TRUNCATED, "the archive ends inside a member", member=name, offset=self._began)

    def _keep(self, content: ByteRange) -> bytes:
        """Return a small member's content, or the beginning of a large one, if that costs next to nothing."""
        beginning = ByteRange(content.start, min(_CONTIGUOUS, content.length))
        if content.length <= min(_SMALL, self._tape.grant) or self._tape.holds(content):
            beginning = content
        elif not self._tape.holds(beginning):
            return b""
        self._kept += beginning.length
        return self._tape.read(beginning) if self._kept <= self._limits.kept else b""

    def _place(self, member: Member) -> None:
        name = member.name
        if not name and member.kind is not Kind.DIRECTORY:
            raise RefusedError(Code.MEMBER_NAME, "a member's name is empty", offset=member.offset)
        self._check_place(member)
        if len(self._kinds) >= self._limits.members:
            detail = f"the archive has more than {self._limits.members} members"
            raise RefusedError(Code.TOO_MANY_MEMBERS, detail, offset=member.offset)
        if name:
            self._kinds[name] = member.kind
            self._note_top(name.partition("/")[0])

    def _check_place(self, member: Member) -> None:
        name, is_directory = member.name, member.kind is Kind.DIRECTORY
        known = self._kinds.get(name)
        clash = known is not None and not (is_directory and known is Kind.DIRECTORY)
        parents = self._new_parents(name)
        clash = clash or (not is_directory and name in self._parents)
        clash = clash or any(self._is_file(parent) for parent in parents)
        if clash:
            raise RefusedError(Code.DUP_MEMBER, "two members have one name", member=name, offset=member.offset)
        self._parents.update(parents)

    def _new_parents(self, name: str) -> list[str]:
        """Return the directories above *name*, nearest first, up to one that was looked at before."""
        parents = []
        parent = name.rpartition("/")[0]
        while parent and parent not in self._parents:
            parents.append(parent)
            parent = parent.rpartition("/")[0]
        return parents

    def _is_file(self, name: str) -> bool:
        return self._kinds.get(name, Kind.DIRECTORY) is not Kind.DIRECTORY

    def _note_top(self, top: str) -> None:
        if top not in self._top:
            self._top.add(top)
            refuse_root_file_system(self._top)

    def _end(self) -> None:
        """Check that a second zero block follows, and nothing but zeros after it."""
        self._offset += BLOCK
        if self._block() != ZERO_BLOCK:
            raise RefusedError(Code.TRAILING, "data follows the first block of the end mark", offset=self._offset)
        start = self._offset + BLOCK
        rest = self._tape.rest(start, self._limits.padding)
        if len(rest) > self._limits.padding or rest.strip(b"\0"):
            raise RefusedError(Code.TRAILING, "data follows the end mark", offset=start)


def _padded(length: int) -> int:
    return -(-length // BLOCK) * BLOCK
