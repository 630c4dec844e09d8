"""
Faults on demand: rules that make a call fail, lose its reply, or come late.

A rule in text is `OPERATION[:key=value]...:KIND`, for example `UploadLayerPart:nth=2:cut-after`,
`PutImage:probability=0.1:throttle`, `ReplicateImage:region=eu-west-1:code=QuotaExceeded:fail`.
OPERATION is an operation of the ECR API, with `*` as wildcard; a request to the registry API counts as the operation
that it stands for. `ReplicateImage` is the replication of one image to one destination, `ReplicationEvent` its event,
`DeliverEvent` one try of EventBridge to give a target any event; that one must be named, `*` does not mean it.
"""

from __future__ import annotations

import fnmatch
import random
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from transship.local.ecr.model import operations_listing, service_model
from transship.local.ecr.names import RegistryId

FaultKind = Literal[
    "throttle",
    "5xx",
    "error",
    "cut-before",
    "cut-after",
    "slow",
    "stale-upload",
    "delayed-visibility",
    "fail",
    "lose",
    "duplicate",
]

REPLICATE = "ReplicateImage"
EVENT = "ReplicationEvent"
DELIVER = "DeliverEvent"

_DELIVERY_KINDS = ("throttle", "5xx", "cut-before", "cut-after")

# Kinds that mean something for a few operations only. `error` fits those whose model lists the code; the rest fit all.
_PLACES: dict[str, tuple[str, ...]] = {
    "stale-upload": ("UploadLayerPart", "CompleteLayerUpload"),
    "delayed-visibility": ("PutImage", "CompleteLayerUpload"),
    "fail": (REPLICATE,),
    "lose": (EVENT,),
    "duplicate": (EVENT,),
}


@dataclass(frozen=True, slots=True)
class FaultRule:
    """
    When to do what.

    Attributes:
        operation: Operation name, `*` as wildcard.
        kind: What happens.
        nth: Only the nth matching call, from 1.
        times: At most so many calls.
        probability: Chance of each matching call.
        region: Only in this Region (of the destination or the target, for a replication or a delivery).
        account: Only in this registry's account.
        seconds: How slow, how late visible, how much longer a replication takes.
        code: failureCode of a failed replication; error shape of an `error`.

    Raises:
        ValueError: The operation is unknown, or the kind does not fit it.
    """

    operation: str
    kind: FaultKind
    nth: int | None = None
    times: int | None = None
    probability: float = 1.0
    region: str | None = None
    account: str | None = None
    seconds: float = 1.0
    code: str = "ServerException"

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"unknown fault {self.kind!r}; there are {', '.join(get_args(FaultKind))}")
        if not fnmatch.filter(self._places(), self.operation):
            raise ValueError(f"the fault {self.kind!r} fits no operation {self.operation!r}")

    def matches(self, operation: str, registry: RegistryId) -> bool:
        """Tell whether the rule is about this operation there."""
        return (
            operation in self._places()
            and fnmatch.fnmatchcase(operation, self.operation)
            and self.region in (None, registry.region)
            and self.account in (None, registry.account)
        )

    def _places(self) -> Sequence[str]:
        if self.operation == DELIVER:
            return (DELIVER,) if self.kind in _DELIVERY_KINDS else ()
        if self.kind in _PLACES:
            return _PLACES[self.kind]
        if self.kind == "error":
            return operations_listing(self.code)
        return (*service_model().operation_names, *((REPLICATE,) if self.kind == "slow" else ()))


_CONVERTERS = {
    "nth": int,
    "times": int,
    "probability": float,
    "region": str,
    "account": str,
    "seconds": float,
    "code": str,
}


def failure_code(fired: Iterable[FaultRule]) -> str | None:
    """Return the failureCode that the rules give a replication, or None if none makes it fail."""
    return next((rule.code for rule in fired if rule.kind == "fail"), None)


def added_seconds(fired: Iterable[FaultRule], kind: FaultKind) -> float:
    """Return the seconds that the rules of *kind* add up to."""
    return sum(rule.seconds for rule in fired if rule.kind == kind)


def delivery_faults(rules: FaultRules, arn: str) -> list[FaultKind]:
    """Count a delivery of an event to the target of *arn*, and return the kinds of faults that strike it."""
    region, account = arn.split(":")[3:5]
    return [rule.kind for rule in rules.fired(DELIVER, RegistryId(account, region))]


def parse_fault(text: str) -> FaultRule:
    """
    Read a rule from its text.

    Raises:
        ValueError: The text is no rule; the message says why.
    """
    operation, *middle = text.split(":")
    if not middle:
        raise ValueError(f"fault rule {text!r} is not OPERATION[:key=value]...:KIND")
    settings = {}
    for pair in middle[:-1]:
        key, equals, value = pair.partition("=")
        if not equals or key not in _CONVERTERS:
            raise ValueError(f"fault rule {text!r}: {pair!r} is none of {', '.join(_CONVERTERS)}, followed by =value")
        settings[key] = _CONVERTERS[key](value)
    return FaultRule(operation, middle[-1], **settings)  # type: ignore[arg-type] # FaultRule checks the kind itself


@dataclass(slots=True)
class _Counted:
    rule: FaultRule
    seen: int = 0
    fired: int = 0


@dataclass(slots=True)
class FaultRules:
    """
    A set of rules with their counters; thread safe.

    Attributes:
        rules: The rules; every one that fires takes effect.
        seed: Seed of the chances, so that a run can be repeated.
    """

    rules: Iterable[FaultRule] = ()
    seed: int = 0
    _counted: list[_Counted] = field(init=False)
    _random: random.Random = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._counted = [_Counted(rule) for rule in self.rules]
        self._random = random.Random(self.seed)  # noqa: S311 - chances of faults, no secrets

    @classmethod
    def parse(cls, texts: Iterable[str], seed: int = 0) -> FaultRules:
        """Read rules from their texts, as `parse_fault` does."""
        return cls([parse_fault(text) for text in texts], seed)

    def add(self, rule: FaultRule) -> None:
        """Put one more rule into force."""
        with self._lock:
            self._counted.append(_Counted(rule))

    def clear(self) -> None:
        """Drop all rules."""
        with self._lock:
            self._counted.clear()

    @property
    def strikes(self) -> int:
        """How often the rules in force have struck so far."""
        with self._lock:
            return sum(counted.fired for counted in self._counted)

    def fired(self, operation: str, registry: RegistryId) -> list[FaultRule]:
        """Count a call of *operation*, and return the rules that strike it."""
        with self._lock:
            matching = [counted for counted in self._counted if counted.rule.matches(operation, registry)]
            return [counted.rule for counted in matching if self._strikes(counted)]

    def _strikes(self, counted: _Counted) -> bool:
        rule = counted.rule
        counted.seen += 1
        if rule.nth not in (None, counted.seen) or (rule.times is not None and counted.fired >= rule.times):
            return False
        if rule.probability < 1.0 and self._random.random() >= rule.probability:
            return False
        counted.fired += 1
        return True
