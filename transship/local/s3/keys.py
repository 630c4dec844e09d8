"""
Object versions and parts as moto's S3 keeps them, with their bytes on disk.

moto goes on serving lists, deletions, tags and ACLs from the same index; whatever asks one of these for its value
gets all of it, and so must not be on the way of a large object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from moto.s3.models import FakeKey

from transship.local.s3.content import Content

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moto.s3.models import FakeBucket

_KEPT = ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires")
"""System metadata that a client sets ("Working with object metadata", Amazon S3 User Guide)."""


class StoredKey(FakeKey):
    """An object version, or a part of an upload, whose bytes are a `Content`."""

    def __init__(self, name: str | int, content: Content, etag: str, bucket: FakeBucket, version_id: str) -> None:
        """Put *content* behind *name* in *bucket*; *etag* is without quotes."""
        self.content = content
        super().__init__(
            name,  # type: ignore[arg-type] # moto names parts by their number
            b"",
            account_id=bucket.account_id,
            region_name=bucket.region_name,
            etag=etag,
            is_versioned=version_id != "null",
            version_id=version_id,
            bucket_name=bucket.name,
            encryption="AES256",  # S3 encrypts every object at rest
        )
        self.contentsize = content.size
        self._value_buffer.close()

    @property
    def value(self) -> bytes:
        """All bytes."""
        return self.content.bytes()

    @value.setter
    def value(self, value: bytes) -> None:
        """Ignore what moto's constructor sets: the bytes are there already."""

    @property
    def key(self) -> str:
        """Object key."""
        return str(self.name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy for a listing of versions, without another temporary file for bytes that it has not."""
        del memo
        twin: Self = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def release(self) -> Content:
        """Give the files away, so that they survive this key."""
        content, self.content = self.content, Content()
        return content

    def dispose(self, garbage: bool = False) -> None:
        """Delete the files, unless *garbage* says that only an object of ours ends: a copy of it may share them."""
        if not garbage:
            self.release().delete()
            self.disposed = True


def metadata_of(headers: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Return the user and system metadata among *headers*, names in lower case."""
    kept = {}
    for name, value in headers:
        lower = name.lower()
        if lower.startswith("x-amz-meta-") or lower in _KEPT:
            kept[lower] = str(value)
    codings = [coding.strip() for coding in kept.pop("content-encoding", "").split(",")]
    codings = [coding for coding in codings if coding not in {"", "aws-chunked"}]
    return {**kept, "content-encoding": ",".join(codings)} if codings else kept
