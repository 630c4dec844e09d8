"""
The whole pipeline in one process, under a clock that is moved: production code, models of AWS for ports.

    world = World()
    upload = world.upload("uploads/team/app/app-1.0.tar", archive)
    world.run()
    assert world.state(upload) is State.AVAILABLE

Every call of a port passes `World.point`, which may let it fail, lose its reply or kill the function.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import quote_plus

from chalicelib.access.documents import accept_replicas
from chalicelib.at_once import in_turn
from chalicelib.errors import TemporaryError
from chalicelib.handler import take
from chalicelib.meter import Meter
from chalicelib.names import CONFIRM, PUBLISH, PUSH, RECEIVE, SWEEP, UPLOADS, Deployment, function_name
from chalicelib.oci.reference import Registry
from chalicelib.outside import Memory, Outside
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.ports.registry import ReplicationRule, Scan
from chalicelib.replacing import replace
from chalicelib.settings import Reader, Settings
from chalicelib.state.ledger import Ledger
from chalicelib.state.records import ReplicaRecord
from chalicelib.state.upload import State, Upload, upload_id
from chalicelib.sweep import sweep
from tests.fakes.bucket import FakeBucket
from tests.fakes.faults import Fault, Killed
from tests.fakes.queues import FakeQueues
from tests.fakes.registry import FakeEcr
from tests.fakes.small import FakeBus, FakeIdentity, FakeLog, FakeMetrics
from tests.fakes.table import FakeTable

HOME: Final = "111122223333"
AWAY: Final = "444455556666"
SOURCE: Final = Registry(HOME, "us-east-1")
NEAR: Final = Registry(HOME, "eu-west-1")
FAR: Final = Registry(AWAY, "eu-central-1")
_FUNCTIONS: Final = {UPLOADS: RECEIVE, PUSH: PUSH, PUBLISH: PUBLISH, CONFIRM: CONFIRM}
TIMEOUTS: Final = {RECEIVE: 120.0, PUSH: 300.0, PUBLISH: 120.0, CONFIRM: 60.0, SWEEP: 60.0}
_SWEEP_EVERY: Final = 300.0


@dataclass(slots=True)
class ManualClock:
    """Time that only the world moves; implements `Clock`."""

    seconds: float = 1_800_000_000.0

    def now(self) -> float:
        return self.seconds


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to happen to one call: *number* counts all calls of the world from 1."""

    number: int
    fault: Fault


@dataclass
class World:
    """AWS and one deployment of Transship, small enough to run hundreds of times a second."""

    settings: Settings = field(
        default_factory=lambda: Settings(
            stage="test",
            create_repositories=True,
            repository_mutability="MUTABLE",
            readers={AWAY: Reader("arn:aws:iam::444455556666:role/transship-test-read-back", "x")},
        )
    )
    planned: Planned | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        random.seed(self.seed)  # the pipeline's own jitter
        self.clock = ManualClock()
        self.deployment = Deployment("test", "aws", SOURCE.region, HOME)
        self.bucket = FakeBucket(name=self.deployment.bucket, modified=self.clock.now())
        self.ecr = FakeEcr(self.clock, home=HOME, readers={AWAY})
        self.ecr.rules[SOURCE] = (ReplicationRule((NEAR, FAR)),)
        self.ecr.policies[str(FAR)] = json.dumps(accept_replicas(FAR, HOME, partition="aws"))
        self.table = FakeTable()
        self.queues = FakeQueues(self.clock, self.deployment)
        self.bus = FakeBus()
        self.identity = FakeIdentity(account=HOME, stage="test")
        self.log = FakeLog()
        self.metrics = FakeMetrics()
        self.memories = {function: Memory() for function in TIMEOUTS}
        self.meters = {function: Meter() for function in TIMEOUTS}
        self.calls: list[str] = []
        self.invocations: list[str] = []
        self.broken: set[str] = set()  # calls that never work
        self._dead = False
        self._next_sweep = self.clock.now() + _SWEEP_EVERY

    # --- what people do ---

    def upload(self, key: str, content: bytes, *, notify: bool = True) -> str:
        """Put an object, let S3 tell of it, and return the id of its upload."""
        version = self.bucket.put(key, content)
        if notify:
            self.queues.deliver(UPLOADS, json.dumps(self.notification(version)))
        return upload_id(version, self.settings.prefix)

    def notification_text(self, version: ObjectVersion) -> str:
        """Return the message that S3 sends about an object version, as text."""
        return json.dumps(self.notification(version))

    def notification(self, version: ObjectVersion) -> dict[str, Any]:
        """Return the message that S3 sends about an object version."""
        return {
            "Records": [
                {
                    "eventVersion": "2.1",
                    "eventSource": "aws:s3",
                    "awsRegion": self.deployment.region,
                    "eventName": "ObjectCreated:Put",
                    "userIdentity": {"principalId": "AWS:AROAEXAMPLE:producer"},
                    "s3": {
                        "bucket": {"name": version.bucket},
                        "object": {
                            "key": quote_plus(version.key, safe="/"),
                            "size": version.size,
                            "eTag": version.etag,
                            "versionId": version.version_id,
                            "sequencer": f"{self.bucket.place(version):016X}",
                        },
                    },
                }
            ]
        }

    # --- what is looked at ---

    def record(self, upload: str) -> Upload:
        """Return the record of an upload."""
        entry = Ledger(self._outside(SWEEP, lambda _: None, float("inf"))).load(upload)
        assert entry is not None, "the upload is not known"
        return entry.upload

    def state(self, upload: str) -> State:
        """Return the state of an upload."""
        return self.record(upload).state

    def state_or_none(self, upload: str) -> State | None:
        """Return the state of an upload, None before its notification was taken."""
        return self.state(upload) if (f"upload#{upload}", "upload") in self.table.rows else None

    def replicas(self, upload: str) -> list[ReplicaRecord]:
        """Return the records of an upload's replicas."""
        ledger = Ledger(self._outside(SWEEP, lambda _: None, float("inf")))
        return [row.record for row in ledger.replicas(upload)]

    def scan_everything(self, counts: dict[str, int]) -> None:
        """Let ECR find the same in every image of the source."""
        for repository in self.ecr.repositories[SOURCE].values():
            self.ecr.scans.update(dict.fromkeys(repository.images, Scan("COMPLETE", counts)))

    def hint(self, detail: dict[str, str]) -> None:
        """Let EventBridge deliver an `ECR Replication Action` event."""
        event = {"source": "aws.ecr", "detail-type": "ECR Replication Action", "detail": detail}
        self.queues.deliver(CONFIRM, json.dumps(event))

    # --- time ---

    def step(self) -> None:
        """Let one message be taken, or time go on to the next one."""
        received = self.queues.receive()
        if received:
            self._invoke(*received)
        else:
            self._advance(float("inf"))

    def run(self, seconds: float = 4 * 3600.0) -> None:
        """Let everything happen that happens within *seconds*, or until nothing is left to happen."""
        end = self.clock.now() + seconds
        while self.clock.now() <= end:
            received = self.queues.receive()
            if received:
                self._invoke(*received)
            elif not self._advance(end):
                return

    def _advance(self, end: float) -> bool:
        visible = self.queues.next_visible()
        due = any(row.due is not None for row in self.table.rows.values())
        dead = any(self.queues.dead.values())
        if visible is None and not due and not dead:
            return False
        after = min(self._next_sweep, visible if visible is not None else self._next_sweep)
        self.clock.seconds = max(self.clock.now(), min(after, end + 1))
        if self.clock.now() >= self._next_sweep:
            self._next_sweep += _SWEEP_EVERY
            self.run_sweep()
        return True

    def run_sweep(self) -> None:
        """Run the sweep once."""
        self._begin(SWEEP)
        deadline = self.clock.now() + TIMEOUTS[SWEEP]
        try:
            sweep(self._outside(SWEEP, lambda _: None, deadline))
        except (TemporaryError, Killed):
            self.log.info("the sweep was cut off")

    def _invoke(self, queue: str, message: Any) -> None:
        function = _FUNCTIONS[queue]
        self._begin(function)
        deadline = self.clock.now() + TIMEOUTS[function]

        def extend(seconds: float) -> None:
            with self.point("sqs.change_visibility"):
                message.visible = self.clock.now() + seconds

        try:
            take(queue, message.record(), self._outside(function, extend, deadline))
        except Killed:
            self.memories[function], self.meters[function] = Memory(), Meter()
            return
        except TemporaryError:
            return
        self.queues.delete(queue, message)

    def _begin(self, function: str) -> None:
        self._dead = False
        self.identity.function = function
        self.invocations.append(function)

    # --- faults ---

    @contextmanager
    def point(self, name: str) -> Iterator[None]:
        """Stand for one call that leaves the process."""
        if self._dead:
            raise Killed
        self.calls.append(name)
        fault = self.planned.fault if self.planned and self.planned.number == len(self.calls) else None
        if fault is Fault.KILLED_BEFORE:
            self.kill()
        if fault is Fault.NOT_ARRIVED or name in self.broken:
            raise TemporaryError(f"{name}: injected before the effect")
        yield
        if fault is Fault.KILLED_AFTER:
            self.kill()
        if fault is Fault.REPLY_LOST:
            raise TemporaryError(f"{name}: injected after the effect")

    def kill(self) -> None:
        """End the function that is at work, now; nothing that it still calls has an effect."""
        self._dead = True
        raise Killed

    def outside(self) -> Outside:
        """Return the ports as a command on a workstation has them."""
        return self._outside(SWEEP, lambda _: None, float("inf"))

    def _identity_of(self, _function: str) -> FakeIdentity:
        """Return the identity that makes the calls of a function; `_begin` has told it who that is."""
        return self.identity

    def call(self, name: str, found: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make one call that leaves the process."""
        with self.point(name):
            return found(*args, **kwargs)

    def _outside(
        self, function: str, extend: Callable[[float], None], deadline: float, caller: Caller | None = None
    ) -> Outside:
        at = caller or self
        return Outside(
            deployment=replace(self.deployment, function=self.deployment.function or function_name("test", function)),
            settings=self.settings,
            bucket=_Watched(at, "s3", self.bucket, {"source": _Watched}),
            registries=_Watched(at, "ecr", self.ecr, {"client": _Watched, "reader": _Watched}),
            identity=_Watched(at, "iam", self._identity_of(function)),
            table=_Watched(at, "dynamodb", self.table),
            queue=_Watched(at, "sqs", self.queues),
            bus=_Watched(at, "events", self.bus),
            clock=self.clock,
            log=self.log,
            metrics=self.metrics,
            meter=self.meters[function],
            remaining=lambda: deadline - self.clock.now(),
            extend=extend,
            alive=lambda _: nullcontext(),
            each=in_turn,
            memory=self.memories[function],
        )


class Caller(Protocol):
    """Whoever makes calls that leave the process."""

    def point(self, name: str) -> AbstractContextManager[None]:
        """Stand for one call, whose effect is the block."""

    def call(self, name: str, found: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make one call, whose effect is *found*."""


class _Watched:
    """A port each of whose methods is a call that leaves the process; *makers* return ports and make no call."""

    def __init__(self, caller: Caller, service: str, target: Any, makers: dict[str, Any] | None = None) -> None:
        self._caller = caller
        self._service = service
        self._target = target
        self._makers = makers or {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found):
            return found
        if name == "part_buffer":
            return found  # no call
        if name in self._makers:
            return lambda *args: self._wrapped(found(*args))
        return self._stream(name, found) if name == "open" else self._call(name, found)

    def _wrapped(self, made: Any) -> Any:
        return None if made is None else _Watched(self._caller, self._service, made)

    def _call(self, name: str, found: Callable[..., Any]) -> Callable[..., Any]:
        return partial(self._caller.call, f"{self._service}.{name}", found)

    def _stream(self, name: str, found: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def stream(*args: Any) -> Iterator[Any]:
            with found(*args) as opened:
                with self._caller.point(f"{self._service}.{name}"):
                    pass
                yield opened

        return stream
