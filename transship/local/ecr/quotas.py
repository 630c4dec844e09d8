"""Token buckets: a rate and a burst of one second's worth for each operation, account and Region (ecr.md 2)."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from transship.local.clock import Clock
from transship.local.ecr.errors import throttled
from transship.local.ecr.names import RegistryId


class Quotas:
    """Buckets that fill by the clock."""

    def __init__(self, rates: Mapping[str, float] | None, clock: Clock) -> None:
        self._rates = rates or {}
        self._clock = clock
        self._levels: dict[tuple[str, RegistryId], tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, operation: str, registry: RegistryId) -> None:
        """
        Take a token for one call.

        Raises:
            EcrError: ThrottlingException; the bucket is empty.
        """
        rate = self._rates.get(operation)
        if rate is None:
            return
        now = self._clock.now()
        with self._lock:
            level, filled_at = self._levels.get((operation, registry), (rate, now))
            level = min(rate, level + (now - filled_at) * rate)
            # A millionth of a token is the rounding of a clock that counts seconds since the epoch.
            if level < 1 - 1e-6:
                raise throttled()
            self._levels[operation, registry] = (level - 1, now)
