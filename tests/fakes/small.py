"""The smaller ports in memory: bus, identity, log, metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.ports.bus import Event
from chalicelib.ports.identity import CallerIdentity, Decision


@dataclass(slots=True)
class FakeBus:
    """
    Keeps what it takes; implements `EventBus`.

    Attributes:
        refuse: Indexes that the next calls do not take, one tuple a call.
    """

    taken: list[Event] = field(default_factory=list)
    refuse: list[tuple[int, ...]] = field(default_factory=list)

    def put(self, events: Sequence[Event]) -> Sequence[int]:
        assert 1 <= len(events) <= 10
        refused = self.refuse.pop(0) if self.refuse else ()
        self.taken += [event for index, event in enumerate(events) if index not in refused]
        return [index for index in refused if index < len(events)]

    def texts(self) -> dict[str, set[str]]:
        """Return the bytes of every event by its id: a resend must not differ."""
        found: dict[str, set[str]] = {}
        for event in self.taken:
            found.setdefault(event.detail["id"], set()).add(json.dumps(event.detail))
        return found

    def types(self) -> list[str]:
        """Return the detail types of the events, each id once, in the order of their first arrival."""
        return list({event.detail["id"]: event.detail_type for event in self.taken}.values())


@dataclass(slots=True)
class FakeIdentity:
    """
    Roles that may everything but what is denied; implements `Identity`.

    Attributes:
        function: Whose role makes the calls at this moment.
        denied: (function, action) pairs that the simulator denies.
        asked: Number of simulations.
        impostor: A function whose calls are made by somebody else's role.
    """

    account: str = "111122223333"
    stage: str = "test"
    function: str = ""
    denied: set[tuple[str, str]] = field(default_factory=set)
    asked: int = 0
    impostor: str = ""
    partition: str = "aws"
    region: str = "us-east-1"

    def whoami(self) -> CallerIdentity:
        role = "somebody" if self.function == self.impostor else f"transship-{self.stage}-{self.function}"
        arn = f"arn:aws:sts::{self.account}:assumed-role/{role}/session"
        return CallerIdentity(self.account, arn, self.partition, self.region)

    def role_arn(self, role_name: str) -> str:
        return f"arn:aws:iam::{self.account}:role/service/{role_name}"

    def simulate(
        self,
        role_arn: str,
        actions: Sequence[str],
        resources: Sequence[str],
        context: Mapping[str, str | Sequence[str]],
    ) -> Sequence[Decision]:
        assert context["aws:RequestedRegion"]
        self.asked += 1
        function = role_arn.rpartition("-")[2]
        return [
            Decision(action, resource, "implicitDeny" if (function, action) in self.denied else "allowed")
            for action in actions
            for resource in resources
        ]


@dataclass(slots=True)
class FakeLog:
    """Keeps the lines; implements `Log`."""

    lines: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    said: list[Mapping[str, str]] = field(default_factory=list)

    def keys(self, **keys: str) -> None:
        self.said.append(keys)

    def info(self, message: str, **facts: Any) -> None:
        self.lines.append(("info", message, facts))

    def warning(self, message: str, **facts: Any) -> None:
        self.lines.append(("warning", message, facts))


@dataclass(slots=True)
class FakeMetrics:
    """Keeps the numbers; implements `Metrics`."""

    numbers: list[tuple[str, float, Mapping[str, str]]] = field(default_factory=list)

    def add(self, name: str, unit: str, value: float, **dimensions: str) -> None:
        assert unit
        self.numbers.append((name, value, dimensions))
