"""
An archive that is compressed as a whole: the same walk and the same rules, over bytes that pass only once.

    with open_compressed(source, limits) as archive:
        for member, content in archive:
            ...                    # content.read(n) gives the member's bytes, now or never
        contents = archive.contents()

Documents are kept as they pass, because what they mean is only known at the end; in `contents` the content of
manifests and configs is the bytes themselves. The `ByteRange` of a layer counts in the inflated bytes: it is
`member.content` of the member that passed. Whoever stores layers while they pass finds out by that which of them the
images need; what has passed and is needed after all takes a second pass.

Nothing may be published before `contents()` has returned: until then neither the end mark nor any rule about the whole
was seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chalicelib.archive import recognise
from chalicelib.archive.contents import ArchiveContents
from chalicelib.archive.inflate import Inflated
from chalicelib.archive.limits import KIB, ArchiveLimits
from chalicelib.archive.members import Kind, Member, Members
from chalicelib.archive.read import read_members
from chalicelib.archive.stream import Passing, Prefixed, Stream
from chalicelib.archive.tar_header import BLOCK
from chalicelib.archive.tar_walk import members_of
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError
from chalicelib.ports.bucket import ByteStream, ObjectSource
from chalicelib.replacing import replace

_SMALL: Final = 64 * KIB  # any member up to that size is kept, whatever it is


class CompressedArchive:
    """
    The members of a compressed archive as they pass, and then what they are.

    Args:
        stream: The inflated bytes.
        limits: All bounds.
    """

    def __init__(self, stream: ByteStream, limits: ArchiveLimits) -> None:
        self._stream = Stream(stream)
        self._limits = limits
        self._members: dict[str, Member] = {}
        self._kept: dict[ByteRange, bytes] = {}
        self._room = 4 * limits.kept
        self._ended = False

    def __iter__(self) -> Iterator[tuple[Member, ByteStream]]:
        """Yield each file that has bytes, with its content."""
        for member in members_of(self._stream, self._limits):
            kept = self._keep(member)
            self._members[member.name] = kept
            self._kept[kept.content] = kept.kept
            if kept.kind is Kind.FILE and kept.content.length:
                yield kept, Passing(self._stream, member.content)
        self._ended = True

    def contents(self) -> ArchiveContents:
        """
        Return what the archive holds, after the last member has passed.

        Raises:
            RefusedError: as `read_members`.
        """
        if not self._ended:
            raise ValueError("not all members have passed")
        return read_members(Members(_Passed(), self._limits, self._members, embeds=True), self._limits)

    def kept(self, content: ByteRange | bytes) -> bytes | None:
        """Return the bytes of the member at *content* if they were kept whole, as documents and small files are."""
        if isinstance(content, bytes):
            return content
        kept = self._kept.get(content)
        return kept if kept is not None and len(kept) == content.length else None

    def _keep(self, member: Member) -> Member:
        content = member.content
        if member.kind is not Kind.FILE or not content.length:
            return member
        beginning = self._stream.read(ByteRange(content.start, min(BLOCK, content.length)))
        length = content.length if self._is_document(content.length, beginning) else len(beginning)
        self._room -= length
        if self._room < 0:
            raise RefusedError(Code.TOO_LARGE, "the documents of a compressed archive exceed what can be kept")
        return replace(member, kept=self._stream.read(ByteRange(content.start, length)))

    def _is_document(self, length: int, beginning: bytes) -> bool:
        is_json = beginning.lstrip()[:1] in (b"{", b"[")
        return length <= _SMALL or (is_json and length <= self._limits.document)


class _Passed:
    """The source behind kept members: what was not kept is gone."""

    def read(self, span: ByteRange) -> bytes:
        detail = "a document of a compressed archive is too large or is no JSON; upload the plain tar"
        raise RefusedError(Code.TOO_LARGE, detail, offset=span.start)


@contextmanager
def open_compressed(source: ObjectSource, limits: ArchiveLimits) -> Iterator[CompressedArchive]:
    """
    Open an archive that is compressed as a whole, in one GET.

    Raises:
        RefusedError: NOT_ARCHIVE if it is not compressed in a known way, BOMB if what is in it is compressed again.
    """
    everything = ByteRange(0, source.size)
    with source.open(everything) as raw:
        head = Stream(raw).take(BLOCK)
        compression = recognise.compression_of(head)
        if compression is None:
            raise RefusedError(Code.NOT_ARCHIVE, "the object is not compressed in a known way", offset=0)
        inflated = Inflated(Prefixed(head, raw), compression, limits)
        first = Stream(inflated).take(BLOCK)
        if not first:
            raise RefusedError(Code.TRUNCATED, "nothing comes out of the compressed stream", offset=0)
        if recognise.compression_of(first):
            raise RefusedError(Code.BOMB, "the object is compressed more than once", offset=0)
        recognise.refuse_other_files(first)
        yield CompressedArchive(Prefixed(first, inflated), limits)
