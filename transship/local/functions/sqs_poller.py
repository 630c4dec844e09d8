"""
Event source mappings: messages of queues become invocations.

One thread looks at every enabled mapping when something changed (a message came, one became visible, a batch ended, a
mapping was made) and otherwise sleeps until the next message becomes visible; an idle machine does no work.
What a mapping does is in `sqs_source`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transship.local.functions.configuration import SqsMapping, enabled_sqs_mappings
from transship.local.functions.sqs_source import Invoker, SqsSource
from transship.local.lookout import Lookout

if TYPE_CHECKING:
    from transship.local.functions.clients import RoleClients


class SqsPoller:
    """Watches all mappings and queues."""

    def __init__(self, invoker: Invoker, clients: RoleClients) -> None:
        self._invoker = invoker
        self._clients = clients
        self._sources: dict[str, SqsSource] = {}
        self._lookout = Lookout(invoker.clock, "sqs-poller", self._look)

    def start(self) -> None:
        """Begin to poll."""
        self._lookout.start()

    def stop(self) -> None:
        """Receive nothing more; batches in flight end by themselves."""
        self._lookout.stop()

    def wake(self) -> None:
        """Look at all mappings: a queue or a mapping has changed."""
        self._lookout.wake()

    def in_flight(self) -> int:
        """Return how many batches are being received or handled."""
        return sum(source.in_flight for source in list(self._sources.values()))

    def _look(self) -> float | None:
        """Start the batches that are due and return the seconds until there may be more."""
        mappings = {mapping.uuid: mapping for mapping in enabled_sqs_mappings()}
        for uuid in self._sources.keys() - mappings.keys():
            del self._sources[uuid]
        waits = [self._source(mapping).look() for mapping in mappings.values()]
        return min((wait for wait in waits if wait is not None), default=None)

    def _source(self, mapping: SqsMapping) -> SqsSource:
        source = self._sources.get(mapping.uuid)
        if source is None:
            source = self._sources[mapping.uuid] = SqsSource(mapping, self._invoker, self._clients, self.wake)
        source.mapping = mapping
        return source
