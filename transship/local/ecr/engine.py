"""
What all operations share: the registries, the clock, the blobs, the agenda, the faults and the way out for events.

Operations, replication and the registry API all stand on this; it knows none of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transship.local.caller import Authorizer
from transship.local.clock import Clock
from transship.local.ecr.agenda import Agenda
from transship.local.ecr.downloads import Downloads
from transship.local.ecr.errors import ConnectionCut, EcrError, server_error, throttled
from transship.local.ecr.faults import FaultRule, FaultRules
from transship.local.ecr.names import RegistryId
from transship.local.ecr.options import EcrOptions
from transship.local.ecr.quotas import Quotas
from transship.local.ecr.registry import Registry
from transship.local.ecr.store import BlobStore
from transship.local.ecr.tokens import Tokens

_BY_RULE = "A fault rule asks for this error"

Emit = Callable[[str, str, dict[str, Any]], None]


class Engine:
    """The state of the service."""

    def __init__(
        self,
        data_dir: Path,
        *,
        clock: Clock,
        authorizer: Authorizer,
        emit: Emit,
        options: EcrOptions,
        faults: FaultRules,
    ) -> None:
        self.clock = clock
        self.authorizer = authorizer
        self.faults = faults
        self.store = BlobStore(data_dir)
        self.agenda = Agenda(clock)
        self.tokens = Tokens(clock)
        self.downloads = Downloads(clock)
        self._emit = emit
        self.turn(options)
        self._registries: dict[RegistryId, Registry] = {}
        self._lock = threading.Lock()

    def turn(self, options: EcrOptions) -> None:
        """Behave by *options* from now on; token buckets are full again."""
        self.options = options
        self._quotas = Quotas(options.quotas, self.clock)

    def registry(self, registry_id: RegistryId) -> Registry:
        """Return a registry; every account has one in every Region."""
        with self._lock:
            if registry_id not in self._registries:
                limit = self.options.repositories_per_registry
                self._registries[registry_id] = Registry(registry_id, self.store, limit)
            return self._registries[registry_id]

    def emit(self, event: dict[str, Any]) -> None:
        """Send *event* to the default bus of its account and Region, off the caller's thread."""
        self.agenda.at(self.clock.now(), lambda: self._emit(event["account"], event["region"], event))

    @contextmanager
    def call(self, operation: str, caller: RegistryId) -> Iterator[list[FaultRule]]:
        """
        Surround one call by quota and faults; yields the faults that the operation must see to itself.

        Raises:
            EcrError: Throttled by a quota or a rule, or failed by a rule.
            ConnectionCut: A rule cuts the connection, before or after the effect.
        """
        fired = self.faults.fired(operation, caller)
        self._before(fired)
        self._quotas.take(operation, caller)
        try:
            yield fired
        finally:
            self._after(fired)

    def lag(self, destination: RegistryId) -> float:
        """Return the seconds that a replication to *destination* takes."""
        return self.options.replication_lags.get(str(destination), self.options.replication_lag_seconds)

    def sleep(self, seconds: float) -> None:
        """Let *seconds* of the clock pass."""
        deadline = self.clock.now() + seconds
        condition = threading.Condition()
        with condition:
            while (left := deadline - self.clock.now()) > 0:
                self.clock.wait(condition, left)

    def _before(self, fired: list[FaultRule]) -> None:
        for rule in fired:
            match rule.kind:
                case "throttle":
                    raise throttled()
                case "5xx":
                    raise server_error(_BY_RULE)
                case "error":
                    raise EcrError(rule.code, _BY_RULE, status=500 if rule.code == "ServerException" else 400)
                case "cut-before":
                    raise ConnectionCut

    def _after(self, fired: list[FaultRule]) -> None:
        for rule in fired:
            match rule.kind:
                case "slow":
                    self.sleep(rule.seconds)
                case "cut-after":
                    raise ConnectionCut
