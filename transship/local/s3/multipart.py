"""
UploadPart, UploadPartCopy and CompleteMultipartUpload.

moto keeps the uploads (CreateMultipartUpload, ListParts, AbortMultipartUpload); a part is a `StoredKey` there.
An upload that is completed again answers as it did, as long as its object is there.
"""

from __future__ import annotations

from bisect import insort
from hashlib import md5
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from xml.parsers.expat import ExpatError

import xmltodict

from transship.local.protocol import Answer
from transship.local.protocol_error import AwsError
from transship.local.s3 import buckets, checksums
from transship.local.s3.conditions import byte_range
from transship.local.s3.content import Content, ContentStore
from transship.local.s3.incoming import announced_algorithm, receive
from transship.local.s3.keys import StoredKey
from transship.local.s3.objects import Objects, describe, set_checksum, stored_headers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moto.s3.models import FakeBucket, FakeMultipart

    from transship.local.protocol import AwsRequest
    from transship.local.s3.content import Segment

PARTS_LIMIT = 10_000
SMALLEST_PART = 5 << 20
"""Bytes of every part but the last ("Amazon S3 multipart upload limits", Amazon S3 User Guide)."""

_COMPLETION_LIMIT = 4 << 20
"""Bytes of the list of parts; 10,000 of them with checksums are 2 MB."""


class Multipart:
    """The calls that carry bytes into an upload and make an object of them."""

    def __init__(self, store: ContentStore, objects: Objects) -> None:
        self._store, self._objects = store, objects
        self._completed: dict[str, tuple[str, str]] = {}

    def put(self, request: AwsRequest, bucket: FakeBucket) -> Answer:
        """Answer UploadPart."""
        upload = _upload(bucket, request)
        number = _part_number(request)
        algorithm = announced_algorithm(request.headers) or _algorithm(upload)
        if algorithm != _algorithm(upload) and "x-amz-checksum-algorithm" in upload.metadata:
            message = f"Checksum Type mismatch occurred, expected {_algorithm(upload)}, actual {algorithm}"
            raise AwsError("InvalidRequest", message)
        segment = receive(self._store, request, algorithm)
        part = _place(upload, bucket, number, segment)
        set_checksum(part, algorithm, checksums.encoded(segment.digests[algorithm]), None)
        headers = stored_headers(part)
        headers.remove("x-amz-checksum-type")
        return Answer(200, b"", headers)

    def copy(self, request: AwsRequest, bucket: FakeBucket) -> Answer:
        """Answer UploadPartCopy."""
        upload = _upload(bucket, request)
        number = _part_number(request)
        source = self._objects.source_of(request)
        text = request.headers.get("x-amz-copy-source-range")
        offset, length = byte_range(text, source.size) or (0, source.size)
        with source.content.open(offset, length) as stream:
            part = _place(upload, bucket, number, self._store.receive(stream, [_algorithm(upload)]))
        answer = request.answer({"CopyPartResult": {"ETag": part.etag, "LastModified": part.last_modified}})
        answer.headers["x-amz-server-side-encryption"] = part.encryption
        return answer

    def complete(self, request: AwsRequest, bucket: FakeBucket) -> Answer:
        """Answer CompleteMultipartUpload."""
        upload_id, name = request.query["uploadId"], request.params["Key"]
        listed = _listed(request)
        with buckets.commit:
            key = self._again(bucket, upload_id, name) or self._complete(request, bucket, listed)
            self._completed[upload_id] = (name, key.version_id)
        result = {
            "Location": f"{request.http.host_url}{bucket.name}/{name}",
            "Bucket": bucket.name,
            "Key": name,
            "ETag": key.etag,
            f"Checksum{key.checksum_algorithm}": key.checksum_value,
            "ChecksumType": key.checksum_type,
        }
        answer = request.answer(result)
        answer.headers.update(stored_headers(key))
        return answer

    def _again(self, bucket: FakeBucket, upload_id: str, name: str) -> StoredKey | None:
        if upload_id in bucket.multiparts or upload_id not in self._completed:
            return None
        completed, version_id = self._completed[upload_id]
        return buckets.find(bucket, name, version_id) if completed == name else None

    def _complete(self, request: AwsRequest, bucket: FakeBucket, listed: Sequence[tuple[int, str]]) -> StoredKey:
        upload = _upload(bucket, request)
        parts = [_named(upload, number, etag) for number, etag in listed]
        if any(part.size < SMALLEST_PART for part in parts[:-1]):
            raise AwsError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
        segments = tuple(part.content.segments[0] for part in parts)
        key = StoredKey(upload.key_name, Content(segments), _etag(segments), bucket, buckets.new_version_id(bucket))
        _sum(key, upload, segments)
        describe(key, upload.metadata.items())
        key.content = self._store.link(key.content)  # an upload whose completion is refused keeps its parts
        self._objects.commit(request, bucket, key, "s3:ObjectCreated:CompleteMultipartUpload", upload.tags or {})
        del bucket.multiparts[upload.id]
        return key


def _upload(bucket: FakeBucket, request: AwsRequest) -> FakeMultipart:
    upload_id = request.query["uploadId"]
    upload = bucket.multiparts.get(upload_id)
    if upload is None or upload.key_name != request.params["Key"]:
        message = (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been "
            "aborted or completed."
        )
        raise AwsError("NoSuchUpload", message, 404, UploadId=upload_id)
    return upload


def _part_number(request: AwsRequest) -> int:
    text = request.query["partNumber"]
    if not text.isdecimal() or not 1 <= int(text) <= PARTS_LIMIT:
        message = f"Part number must be an integer between 1 and {PARTS_LIMIT}, inclusive"
        raise AwsError("InvalidArgument", message, ArgumentName="partNumber", ArgumentValue=text)
    return int(text)


def _algorithm(upload: FakeMultipart) -> str:
    named: str = upload.metadata.get("x-amz-checksum-algorithm", checksums.DEFAULT_ALGORITHM)
    return named.upper()


def _place(upload: FakeMultipart, bucket: FakeBucket, number: int, segment: Segment) -> StoredKey:
    part = StoredKey(number, Content((segment,)), segment.md5, bucket, "null")
    with buckets.commit:
        replaced = upload.parts.get(number)
        upload.parts[number] = part
        if replaced is None:
            insort(upload.partlist, number)
        else:
            replaced.dispose()
    return part


def _listed(request: AwsRequest) -> list[tuple[int, str]]:
    """Return (part number, ETag) of every part in the body, which must be in ascending order."""
    malformed = AwsError("MalformedXML", "The XML you provided was not well-formed or did not validate.")
    try:
        document: dict[str, Any] = xmltodict.parse(
            request.environ["wsgi.input"].read(_COMPLETION_LIMIT), force_list=("Part",)
        )
        parts = document["CompleteMultipartUpload"]["Part"]
        listed = [(int(part["PartNumber"]), str(part["ETag"]).strip('"')) for part in parts]
    except (ExpatError, KeyError, TypeError, ValueError):
        raise malformed from None
    if any(following <= number for (number, _), (following, _) in pairwise(listed)):
        raise AwsError("InvalidPartOrder", "The list of parts was not in ascending order.")
    return listed


def _named(upload: FakeMultipart, number: int, etag: str) -> StoredKey:
    part = upload.parts.get(number)
    if not isinstance(part, StoredKey) or part.etag.strip('"') != etag:
        message = "One or more of the specified parts could not be found, or its ETag did not match."
        raise AwsError("InvalidPart", message, UploadId=upload.id, PartNumber=str(number), ETag=etag)
    return part


def _etag(segments: Sequence[Segment]) -> str:
    sums = b"".join(bytes.fromhex(segment.md5) for segment in segments)
    return f"{md5(sums, usedforsecurity=False).hexdigest()}-{len(segments)}"


def _sum(key: StoredKey, upload: FakeMultipart, segments: Sequence[Segment]) -> None:
    """Give *key* the checksum of all its parts; parts summed with different algorithms have none."""
    algorithm = _algorithm(upload)
    if any(algorithm not in segment.digests for segment in segments):
        return
    default = checksums.FULL_OBJECT if algorithm == checksums.DEFAULT_ALGORITHM else checksums.COMPOSITE
    kind = str(upload.metadata.get("x-amz-checksum-type", default)).upper()
    if kind == checksums.FULL_OBJECT:
        value = checksums.full_object(algorithm, [(part.digests[algorithm], part.size) for part in segments])
    else:
        value = checksums.composite(algorithm, [part.digests[algorithm] for part in segments])
    set_checksum(key, algorithm, value, kind)
