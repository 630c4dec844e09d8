"""GetObject, HeadObject, PutObject and CopyObject."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from werkzeug.datastructures import Headers
from werkzeug.http import http_date

from transship.local.protocol import Answer
from transship.local.protocol_error import AwsError
from transship.local.s3 import buckets
from transship.local.s3.checksums import COMPOSITE, DEFAULT_ALGORITHM, FULL_OBJECT, encoded
from transship.local.s3.conditions import NotModified, byte_range, check_read, check_write
from transship.local.s3.content import Content, ContentStore
from transship.local.s3.incoming import announced_algorithm, receive
from transship.local.s3.keys import StoredKey, metadata_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from moto.s3.models import FakeBucket

    from transship.local.protocol import AwsRequest
    from transship.local.s3.notifications import Notifier

_OVERRIDES = ("cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires")
_OF_NOT_MODIFIED = ("ETag", "Last-Modified", "Cache-Control", "Expires", "x-amz-version-id")
_COPY_CONDITION = "x-amz-copy-source-"


class Objects:
    """The calls on whole objects."""

    def __init__(self, store: ContentStore, notifier: Notifier) -> None:
        self._store, self._notifier = store, notifier

    def get(self, request: AwsRequest, bucket: FakeBucket) -> Answer:
        """Answer GetObject and HeadObject: bytes, or a range of them, under the request's conditions."""
        key = buckets.find(bucket, request.params["Key"], request.query.get("versionId"))
        headers = _description(key, with_checksum=request.headers.get("x-amz-checksum-mode") == "ENABLED")
        try:
            check_read(request.headers, key.etag, _modified(key))
        except NotModified:
            return Answer(304, b"", Headers((name, headers[name]) for name in _OF_NOT_MODIFIED if name in headers))
        for name in _OVERRIDES:
            if value := request.query.get(f"response-{name}"):
                headers[name] = value
        return _ranged(request, key, headers)

    def put(self, request: AwsRequest, bucket: FakeBucket) -> Answer:
        """Answer PutObject."""
        algorithm = announced_algorithm(request.headers) or DEFAULT_ALGORITHM
        segment = receive(self._store, request, algorithm)
        key = StoredKey(request.params["Key"], Content((segment,)), segment.md5, bucket, buckets.new_version_id(bucket))
        set_checksum(key, algorithm, encoded(segment.digests[algorithm]), FULL_OBJECT)
        describe(key, request.headers.items())
        self.commit(request, bucket, key, "s3:ObjectCreated:Put", tags_of(request.headers))
        return Answer(200, b"", stored_headers(key))

    def copy(self, request: AwsRequest, bucket: FakeBucket) -> Answer:
        """Answer CopyObject; the copy shares the source's file."""
        source = self.source_of(request)
        content = self._store.link(source.content)
        etag = source.etag.strip('"')
        key = StoredKey(request.params["Key"], content, etag, bucket, buckets.new_version_id(bucket))
        replaced = request.headers.get("x-amz-metadata-directive") == "REPLACE"
        describe(key, request.headers.items() if replaced else source.metadata.items())
        set_checksum(key, source.checksum_algorithm, source.checksum_value, source.checksum_type)
        self.commit(request, bucket, key, "s3:ObjectCreated:Copy", tags_of(request.headers))
        result = {"ETag": key.etag, "LastModified": key.last_modified}
        answer = request.answer({"CopyObjectResult": result})
        answer.headers.update(stored_headers(key))
        return answer

    def source_of(self, request: AwsRequest) -> StoredKey:
        """
        Return the version that a copy names, under the copy's conditions.

        Raises:
            AwsError: There is none, another account owns its bucket, or a condition does not hold.
        """
        path, _, query = request.headers["x-amz-copy-source"].lstrip("/").partition("?")
        name, _, key = unquote(path).partition("/")
        owner = request.headers.get("x-amz-source-expected-bucket-owner")
        found = buckets.find(buckets.open_bucket(name, owner), key, dict(parse_qsl(query)).get("versionId"))
        conditions = Headers(
            (header[len(_COPY_CONDITION) :], value)
            for header, value in request.headers.items()
            if header.lower().startswith(_COPY_CONDITION)
        )
        try:
            check_read(conditions, found.etag, _modified(found))
        except NotModified:
            raise AwsError("PreconditionFailed", "The source has not changed.", 412) from None
        return found

    def commit(self, request: AwsRequest, bucket: FakeBucket, key: StoredKey, event: str, tags: dict[str, str]) -> None:
        """
        Put *key* in its place if the request's conditions hold there, and announce it.

        Raises:
            AwsError: A condition does not hold; the bytes are gone.
        """
        with buckets.commit:
            there = buckets.current(bucket, key.key)
            try:
                check_write(request.headers, there.etag if there else None, key.key)
            except AwsError:
                key.dispose()
                raise
            buckets.place(bucket, key)
            buckets.tag(bucket, key, tags)
            self._notifier.send(event, bucket, key)


def describe(key: StoredKey, headers: Iterable[tuple[str, Any]]) -> None:
    """Give *key* the metadata among *headers*."""
    for name, value in metadata_of(headers).items():
        key.metadata[name] = value


def set_checksum(key: StoredKey, algorithm: str | None, value: str | None, kind: str | None) -> None:
    """Note the checksum that reads of *key* return."""
    key.checksum_algorithm, key.checksum_value, key.checksum_type = algorithm, value, kind


def stored_headers(key: StoredKey) -> Headers:
    """Return what every write answers: ETag, version, encryption and checksum."""
    headers = Headers({"ETag": key.etag, "x-amz-server-side-encryption": key.encryption})
    if key.version_id != "null":
        headers["x-amz-version-id"] = key.version_id
    if key.checksum_value:
        headers[f"x-amz-checksum-{str(key.checksum_algorithm).lower()}"] = key.checksum_value
        headers["x-amz-checksum-type"] = key.checksum_type
    return headers


def tags_of(headers: Headers) -> dict[str, str]:
    """Return the tags of an `x-amz-tagging` header."""
    return dict(parse_qsl(headers.get("x-amz-tagging", ""), keep_blank_values=True))


def _modified(key: StoredKey) -> datetime:
    modified: datetime = key.last_modified.replace(tzinfo=UTC, microsecond=0)
    return modified


def _description(key: StoredKey, *, with_checksum: bool) -> Headers:
    headers = Headers(dict(key.metadata))
    headers["Last-Modified"] = http_date(_modified(key))
    headers["Accept-Ranges"] = "bytes"
    headers["Content-Length"] = str(key.size)
    for name, value in stored_headers(key).items():
        if with_checksum or not name.lower().startswith("x-amz-checksum-"):
            headers[name] = value
    return headers


def _ranged(request: AwsRequest, key: StoredKey, headers: Headers) -> Answer:
    wanted = byte_range(request.headers.get("Range"), key.size)
    if "partNumber" in request.query:
        wanted = _part(key, int(request.query["partNumber"]), headers)
    if wanted is None:
        return Answer(200, key.content.read(0, key.size), headers)
    offset, length = wanted
    if length != key.size and key.checksum_type != COMPOSITE:
        headers.remove(f"x-amz-checksum-{str(key.checksum_algorithm).lower()}")  # it is not that of the range
    headers["Content-Range"] = f"bytes {offset}-{offset + length - 1}/{key.size}"
    headers["Content-Length"] = str(length)
    return Answer(206, key.content.read(offset, length), headers)


def _part(key: StoredKey, number: int, headers: Headers) -> tuple[int, int]:
    try:
        wanted = key.content.part(number)
    except IndexError:
        raise AwsError("InvalidPartNumber", "The requested partnumber is not satisfiable", 416) from None
    if len(key.content.segments) > 1:
        headers["x-amz-mp-parts-count"] = str(len(key.content.segments))
    return wanted
