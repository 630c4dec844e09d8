"""
DeleteObjects, judged key by key: what the caller may not delete is listed as an error, and the rest is gone.

The deleting itself is moto's ("DeleteObjects", Amazon S3 API Reference).
Left out: MFA, and conditions on single entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.parsers.expat import ExpatError

import xmltodict
from moto.s3.models import s3_backends

from transship.local.caller import AccessDenied, AccessRequest, Authorizer
from transship.local.protocol import Answer, AwsRequest
from transship.local.protocol_error import AwsError
from transship.local.resources import PARTITION, bucket_policies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from moto.s3.models import FakeBucket

    from transship.local.caller import Caller

_MOST_KEYS = 1_000
_BODY_LIMIT = 4 << 20
"""Bytes of a list of so many keys of 1,024 bytes, with their tags."""


def delete_objects(request: AwsRequest, bucket: FakeBucket, caller: Caller, authorizer: Authorizer) -> Answer:
    """
    Delete what *request* lists and *caller* may delete.

    Raises:
        AwsError: MalformedXML; the list is none, empty, or longer than 1,000.
    """
    document = _parsed(request)
    errors, allowed = [], []
    for entry in _entries(document):
        try:
            authorizer.authorize(caller, _access(bucket, entry))
        except AccessDenied as denied:
            errors.append({**_named(entry), "Code": "AccessDenied", "Message": str(denied)})
        else:
            allowed.append(entry)
    backend = s3_backends[bucket.account_id][PARTITION]
    bypass = request.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"
    deleted, locked = backend.delete_objects(bucket.name, allowed, bypass)
    errors += [
        {"Key": key, "Code": "AccessDenied", "Message": "Access Denied because object protected by object lock."}
        for key in locked
    ]
    quiet = document.get("Quiet") == "true"
    return request.answer({"Deleted": [] if quiet else [_gone(*one) for one in deleted], "Errors": errors})


def _parsed(request: AwsRequest) -> dict[str, Any]:
    body = request.environ["wsgi.input"].read(_BODY_LIMIT)
    try:
        document = xmltodict.parse(body, strip_whitespace=False, force_list=("Object",))["Delete"]
    except (ExpatError, KeyError, TypeError) as error:
        raise _malformed() from error
    if not isinstance(document, dict):
        raise _malformed()
    return document


def _entries(document: dict[str, Any]) -> Sequence[dict[str, Any]]:
    entries = document.get("Object", [])
    if not 1 <= len(entries) <= _MOST_KEYS or not all(
        isinstance(entry, dict) and entry.get("Key") for entry in entries
    ):
        raise _malformed()
    return entries  # type: ignore[no-any-return]


def _malformed() -> AwsError:
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return AwsError("MalformedXML", message)


def _access(bucket: FakeBucket, entry: dict[str, Any]) -> AccessRequest:
    action = "s3:DeleteObjectVersion" if entry.get("VersionId") else "s3:DeleteObject"
    policies = bucket_policies(bucket.name)
    return AccessRequest(action, f"{bucket.arn}/{entry['Key']}", bucket.account_id, resource_policies=policies)


def _named(entry: dict[str, Any]) -> dict[str, str]:
    return {name: entry[name] for name in ("Key", "VersionId") if entry.get(name)}


def _gone(key: str, version: str | None, marker: str | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"Key": key}
    if version:
        entry["VersionId"] = version
    if marker:
        entry |= {"DeleteMarker": True, "DeleteMarkerVersionId": marker}
    return entry
