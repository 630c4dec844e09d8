"""
The body of a request in JSON 1.1.

A layer part is 4/3 of its size in base64 inside a JSON string. It is cut out and decoded where it lies, so that the
JSON parser never sees it; any body that this does not fit is parsed as a whole.
"""

from __future__ import annotations

import binascii
import json
import re
from typing import Any

import pybase64

from transship.local.ecr.errors import EcrError

_BLOB = "layerPartBlob"
_MEMBERS = 4096
"""Bytes that take all members but the part: two names of at most 256 and an id of 36 characters, and numbers."""
_BLOB_START = re.compile(rb'"layerPartBlob"\s*:\s*"')


def parse_body(body: bytes) -> dict[str, Any]:
    """
    Return the parameters of the request, a layer part as bytes; needs once the part of memory beside *body*.

    Raises:
        EcrError: SerializationException; the body is no JSON object, or the part no base64.
    """
    start = _BLOB_START.search(body)
    if start is None:
        return _load(body or b"{}")
    return _cut_out(body, start.end()) or _whole(body)


def _cut_out(text: bytes, start: int) -> dict[str, Any] | None:
    # The quote behind the part is looked for near the end alone, where it is if the part is the largest member. It is
    # the part's if nothing but base64 lies before it, which decoding finds out; looking for one in all of it would
    # keep every other thread waiting for a millisecond.
    end = text.find(b'"', max(start, len(text) - _MEMBERS))
    try:
        parameters = json.loads(text[:start] + text[end:])
        part = pybase64.b64decode(memoryview(text)[start:end], validate=True)
    except (ValueError, RecursionError):  # it is not the part's quote, or the part is escaped (PHP writes `\/`)
        return None
    is_the_part = end >= 0 and isinstance(parameters, dict) and parameters.get(_BLOB) == ""
    return parameters | {_BLOB: part} if is_the_part else None


def _whole(text: bytes) -> dict[str, Any]:
    parameters = _load(text)
    if isinstance(parameters.get(_BLOB), str):
        parameters[_BLOB] = _decode(parameters[_BLOB])
    return parameters


def _load(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EcrError("SerializationException", "The request body is not valid JSON") from error
    if not isinstance(document, dict):
        raise EcrError("SerializationException", "The request body is not a JSON object")
    return document


def _decode(text: str | memoryview) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EcrError("SerializationException", "layerPartBlob is not valid base64") from error
