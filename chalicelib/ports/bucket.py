"""The bucket of uploads and the objects in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct

from chalicelib.byte_range import ByteRange


class ByteStream(Protocol):
    """Bytes that arrive in order."""

    def read(self, size: int, /) -> bytes:
        """
        Return up to *size* bytes, b"" only at the end of the range.

        Raises:
            TemporaryError: The connection broke or ended early.
        """


class ObjectSource(Protocol):
    """
    One version of one object; no read ever mixes it with another.

    Raises, in every method:
        FinalError: OBJECT_GONE, OBJECT_CHANGED.
    """

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, span: ByteRange) -> bytes:
        """Return exactly the bytes of *span*, in one ranged GET; *span* lies inside the object."""

    def open(self, span: ByteRange) -> AbstractContextManager[ByteStream]:
        """Stream the bytes of *span*, in one ranged GET."""


class ObjectVersion(Struct, frozen=True, kw_only=True):
    """
    One version of one object, as a notification names it.

    Attributes:
        bucket: Name of the bucket.
        key: The key, unquoted.
        version_id: "" in a bucket without versions.
        etag: Without quotes.
        size: Bytes.
    """

    bucket: str
    key: str
    version_id: str
    etag: str
    size: int


class ListedVersion(Struct, frozen=True):
    """
    An object version as a listing shows it, and when it was written (epoch seconds).

    *replaced*: the key has a later version or was deleted.
    """

    object: ObjectVersion
    modified: float
    replaced: bool = False


class Document(Struct, frozen=True):
    """A small object as it is now: its bytes, and which version they are."""

    version_id: str
    content: bytes


class Bucket(Protocol):
    """The bucket of uploads."""

    def document(self, key: str, most: int) -> Document | None:
        """
        Return the latest version of a small object, None if there is none.

        Raises:
            FinalError: TOO_LARGE, longer than *most* bytes.
        """

    def latest(self, key: str) -> ListedVersion | None:
        """Return the latest version of *key*, None if there is none (HeadObject)."""

    def put_document(self, key: str, content: bytes) -> None:
        """Write a small object."""

    def source(self, version: ObjectVersion) -> ObjectSource:
        """Return a source for *version*; makes no call."""

    def metadata(self, version: ObjectVersion) -> Mapping[str, str]:
        """
        Return the metadata that the uploader gave *version*, names in lower case (HeadObject).

        Raises:
            FinalError: OBJECT_GONE, OBJECT_CHANGED.
        """

    def list_versions(self, prefix: str, marker: str | None) -> tuple[Sequence[ListedVersion], str | None]:
        """Return a page of the versions under *prefix* and the marker of the next page, or None."""
