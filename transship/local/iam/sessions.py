"""Role sessions: what AssumeRole hands out, and what is remembered of it."""

from __future__ import annotations

import secrets
import string
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.access.evaluate import Policy
from transship.local.caller import SessionExpired
from transship.local.clock import Clock
from transship.local.iam.moto_iam import Entity

REMEMBERED_SECONDS = 86_400
"""How long after its end a session is told from a key that never was."""

_KEY_ALPHABET = string.ascii_uppercase + "234567"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """
    What a session is given beyond its role.

    Attributes:
        name: RoleSessionName.
        seconds: How long it lasts.
        policies: Session policies; None if none were passed.
        tags: Session tags, the inherited transitive ones included.
        transitive: Keys of the tags that a session chained to this one inherits.
        source_identity: SourceIdentity; empty if none was set.
    """

    name: str
    seconds: int
    policies: Sequence[Policy] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: frozenset[str] = frozenset()
    source_identity: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """A role's session with its temporary credentials; times are seconds since the epoch."""

    role: Entity
    account: str
    grant: Grant
    access_key: str
    secret_key: str
    token: str
    issued: float

    @property
    def expires(self) -> float:
        """When its credentials end."""
        return self.issued + self.grant.seconds

    @property
    def arn(self) -> str:
        """What GetCallerIdentity returns; the role's path is dropped (ecr.md 6.4)."""
        partition = self.role.arn.split(":", 2)[1]
        return f"arn:{partition}:sts::{self.account}:assumed-role/{self.role.name}/{self.grant.name}"

    @property
    def user_id(self) -> str:
        """The role's id and the session's name, as S3 notifications carry them."""
        return f"{self.role.id}:{self.grant.name}"


class Sessions:
    """All sessions, by access key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_key: dict[str, Session] = {}
        self._lock = threading.Lock()

    def open(self, role: Entity, account: str, grant: Grant) -> Session:
        """Begin a session of *role*, which is in *account*."""
        key = "ASIA" + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(16))
        now = self._clock.now()
        session = Session(role, account, grant, key, secrets.token_urlsafe(30), secrets.token_urlsafe(200), now)
        with self._lock:
            for old in [key for key, old in self._by_key.items() if old.expires + REMEMBERED_SECONDS <= now]:
                del self._by_key[old]
            self._by_key[key] = session
        return session

    def find(self, access_key: str) -> Session | None:
        """
        Return the session that *access_key* belongs to; None if there is none.

        Raises:
            SessionExpired: It is over.
        """
        session = self.known(access_key)
        if session is not None and self._clock.now() >= session.expires:
            raise SessionExpired(access_key)
        return session

    def known(self, access_key: str) -> Session | None:
        """Return the same whether or not it is over: a registry token outlives the session that asked for it."""
        return self._by_key.get(access_key)
