"""A stretch of bytes of an object."""

from __future__ import annotations

from msgspec import Struct


class ByteRange(Struct, frozen=True, order=True):
    """
    *length* bytes from *start*, both counted from 0 and not negative.

    HTTP ranges and ECR's parts name their last byte inclusively; `last` is that.
    """

    start: int
    length: int

    def __post_init__(self) -> None:
        if self.start < 0 or self.length < 0:
            raise ValueError(f"not a range: {self.start}+{self.length}")

    @property
    def end(self) -> int:
        """The first byte after the range."""
        return self.start + self.length

    @property
    def last(self) -> int:
        """The last byte of the range, inclusive; of no meaning for an empty range."""
        return self.end - 1
