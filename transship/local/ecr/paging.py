"""Pages of a sorted list: the token names the last item given, so that changes between calls move nothing."""

from __future__ import annotations

import base64
import binascii
import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from transship.local.ecr.errors import invalid_parameter

T = TypeVar("T")


def page(
    items: Iterable[T], key: Callable[[T], str], parameters: Mapping[str, Any], default_size: int
) -> tuple[list[T], dict[str, str]]:
    """
    Return one page of *items* in the order of *key*, and the members to add to the answer: nextToken, or nothing.

    Args:
        items: All items; *key* must be unique.
        key: What they are sorted by.
        parameters: Request members; maxResults and nextToken are looked at.
        default_size: Items of a page without maxResults.

    Raises:
        EcrError: InvalidParameterException; the token is none of ours.
    """
    after = _decode(parameters.get("nextToken"))
    size = parameters.get("maxResults") or default_size
    # One item more than the page tells whether there is another; sorting all of 100,000 for each page would not do.
    rest = heapq.nsmallest(size + 1, (item for item in items if after is None or key(item) > after), key=key)
    if len(rest) <= size:
        return rest, {}
    return rest[:size], {"nextToken": _encode(key(rest[size - 1]))}


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(f"after:{key}".encode()).decode()


def _decode(token: str | None) -> str | None:
    if token is None:
        return None
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise invalid_parameter("nextToken", "Invalid token") from error
    prefix, colon, key = text.partition(":")
    if prefix != "after" or not colon:
        raise invalid_parameter("nextToken", "Invalid token")
    return key
