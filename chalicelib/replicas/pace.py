"""
How fast destinations are looked at: the rate of DescribeImageReplicationStatus is unpublished (ecr.md 2), so whoever is
throttled slows all other looks of the same tenant down too.

The pace is one item of the table for each tenant and source registry. A throttled look makes the waits of all that the
tenant follows longer for a while; several that are throttled at once do so once. Another tenant, who follows little,
waits longer only when a look of its own was throttled.
"""

from __future__ import annotations

import random
from typing import Final

from msgspec import Struct

from chalicelib.errors import ConflictError
from chalicelib.outside import Outside
from chalicelib.ports.table import Key, Put
from chalicelib.state.upload import SHAPE, Upload

_GROWTH: Final = 1.5
_MOST_GROWN: Final = 64  # looks; the wait has long reached its limit
_SLOWER: Final = 1.25
_SLOWEST: Final = 16.0
_SLOW_FOR: Final = 10.0  # seconds that slowing down lasts, times how slow it is
_AT_ONCE: Final = 2.0  # seconds within which several throttled looks count as one
_LONGEST: Final = 900.0  # seconds; DelaySeconds of SQS
_SPREAD: Final = 0.25
"""Waits are shortened by up to this share, at random: those that began together do not stay together."""


def nominal_delay(outside: Outside, upload: Upload) -> float:
    """Return the seconds until the next look if nobody is throttled: longer each time, up to `confirm_most`."""
    settings = outside.settings
    return min(settings.confirm_most, settings.confirm_first * _GROWTH ** min(upload.polls, _MOST_GROWN))


def spread(seconds: float) -> float:
    """Return *seconds* or a little less."""
    return seconds * (1 - _SPREAD * random.random())  # noqa: S311 - spreads load, guards nothing


class Pace(Struct, frozen=True):
    """The pace of a tenant as it was read: waits are *factor* times as long until *until* (epoch seconds)."""

    outside: Outside
    whose: str
    factor: float = 1.0
    until: float = 0.0
    raised: float = 0.0
    revision: int = 0

    @classmethod
    def read(cls, outside: Outside, whose: str) -> Pace:
        """Read the pace at which images of a tenant in our registry are followed."""
        stored = outside.table.get(_key(outside, whose))
        if stored is None:
            return cls(outside, whose)
        item = stored.item
        over = outside.clock.now() >= item["until"]
        return cls(outside, whose, 1.0 if over else item["factor"], item["until"], item["raised"], stored.revision)

    def delay(self, upload: Upload) -> float:
        """Return the seconds until the next look at *upload*."""
        return min(_LONGEST, spread(nominal_delay(self.outside, upload) * self.factor))

    def slower(self) -> Pace:
        """Make all waits of the tenant longer, unless another look did so just now."""
        now = self.outside.clock.now()
        if now - self.raised < _AT_ONCE:
            return self
        factor = min(_SLOWEST, _SLOWER * self.factor)
        until = now + _SLOW_FOR * factor
        item = {"v": SHAPE, "factor": factor, "until": until, "raised": now}
        try:
            self.outside.table.write([Put(_key(self.outside, self.whose), item, self.revision, expires=until)])
        except ConflictError:
            return Pace.read(self.outside, self.whose)
        return Pace(self.outside, self.whose, factor, until, now, self.revision + 1)


def _key(outside: Outside, whose: str) -> Key:
    return Key(f"pace#{whose}@{outside.deployment.registry}", "confirm")
