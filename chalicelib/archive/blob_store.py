"""An archive's `blobs/` folder as content-addressed storage: what a descriptor names, checked for size and digest."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final

from chalicelib.archive.contents import Blob
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.members import Members, blaming
from chalicelib.errors import Code, RefusedError
from chalicelib.oci.descriptor import Descriptor
from chalicelib.oci.digest import Digest
from chalicelib.oci.entry import Entry

_EMPTY_JSON: Final = b"{}"
_EMPTY_DIGEST: Final = Digest.of(_EMPTY_JSON)


class BlobStore:
    """
    Blobs by descriptor.

    Args:
        members: The archive.
        folder: Where its layout is, "" or ending in a slash.
        limits: How large a document may be.
    """

    def __init__(self, members: Members, folder: str, limits: ArchiveLimits) -> None:
        self._members = members
        self._folder = folder
        self._limits = limits

    def path(self, digest: Digest) -> str:
        """Return the name of the member that holds *digest* (image-layout.md, "Blobs")."""
        return f"{self._folder}blobs/sha256/{digest.hex}"

    def has(self, digest: Digest) -> bool:
        """Tell whether the blob is there."""
        return self._members.find(self.path(digest)) is not None

    def blaming(self, digest: Digest) -> AbstractContextManager[None]:
        """Name the member that holds *digest*, if one does, in refusals from within that name none."""
        return blaming(self._members.find(self.path(digest)))

    def blob(self, entry: Entry) -> Blob | None:
        """
        Return what *entry* names, without reading it; None if the archive does not hold it.

        Raises:
            RefusedError: SIZE, EMPTY_BLOB, LAYER_LIMIT, DIGEST_MISMATCH (of embedded data).
        """
        descriptor = entry.descriptor
        if descriptor.size > self._limits.layer:
            raise RefusedError(Code.LAYER_LIMIT, f"a blob has more than {self._limits.layer} bytes")
        if descriptor.size == 0:
            raise RefusedError(Code.EMPTY_BLOB, f"the blob {descriptor.digest} has no bytes")
        embedded = _embedded(entry)
        member = self._members.find(self.path(descriptor.digest))
        if member is None:
            return embedded
        if member.content.length != descriptor.size:
            detail = f"{descriptor.digest} has {member.content.length} bytes, its descriptor says {descriptor.size}"
            raise RefusedError(Code.SIZE, detail, member=member.name, offset=member.offset)
        return Blob(descriptor=descriptor, content=member.content)

    def document(self, entry: Entry) -> tuple[Blob, bytes] | None:
        """
        Return a manifest, index or config with its bytes, read and hashed; None if the archive does not hold it.

        Raises:
            RefusedError: as `blob`; TOO_LARGE; DIGEST_MISMATCH.
        """
        descriptor = entry.descriptor
        if descriptor.size > self._limits.document:
            raise RefusedError(Code.TOO_LARGE, f"a document has more than {self._limits.document} bytes")
        blob = self.blob(entry)
        if blob is None:
            return None
        if isinstance(blob.content, bytes):
            return blob, blob.content
        return self._read(descriptor)

    def _read(self, descriptor: Descriptor) -> tuple[Blob, bytes] | None:
        member = self._members.find(self.path(descriptor.digest))
        if member is None:
            return None
        raw = self._members.read(member, self._limits.document)
        with blaming(member):
            _verify(raw, descriptor)
        return Blob(descriptor=descriptor, content=self._members.content(member, raw)), raw


def _embedded(entry: Entry) -> Blob | None:
    """
    Return a blob that the descriptor itself carries, or the one that everybody knows (manifest.md, guidance).

    What it carries is checked even where it is not needed: some readers take it for the blob (descriptor.md).
    """
    if entry.data is not None:
        _verify(entry.data, entry.descriptor)
        return Blob(descriptor=entry.descriptor, content=entry.data)
    if entry.descriptor.digest == _EMPTY_DIGEST and entry.descriptor.size == len(_EMPTY_JSON):
        return Blob(descriptor=entry.descriptor, content=_EMPTY_JSON)
    return None


def _verify(content: bytes, descriptor: Descriptor) -> None:
    if len(content) != descriptor.size:
        raise RefusedError(Code.SIZE, f"the content of {descriptor.digest} is not of the stated size")
    if Digest.of(content) != descriptor.digest:
        raise RefusedError(Code.DIGEST_MISMATCH, f"the content of {descriptor.digest} has another digest")
