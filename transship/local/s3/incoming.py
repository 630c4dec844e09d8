"""
A streamed request body on its way to a file, with everything that the client said about it checked.

Length, Content-MD5, the signature's payload hash and any checksum, in a header or a trailer; the file is gone when
one of them is wrong.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from transship.local.protocol_error import AwsError
from transship.local.s3.bodies import AwsChunkedReader, is_aws_chunked
from transship.local.s3.checksums import ALGORITHMS, encoded

if TYPE_CHECKING:
    import io
    from collections.abc import Mapping

    from werkzeug.datastructures import Headers

    from transship.local.protocol import AwsRequest
    from transship.local.s3.content import ContentStore, Segment

SIZE_LIMIT = 5 << 30
"""Bytes of one PutObject or one part ("Amazon S3 multipart upload limits", Amazon S3 User Guide)."""

_PREFIX = "x-amz-checksum-"


def announced_algorithm(headers: Headers) -> str | None:
    """
    Return the checksum algorithm of a request: of a checksum header, of an announced trailer, or as named.

    Raises:
        AwsError: 400 InvalidRequest: it is none that S3 knows.
    """
    names = [name[len(_PREFIX) :] for name in headers.keys(lower=True) if name.startswith(_PREFIX)]
    names += [name.strip()[len(_PREFIX) :] for name in headers.get("x-amz-trailer", "").split(",") if name.strip()]
    names += [headers[name] for name in ("x-amz-sdk-checksum-algorithm",) if name in headers]
    known = [name.upper() for name in names if name.lower() not in ("type", "algorithm", "mode")]
    if any(name not in ALGORITHMS for name in known):
        raise AwsError("InvalidRequest", f"The algorithm type you specified in {known} is not supported.")
    return known[0] if known else None


def receive(store: ContentStore, request: AwsRequest, algorithm: str) -> Segment:
    """
    Store the body of *request* and sum it with *algorithm*.

    Raises:
        AwsError: The body is not what the headers or the trailers say, or is too large.
    """
    headers = request.headers
    length = _length(headers)
    payload_hash = headers.get("x-amz-content-sha256", "")
    algorithms = {algorithm} | ({"SHA256"} if len(payload_hash) == 64 else set())
    stream: io.RawIOBase = request.environ["wsgi.input"]
    chunked = AwsChunkedReader(stream) if is_aws_chunked(headers) else None
    segment = store.receive(chunked or stream, algorithms)
    try:
        _check_payload(segment, length, payload_hash)
        _check_md5(headers, segment)
        _check_sum({**_lower(headers), **(chunked.trailers if chunked else {})}, algorithm, segment)
    except AwsError:
        segment.path.unlink()
        raise
    return segment


def _length(headers: Headers) -> int:
    text = headers.get("x-amz-decoded-content-length") or headers.get("Content-Length")
    if text is None:
        raise AwsError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    if int(text) > SIZE_LIMIT:
        message = "Your proposed upload exceeds the maximum allowed size"
        raise AwsError("EntityTooLarge", message, ProposedSize=text, MaxSizeAllowed=str(SIZE_LIMIT))
    return int(text)


def _check_payload(segment: Segment, length: int, payload_hash: str) -> None:
    if segment.size != length:
        raise AwsError("IncompleteBody", f"You announced {length} bytes and sent {segment.size}.")
    if len(payload_hash) == 64 and segment.digests["SHA256"].hex() != payload_hash:
        message = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise AwsError("XAmzContentSHA256Mismatch", message)


def _check_md5(headers: Headers, segment: Segment) -> None:
    if (given := headers.get("Content-MD5")) is None:
        return
    try:
        digest = base64.b64decode(given, validate=True).hex()
    except binascii.Error:
        digest = ""
    if len(digest) != 32:
        raise AwsError("InvalidDigest", "The Content-MD5 you specified was invalid.")
    if digest != segment.md5:
        raise AwsError("BadDigest", "The Content-MD5 you specified did not match what we received.")


def _check_sum(fields: Mapping[str, str], algorithm: str, segment: Segment) -> None:
    given = fields.get(_PREFIX + algorithm.lower())
    if given is not None and given != encoded(segment.digests[algorithm]):
        raise AwsError("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")


def _lower(headers: Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
