"""Everything outside the pipeline that a step works with, handed to it in one piece by `wiring` or by a test."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from msgspec import Struct, field

from chalicelib.at_once import Each
from chalicelib.meter import Meter
from chalicelib.names import Deployment
from chalicelib.oci.reference import Registry
from chalicelib.ports.bucket import Bucket
from chalicelib.ports.bus import EventBus
from chalicelib.ports.clock import Clock
from chalicelib.ports.identity import Identity
from chalicelib.ports.queue import Queue
from chalicelib.ports.registry import Registries
from chalicelib.ports.table import Table
from chalicelib.ports.telemetry import Log, Metrics
from chalicelib.settings import Settings


class Memory(Struct):
    """
    What a warm function remembers from one invocation to the next; losing it costs calls and nothing else.

    Attributes:
        roles: True ARNs of roles by name.
        verdicts: Preflight's good verdicts, see `access.preflight`.
        rules: The access rules and when they were read, see `access.admission`.
        proven: Whether our own identity was compared with the role that is judged.
        authenticated: The registries that gave us a token.
        counted: The meter's totals when `Outside.usage` was last asked.
    """

    roles: dict[str, str] = field(default_factory=dict)
    verdicts: dict[Hashable, Any] = field(default_factory=dict)
    rules: tuple[float, Any] | None = None
    proven: bool = False
    authenticated: set[Registry] = field(default_factory=set)
    counted: Mapping[str, int] = field(default_factory=dict)


class Outside(Struct, frozen=True, kw_only=True):
    """
    The ports, the settings and where we run.

    Attributes:
        meter: Counts calls and bytes; `usage` returns what was counted since it was last asked.
        remaining: Seconds until the function's hard deadline.
        extend: Keeps the message in hand invisible for so many seconds more.
        alive: Calls a function again and again while its block runs (`lease.Heartbeat`).
        each: Does the same to several things, where none needs what is found out about another.
        memory: What the process remembers.
    """

    deployment: Deployment
    settings: Settings
    bucket: Bucket
    registries: Registries
    identity: Identity
    table: Table
    queue: Queue
    bus: EventBus
    clock: Clock
    log: Log
    metrics: Metrics
    meter: Meter
    remaining: Callable[[], float]
    extend: Callable[[float], None]
    alive: Callable[[Callable[[], None]], AbstractContextManager[object]]
    each: Each
    memory: Memory

    def usage(self) -> Mapping[str, float]:
        """Return what was counted since this was last called in this process."""
        totals = self.meter.totals()
        used = {name: total - self.memory.counted.get(name, 0) for name, total in totals.items()}
        self.memory.counted = totals
        return used
