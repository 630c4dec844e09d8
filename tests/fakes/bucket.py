"""A bucket in memory: `Bucket` and `ObjectSource` over bytes."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, FailedError, TemporaryError
from chalicelib.ports.bucket import ByteStream, Document, ListedVersion, ObjectVersion


@dataclass(slots=True)
class FakeBucket:
    """
    Versions of objects; the latest version of a key is the one put last. Implements `Bucket`.

    Attributes:
        page: Keys whose versions `list_versions` returns at once.
        reads: Every GET of any source: what was asked for and how many bytes were taken.
        modified: When everything was written, epoch seconds, but for keys of which *times* knows better.
        given: Metadata by key.
        breaks: A connection breaks after this many bytes of a stream, once for each number in the list.
    """

    name: str = "transship-uploads"
    page: int = 1_000
    reads: list[Get] = field(default_factory=list)
    modified: float = 0.0
    breaks: list[int] = field(default_factory=list)
    objects: dict[str, dict[str, bytes]] = field(default_factory=dict)
    given: dict[str, Mapping[str, str]] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    _serial: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def put(self, key: str, content: bytes) -> ObjectVersion:
        """Put an object and return its version."""
        version_id = f"v{next(self._serial)}"
        self.objects.setdefault(key, {})[version_id] = content
        return self._version(key, version_id)

    @staticmethod
    def place(version: ObjectVersion) -> int:
        """Return where a version stands in the order of all that were put."""
        return int(version.version_id[1:])

    def delete(self, version: ObjectVersion) -> None:
        """Delete one version for good."""
        del self.objects[version.key][version.version_id]

    def source(self, version: ObjectVersion) -> FakeSource:
        return FakeSource(self, version)

    def document(self, key: str, most: int) -> Document | None:
        versions = self.objects.get(key)
        if not versions:
            return None
        version_id, content = list(versions.items())[-1]
        if len(content) > most:
            raise FailedError(Code.TOO_LARGE, f"{key} is longer than {most} bytes")
        return Document(version_id, content)

    def latest(self, key: str) -> ListedVersion | None:
        versions = self.objects.get(key)
        return ListedVersion(self._version(key, list(versions)[-1]), self.written(key)) if versions else None

    def written(self, key: str) -> float:
        return self.times.get(key, self.modified)

    def put_document(self, key: str, content: bytes) -> None:
        self.put(key, content)

    def metadata(self, version: ObjectVersion) -> Mapping[str, str]:
        if version.version_id not in self.objects.get(version.key, {}):
            raise FailedError(Code.OBJECT_GONE, "the version is not there")
        return self.given.get(version.key, {})

    def list_versions(self, prefix: str, marker: str | None) -> tuple[Sequence[ListedVersion], str | None]:
        keys = sorted(key for key, versions in self.objects.items() if versions and key.startswith(prefix))
        rest = [key for key in keys if marker is None or key > marker]
        found = [listed for key in rest[: self.page] for listed in self._listed(key)]
        return found, (rest[self.page - 1] if len(rest) > self.page else None)

    def _listed(self, key: str) -> list[ListedVersion]:
        latest, *replaced = reversed(self.objects[key])
        return [
            ListedVersion(self._version(key, latest), self.written(key)),
            *(ListedVersion(self._version(key, one), self.written(key), replaced=True) for one in replaced),
        ]

    def _version(self, key: str, version_id: str) -> ObjectVersion:
        content = self.objects[key][version_id]
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return ObjectVersion(bucket=self.name, key=key, version_id=version_id, etag=etag, size=len(content))


@dataclass(slots=True)
class Get:
    """One GET."""

    span: ByteRange
    taken: int = 0


@dataclass(frozen=True, slots=True)
class FakeSource:
    """One version of one object; implements `ObjectSource`."""

    bucket: FakeBucket
    version: ObjectVersion

    @property
    def size(self) -> int:
        return self.version.size

    def read(self, span: ByteRange) -> bytes:
        with self.open(span) as stream:
            return stream.read(span.length)

    @contextmanager
    def open(self, span: ByteRange) -> Iterator[ByteStream]:
        content = self.bucket.objects.get(self.version.key, {}).get(self.version.version_id)
        if content is None:
            raise FailedError(Code.OBJECT_GONE, "the version is not there")
        assert span.end <= len(content), "a range must lie inside the object"
        get = Get(span)
        self.bucket.reads.append(get)
        yield _Stream(self.bucket, memoryview(content)[span.start : span.end], get)


@dataclass(slots=True)
class _Stream:
    bucket: FakeBucket
    content: memoryview
    get: Get

    def read(self, size: int, /) -> bytes:
        if self.bucket.breaks and self.get.taken + size > self.bucket.breaks[0]:
            self.bucket.breaks.pop(0)
            raise TemporaryError("the connection broke")
        piece = bytes(self.content[self.get.taken : self.get.taken + size])
        self.get.taken += len(piece)
        return piece
