"""
How far one look goes: from image to image, in slices, as long as its function has time.

An upload may have hundreds of images, each in a repository of its own, and a look is many calls to each. So what was
seen of one slice is written down before the next one begins, and where the time runs out the look ends with a bookmark:
the next message goes on behind it. In one round every image has its turn once, so none of them starves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Final

from msgspec import Struct

from chalicelib.outside import Outside
from chalicelib.replicas.family import Family

_SLICE: Final = 100
"""Calls and writes of one slice, about: 3 to 6 s at 30 to 60 ms each."""
MARGIN: Final = 25.0
"""Seconds before the function's end at which no slice is begun: one slice, and what is decided and told after it."""
_OF_EACH_DESTINATION: Final = 3
"""Two calls to read an image back there, where it shares them with no other, and one write."""


class Stretch(IntEnum):
    """What is gone through in a round, in this order; a round that ends in waiting ends early."""

    LOOK = 1
    SCAN = 2
    SOURCE = 3
    DOUBT = 4


class TimeIsUp(Exception):  # noqa: N818 - a moment, not a fault
    """The round goes on in the next message, behind *bookmark*."""

    def __init__(self, bookmark: str) -> None:
        super().__init__(f"the look stops at {bookmark} and goes on in the next message")
        self.bookmark = bookmark


class Course(Struct):
    """
    The way of one look through the images of an upload.

    Attributes:
        families: Of the upload, by the numbers of their roots.
        destinations: How many each of them has, likewise; none for one that is not named.
        bookmark: Where the last look was cut off, "" to begin anew.
    """

    outside: Outside
    families: Mapping[int, Family]
    destinations: Mapping[int, int]
    bookmark: str
    _begun: bool = False

    def slices(self, stretch: Stretch, numbers: Iterable[int]) -> Iterator[Sequence[int]]:
        """
        Yield the images *numbers* of a stretch that are not behind us, as many at a time as make a slice.

        Raises:
            TimeIsUp: There is no time for the next one; the first of a look is always yielded.
        """
        for piece in self._cut([number for number in sorted(set(numbers)) if self._ahead(stretch, number)]):
            if self._begun and self.outside.remaining() < MARGIN:
                raise TimeIsUp(self.bookmark)
            self._begun = True
            yield piece
            self.bookmark = f"{stretch.value}#{piece[-1]}"

    def _ahead(self, stretch: Stretch, number: int) -> bool:
        at, _, behind = self.bookmark.partition("#")
        return not at or (stretch.value, number) > (int(at), int(behind))

    def _cut(self, numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        piece: list[int] = []
        room = _SLICE
        for number in numbers:
            weight = self._weight(number)
            if piece and weight > room:
                yield piece
                piece, room = [], _SLICE
            piece.append(number)
            room -= weight
        if piece:
            yield piece

    def _weight(self, number: int) -> int:
        return 1 + len(self.families[number].members) + _OF_EACH_DESTINATION * self.destinations.get(number, 0)
