"""
Credentials of function roles: Lambda assumes a function's role with the function's name as the session's.

A process gets its credentials when it starts, so a warm environment is given up before they expire.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from transship.local.clock import Clock
    from transship.local.functions.configuration import FunctionConfiguration

MARGIN_SECONDS = 60
"""A session is used only if it outlives the function's time limit by this much."""


@dataclass(frozen=True, slots=True)
class RoleCredentials:
    """A role's session; *expires* is seconds since the epoch, of the local AWS's clock."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires: float

    def outlive(self, moment: float) -> bool:
        """Return whether an invocation that ends at *moment* may begin with them."""
        return moment + MARGIN_SECONDS < self.expires


class CredentialSource(Protocol):
    """Gives a function its role's credentials."""

    def for_function(self, function: FunctionConfiguration) -> RoleCredentials:
        """Return credentials of the function's role that outlive its time limit."""


Assume = Callable[["FunctionConfiguration"], RoleCredentials]
"""Opens a session of a function's role."""


class AssumedRoles:
    """One session per function and role, renewed when it grows old."""

    def __init__(self, assume: Assume, clock: Clock) -> None:
        self._assume = assume
        self._clock = clock
        self._sessions: dict[tuple[str, str], RoleCredentials] = {}
        self._lock = threading.Lock()

    def for_function(self, function: FunctionConfiguration) -> RoleCredentials:
        """Return credentials of the function's role that outlive its time limit."""
        key = (str(function.arn), function.role)
        with self._lock:
            session = self._sessions.get(key)
            if session is None or not session.outlive(self._clock.now() + function.timeout):
                session = self._sessions[key] = self._assume(function)
            return session
