"""What happens to calls: drawn by seed, at rates from 0 to 30 %, until it clears up."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Final, Self

from chalicelib.ports.clock import Clock


class Mishap(Enum):
    """What may happen to a call."""

    NOT_ARRIVED = "error before the effect"
    THROTTLED = "throttled, again and again"
    REPLY_LOST = "effect, then no reply"
    REPEATED = "effect, no reply, and botocore asks again"
    KILLED_BEFORE = "killed before the effect"
    KILLED_AFTER = "killed after the effect"
    LANDS_LATE = "killed, and the effect comes seconds later"
    SLOW = "takes up to a minute, and the heartbeat goes on"
    FROZEN = "the whole function stands still for up to a minute"


_INTENSITIES: Final = (0.0, 0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
_SECONDS: Final = (0.01, 0.01, 0.02, 0.02, 0.05, 0.2, 1.0)
_LONGEST: Final = 3_600.0


@dataclass(slots=True)
class Weather:
    """
    Rates of mishaps that hold until *clears* (epoch seconds); *rate* is that of all together.

    *messages* is the rate at which what is delivered comes twice or late, and *lost* that at which events of S3, ECR
    and the sweep's index are not seen at all.
    """

    chance: random.Random
    clock: Clock
    clears: float
    rate: float
    mishaps: tuple[Mishap, ...]
    limits: tuple[float, ...]
    messages: float
    lost: float

    @classmethod
    def drawn(cls, chance: random.Random, clock: Clock) -> Self:
        """Draw the weather of a seed: how much goes wrong, of which kinds, and for how long."""
        rate = chance.choice(_INTENSITIES)
        kinds = chance.sample(list(Mishap), chance.randint(1, len(Mishap)))
        weights = [chance.random() for _ in kinds]
        return cls(
            chance,
            clock,
            clears=clock.now() + chance.choice((120.0, 600.0, 1_800.0, _LONGEST)),
            rate=rate,
            mishaps=tuple(kinds),
            limits=tuple(rate * part / sum(weights) for part in accumulate(weights)),
            messages=chance.choice((0.0, 0.0, 0.05, 0.3)),
            lost=chance.choice((0.0, 0.0, 0.1, 0.3)),
        )

    @property
    def over(self) -> bool:
        """Whether nothing goes wrong any more."""
        return self.clock.now() >= self.clears

    @property
    def calm(self) -> bool:
        """Whether nothing ever went wrong."""
        return not (self.rate or self.messages or self.lost)

    def mishap(self) -> Mishap | None:
        """Draw what happens to a call."""
        if not self.rate or self.over:
            return None
        drawn = self.chance.random()
        if drawn >= self.rate:
            return None
        return next((one for one, limit in zip(self.mishaps, self.limits, strict=True) if drawn < limit), None)

    def seconds(self) -> float:
        """Draw how long half a call takes."""
        return self.chance.choice(_SECONDS)

    def doubled(self) -> int:
        """Draw how often a message is delivered."""
        return self.chance.randint(2, 5) if self._happens(self.messages / 2) else 1

    def delay(self) -> float:
        """Draw how much later than it should a message is seen, seconds."""
        return self.chance.uniform(0.0, self.chance.choice((5.0, 60.0, 600.0))) if self._happens(self.messages) else 0.0

    def loses(self) -> bool:
        """Draw whether an event is lost."""
        return self._happens(self.lost)

    def _happens(self, rate: float) -> bool:
        return bool(rate) and not self.over and self.chance.random() < rate

    def described(self) -> Mapping[str, object]:
        """Return what a person may want to know of it."""
        kinds = [one.name.lower() for one in self.mishaps]
        return {"rate": self.rate, "kinds": kinds, "messages": self.messages, "lost": self.lost}
