"""Authorization tokens: what GetAuthorizationToken gives and the registry API takes, for 12 hours (ecr.md 1.6)."""

from __future__ import annotations

import secrets
import threading

from transship.local.caller import Caller
from transship.local.clock import Clock

LIFETIME_SECONDS = 12 * 3600
USERNAME = "AWS"


class Tokens:
    """Passwords given out, each with the caller that it stands for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._issued: dict[str, tuple[Caller, float]] = {}
        self._lock = threading.Lock()

    def issue(self, caller: Caller) -> tuple[str, float]:
        """Return a new password for *caller*, and when it expires."""
        now = self._clock.now()
        password, expires_at = secrets.token_urlsafe(96), now + LIFETIME_SECONDS
        with self._lock:
            self._issued = {key: entry for key, entry in self._issued.items() if entry[1] > now}
            self._issued[password] = (caller, expires_at)
        return password, expires_at

    def caller(self, username: str, password: str) -> Caller | None:
        """Return whom the password stands for, or None if it is unknown or expired."""
        entry = self._issued.get(password)
        if username != USERNAME or entry is None or entry[1] <= self._clock.now():
            return None
        return entry[0]
