"""
Which bytes a read may have: conditional headers first, then the range (RFC 9110, sections 13.2.2 and 14.2).

S3 ignores a range that it cannot read, and one that lists several ("GetObject", Amazon S3 API Reference).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from werkzeug.http import parse_date

from transship.local.protocol_error import AwsError

if TYPE_CHECKING:
    from datetime import datetime

    from werkzeug.datastructures import Headers

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class NotModified(Exception):  # noqa: N818 - a status, not an error
    """The client has it already: 304."""


def check_read(headers: Headers, etag: str, modified: datetime) -> None:
    """
    Apply If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since, in the order of RFC 9110.

    Args:
        headers: Of the request.
        etag: Of the object, with quotes.
        modified: When the object was stored; UTC, whole seconds.

    Raises:
        AwsError: 412 PreconditionFailed.
        NotModified: 304.
    """
    if "If-Match" in headers:
        if not _names(headers["If-Match"], etag):
            raise precondition_failed("If-Match")
    elif (since := parse_date(headers.get("If-Unmodified-Since"))) and modified > since:
        raise precondition_failed("If-Unmodified-Since")
    if "If-None-Match" in headers:
        if _names(headers["If-None-Match"], etag):
            raise NotModified
    elif (since := parse_date(headers.get("If-Modified-Since"))) and modified <= since:
        raise NotModified


def check_write(headers: Headers, etag: str | None, key: str) -> None:
    """
    Apply If-Match and If-None-Match to a write over an object with *etag*, or over none.

    Raises:
        AwsError: 412 PreconditionFailed; 404 NoSuchKey for If-Match on nothing.
    """
    if "If-Match" in headers:
        if etag is None:
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404, Key=key)
        if not _names(headers["If-Match"], etag):
            raise precondition_failed("If-Match")
    if "If-None-Match" in headers and etag is not None and _names(headers["If-None-Match"], etag):
        raise precondition_failed("If-None-Match")


def precondition_failed(condition: str) -> AwsError:
    """Return the error for a condition that does not hold."""
    message = "At least one of the pre-conditions you specified did not hold"
    return AwsError("PreconditionFailed", message, 412, Condition=condition)


def byte_range(text: str | None, size: int) -> tuple[int, int] | None:
    """
    Return offset and length of the one range in *text*; None where all of *size* bytes are to be sent.

    Raises:
        AwsError: 416 InvalidRange: no byte of the object is in it.
    """
    match = _RANGE.fullmatch((text or "").strip())
    if not match or match[1] == match[2] == "":
        return None
    if match[1] == "":
        length = min(int(match[2]), size)
        first, last = size - length, size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
        if match[2] and int(match[2]) < first:
            return None
    if first >= size or last < first:
        message = "The requested range is not satisfiable"
        raise AwsError("InvalidRange", message, 416, ActualObjectSize=str(size), RangeRequested=text)
    return first, last - first + 1


def _names(header: str, etag: str) -> bool:
    names = {name.strip().removeprefix("W/").strip('"') for name in header.split(",")}
    return "*" in names or etag.strip('"') in names
