"""
The bucket of uploads.

Every read names the version, the ETag and the bucket's owner, so that no two reads see different bytes and no bucket
of a stranger is read under the name of one that was deleted. Bytes are taken from a response in the sizes that the
caller asks for; 1 MiB runs at 2 GB/s, small reads at a third of it (measured).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final

from botocore.exceptions import BotoCoreError
from msgspec import Struct
from urllib3.exceptions import HTTPError

from chalicelib.aws.failures import aws_call
from chalicelib.aws.session import Session
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, FailedError, TemporaryError
from chalicelib.meter import Count, Meter
from chalicelib.ports.bucket import ByteStream, Document, ListedVersion, ObjectVersion

_READ_ATTEMPTS: Final = 3


class S3Bucket:
    """
    One bucket; implements `Bucket`.

    Args:
        session: Makes the client.
        name: Of the bucket.
        owner: Account that must own it.
        meter: Counts requests and bytes read.
    """

    def __init__(self, session: Session, name: str, owner: str, meter: Meter | None = None) -> None:
        self._session = session
        self._name = name
        self._owner = owner
        self._meter = meter or Meter()

    def source(self, version: ObjectVersion) -> S3Source:
        """Return a source for *version*; makes no call."""
        return S3Source(self._client(), self._pins(version), version, self._meter)

    def _pins(self, version: ObjectVersion) -> dict[str, str]:
        pins = {"Bucket": version.bucket, "Key": version.key, "IfMatch": f'"{version.etag}"'}
        if version.version_id:
            pins["VersionId"] = version.version_id
        return pins | {"ExpectedBucketOwner": self._owner}

    def document(self, key: str, most: int) -> Document | None:
        """
        Return the latest version of a small object, None if there is none.

        Raises:
            FailedError: TOO_LARGE, longer than *most* bytes; ACCESS_DENIED.
        """
        try:
            # s3:ListBucket, too: without it S3 calls an absent object forbidden.
            with aws_call("s3:GetObject", f"{self._name}/{key}"):
                answer = self._client().get_object(Bucket=self._name, Key=key, ExpectedBucketOwner=self._owner)
        except FailedError as error:
            if error.code is Code.OBJECT_GONE:
                return None
            raise
        with closing(answer["Body"]) as body:
            if answer["ContentLength"] > most:
                raise FailedError(Code.TOO_LARGE, f"{key} is longer than {most} bytes")
            content = _Body(body, self._meter).read(most)
        return Document(answer.get("VersionId", ""), content)

    def latest(self, key: str) -> ListedVersion | None:
        """
        Return the latest version of *key*, None if there is none.

        Raises:
            FailedError: ACCESS_DENIED.
        """
        try:
            with aws_call("s3:GetObject", f"{self._name}/{key}"):
                answer = self._client().head_object(Bucket=self._name, Key=key, ExpectedBucketOwner=self._owner)
        except FailedError as error:
            if error.code is Code.OBJECT_GONE:
                return None
            raise
        about = {"Key": key, "VersionId": "null", "Size": answer["ContentLength"], **answer}
        return self._version(about)

    def put_document(self, key: str, content: bytes) -> None:
        """Write a small JSON object."""
        with aws_call("s3:PutObject", f"{self._name}/{key}"):
            self._client().put_object(
                Bucket=self._name,
                Key=key,
                Body=content,
                ContentType="application/json",
                ExpectedBucketOwner=self._owner,
            )

    def metadata(self, version: ObjectVersion) -> Mapping[str, str]:
        """
        Return the metadata that the uploader gave *version*, names in lower case.

        Raises:
            FailedError: OBJECT_GONE, OBJECT_CHANGED, ACCESS_DENIED.
        """
        with aws_call("s3:GetObjectVersion", f"{version.bucket}/{version.key}"):
            answer = self._client().head_object(**self._pins(version))
        return {name.lower(): value for name, value in answer.get("Metadata", {}).items()}

    def list_versions(self, prefix: str, marker: str | None) -> tuple[Sequence[ListedVersion], str | None]:
        """Return a page of the versions under *prefix* and the marker of the next page, or None."""
        place = dict(zip(("KeyMarker", "VersionIdMarker"), json.loads(marker), strict=False)) if marker else {}
        with aws_call("s3:ListBucketVersions", self._name):
            page = self._client().list_object_versions(
                Bucket=self._name, Prefix=prefix, ExpectedBucketOwner=self._owner, **place
            )
        found = [self._version(entry) for entry in page.get("Versions", ())]
        if not page["IsTruncated"]:
            return found, None
        after = [page[name] for name in ("NextKeyMarker", "NextVersionIdMarker") if page.get(name)]
        return found, json.dumps(after)

    def _version(self, entry: dict[str, Any]) -> ListedVersion:
        version_id = "" if entry["VersionId"] == "null" else entry["VersionId"]
        etag = entry["ETag"].strip('"')
        found = ObjectVersion(bucket=self._name, key=entry["Key"], version_id=version_id, etag=etag, size=entry["Size"])
        return ListedVersion(found, entry["LastModified"].timestamp(), replaced=entry.get("IsLatest") is False)

    def _client(self) -> Any:
        return self._session.client("s3", prepare=self._count_requests)

    def _count_requests(self, client: Any) -> None:
        client.meta.events.register("before-send.s3.GetObject", self._sent)

    def _sent(self, **_: object) -> None:
        self._meter.add(Count.SOURCE_REQUESTS)


class S3Source(Struct, frozen=True):
    """One version of one object; implements `ObjectSource`. *pins* are the parameters that every read sends."""

    client: Any
    pins: dict[str, str]
    version: ObjectVersion
    meter: Meter

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.version.size

    def read(self, span: ByteRange) -> bytes:
        """
        Return exactly the bytes of *span*; a connection that breaks is tried again.

        Raises:
            TemporaryError: It broke every time.
            FailedError: OBJECT_GONE, OBJECT_CHANGED, ACCESS_DENIED.
        """
        for _ in range(_READ_ATTEMPTS - 1):
            try:
                return self._read(span)
            except TemporaryError:
                continue
        return self._read(span)

    @contextmanager
    def open(self, span: ByteRange) -> Iterator[ByteStream]:
        """
        Stream the bytes of *span*, in one ranged GET.

        Raises:
            TemporaryError: S3 could not be reached.
            FailedError: OBJECT_GONE, OBJECT_CHANGED, ACCESS_DENIED.
        """
        if not span.length:  # HTTP has no empty range
            yield _Nothing()
            return
        with aws_call("s3:GetObjectVersion", self._name):
            answer = self.client.get_object(**self.pins, Range=f"bytes={span.start}-{span.last}")
        with closing(answer["Body"]) as body:
            if answer["ContentLength"] != span.length:
                raise FailedError(Code.OBJECT_CHANGED, f"{self._name} does not have bytes {span.start} to {span.last}")
            yield _Body(body, self.meter)

    def _read(self, span: ByteRange) -> bytes:
        pieces: list[bytes] = []
        with self.open(span) as stream:
            while piece := stream.read(span.length - sum(map(len, pieces))):
                pieces.append(piece)
        if sum(map(len, pieces)) != span.length:
            raise TemporaryError(f"{self._name} ended early")
        return b"".join(pieces)

    @property
    def _name(self) -> str:
        return f"{self.version.bucket}, version {self.version.version_id or 'null'}"


class _Body(Struct, frozen=True):
    """The body of a response; botocore compares its length with Content-Length at its end."""

    body: Any
    meter: Meter

    def read(self, size: int, /) -> bytes:
        try:
            piece: bytes = self.body.read(size)
        except (BotoCoreError, HTTPError, OSError) as error:
            raise TemporaryError(f"s3:GetObjectVersion: {type(error).__name__} in the middle of the body") from error
        self.meter.add(Count.SOURCE_BYTES_READ, len(piece))
        return piece


class _Nothing:
    """The stream of an empty range."""

    def read(self, _size: int, /) -> bytes:
        return b""
