"""The bus that downstream teams subscribe to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct


class Event(Struct, frozen=True):
    """An event as it goes on the bus; *detail* is complete, its `id` included."""

    detail_type: str
    detail: Mapping[str, Any]
    resources: tuple[str, ...] = ()


class EventBus(Protocol):
    """The bus that downstream teams subscribe to."""

    def put(self, events: Sequence[Event]) -> Sequence[int]:
        """Put 1 to 10 events and return the indexes of those that the bus did not take (PutEvents)."""
