"""Where what a stream inflates to stops being believed: one rule for whole archives and for single layers."""

from __future__ import annotations

from chalicelib.archive.limits import ArchiveLimits
from chalicelib.errors import Code, RefusedError


def check_inflation(what: str, packed: int, inflated: int, limits: ArchiveLimits) -> None:
    """
    Check what has come out of a decoder until now.

    *what*: Names the stream in the refusal; *packed*: bytes that the decoder was given; *inflated*: bytes that it gave.
    *limits*: `inflated`, `ratio` and `ratio_from`.

    Raises:
        RefusedError: BOMB.
    """
    if inflated > limits.inflated:
        raise RefusedError(Code.BOMB, f"{what} inflates to more than {limits.inflated} bytes")
    if inflated > limits.ratio_from and inflated > limits.ratio * packed:
        raise RefusedError(Code.BOMB, f"{what} inflates to more than {limits.ratio} times its size")
