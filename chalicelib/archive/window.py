"""
Small ranged reads that follow a tar from header to header.

How many bytes to ask for is a trade: a round trip costs some 20 ms, so small members should come along with a header;
but after a layer nothing may be worth reading but the next header. So:

- after a jump, 1/16 of what is left of the allowance is read, at most 64 KiB and at least 2 KiB (a PAX header, its
  member's header and the start of the member). The allowance is 3/4 of the larger of 1 MiB and 1 % of the object,
  so that the whole index stays under that bound.
- where one small member follows the other, each read is twice as long as the last, up to 1 MiB; passing over less
  than a quarter of the last read still counts as following.
"""

from __future__ import annotations

from typing import Final

from chalicelib.archive.limits import KIB, MIB
from chalicelib.byte_range import ByteRange
from chalicelib.errors import Code, RefusedError
from chalicelib.ports.bucket import ObjectSource

SHORTEST: Final = 2 * KIB
LONGEST: Final = 64 * KIB
LONGEST_RUN: Final = MIB


class Window:
    """
    The stretch of an object that is in memory; it only ever moves forward by itself.

    Attributes:
        requests: Ranged GETs so far.
        fetched: Bytes of all of them.
    """

    def __init__(self, source: ObjectSource) -> None:
        self._source = source
        self._start = 0
        self._bytes = b""
        self._last = 0
        self._allowance = max(MIB, source.size // 100) * 3 // 4
        self.requests = 0
        self.fetched = 0

    @property
    def size(self) -> int:
        """Length of the object."""
        return self._source.size

    @property
    def grant(self) -> int:
        """How many bytes may be read now for the sake of what might be in them."""
        return min(LONGEST, max(SHORTEST, (self._allowance - self.fetched) // 16))

    def read(self, span: ByteRange) -> bytes:
        """
        Return the bytes of *span*, from memory if they are there.

        Raises:
            RefusedError: TRUNCATED if the object ends before.
        """
        if span.end > self.size:
            raise RefusedError(Code.TRUNCATED, "the archive ends inside a header or a member", offset=self.size)
        if not self.holds(span):
            self._move(span)
        begin = span.start - self._start
        return self._bytes[begin : begin + span.length]

    def reaches(self, end: int) -> bool:
        """Tell whether there are bytes up to *end*."""
        return end <= self.size

    def rest(self, start: int, limit: int) -> bytes:
        """Return all bytes from *start*, or the first *limit* + 1 of them."""
        return self.read(ByteRange(start, min(self.size - start, limit + 1)))

    def holds(self, span: ByteRange) -> bool:
        """Tell whether *span* is in memory."""
        return self._start <= span.start and span.end <= self._end

    @property
    def _end(self) -> int:
        return self._start + len(self._bytes)

    def _move(self, span: ByteRange) -> None:
        gap = span.start - self._end
        follows = self._start <= span.start and gap <= self._last // 4
        kept = self._bytes[span.start - self._start :] if follows else b""
        wanted = min(LONGEST_RUN, 2 * self._last) if follows and self._last else self.grant
        first = span.start + len(kept)
        length = min(max(span.length - len(kept), wanted), self.size - first)
        self._bytes = kept + self._source.read(ByteRange(first, length))
        self._start, self._last = span.start, length
        self.requests += 1
        self.fetched += length
