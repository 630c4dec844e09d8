"""
A world in which everything happens at once: functions run side by side, calls take time and fail, messages come as
standard queues bring them. One process, one seed.

    Sea(seed).sail()        # raises Broken if anything went wrong

The production code runs as it is; what is moved is the clock, and what is drawn comes from the seed alone.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from chalicelib.access.documents import accept_replicas
from chalicelib.errors import TemporaryError, TransshipError
from chalicelib.handler import take
from chalicelib.meter import Meter
from chalicelib.names import CONFIRM, PUBLISH, PUSH, RECEIVE, SWEEP, UPLOADS
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from chalicelib.outside import Memory, Outside
from chalicelib.ports.registry import ReplicationRule
from chalicelib.replacing import replace
from chalicelib.state.upload import upload_id
from chalicelib.sweep import sweep
from tests import archives
from tests.fakes.faults import Killed
from tests.fakes.queues import Message
from tests.fakes.repository import FakeImage
from tests.fakes.small import FakeIdentity
from tests.faults.swarm.cargo import SIZES
from tests.faults.swarm.function import Invocation
from tests.faults.swarm.plan import Plan, Upload, drawn
from tests.faults.swarm.queues import RoughQueues
from tests.faults.swarm.tables import WatchedTable
from tests.faults.swarm.tides import Tides
from tests.faults.swarm.turns import Turns
from tests.faults.swarm.watch import Sighted, Watch
from tests.faults.swarm.weather import Weather
from tests.world import AWAY, HOME, SOURCE, World

AT_ONCE: Final = 6
"""Functions that run side by side."""
HEALED: Final = 7_200.0
"""Seconds after the last fault within which everything must have ended."""
SWEEP_EVERY: Final = 300.0
_FUNCTIONS: Final = {UPLOADS: RECEIVE, PUSH: PUSH, PUBLISH: PUBLISH, CONFIRM: CONFIRM}
_TIMEOUTS: Final = {RECEIVE: 120.0, PUSH: 300.0, PUBLISH: 120.0, CONFIRM: 60.0, SWEEP: 60.0}


class Sea(World):
    """One seed's world."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - everything is drawn from it
        self.plan: Plan = drawn(self.chance)
        super().__init__(settings=self.plan.settings, seed=seed)
        self.weather = Weather.drawn(self.chance, self.clock)
        self.turns = Turns(self.clock)
        self.queues: RoughQueues = RoughQueues(self.clock, self.deployment, weather=self.weather)
        self.table: WatchedTable = WatchedTable(weather=self.weather)
        self._warm: dict[str, list[tuple[Memory, Meter]]] = {function: [] for function in _TIMEOUTS}
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._set_up_registries()
        self.uploads: dict[str, Sighted] = {}
        self.revoked: float | None = None  # when a right was taken away
        self.watch = Watch(self)
        self._set_up_agenda()

    # --- the scene ---

    def _set_up_registries(self) -> None:
        self.ecr.sizes = SIZES
        self.tides = Tides(self.ecr, weather=self.weather, queues=self.queues)
        self.ecr.replication = self.tides
        destinations = tuple(self.plan.destinations)
        self.ecr.rules[SOURCE] = (ReplicationRule(destinations),) if destinations else ()
        for destination in destinations:
            if destination.account == AWAY:
                self.ecr.policies[str(destination)] = json.dumps(accept_replicas(destination, HOME, partition="aws"))
        if self.plan.immutable:
            self._occupy(SOURCE, RepositoryName(self.plan.immutable))
        if self.plan.stubborn:
            self._occupy(self.plan.stubborn[0], RepositoryName(self.plan.stubborn[1]))

    def _occupy(self, registry: Registry, name: RepositoryName) -> None:
        """Make a repository whose tag 1.0 is another image for ever."""
        image = FakeImage(archives.dump({"manifests": []}), archives.OCI_INDEX)
        repository = self.ecr.create(registry, name, "IMMUTABLE")
        repository.images[image.digest] = image
        repository.tags[Tag("1.0")] = image.digest

    def _set_up_agenda(self) -> None:
        tenants = {one.tenant for one in self.plan.uploads}
        if self.plan.revoked:
            revoked, after = self.plan.revoked
            self._put_rules(tenants)
            self.later(after, lambda: self._revoke(tenants - {revoked}))
        for one in self.plan.uploads:
            self.later(one.after, lambda one=one: self._put(one))
        if self.plan.denied:
            function, action, after = self.plan.denied
            self.identity.denied.add((function, action))
            if after < HEALED:
                self.later(after, self.identity.denied.clear)
        if self.plan.refused:
            operation, after = self.plan.refused
            self.ecr.denied.add(operation)
            self.later(after, self.ecr.denied.clear)
        for after in self.plan.forgotten:
            self.later(after, self._forget_uploads)
        if self.plan.barren:
            self.ecr.barren.add(self.plan.barren)
        self.later(SWEEP_EVERY, self._sweep)

    def _put_rules(self, tenants: set[str]) -> None:
        rules = [
            {
                "name": tenant,
                "principals": [{"role_id": role_id(tenant)}],
                "prefix": f"uploads/{tenant}/",
                "repositories": [f"{tenant}/**"],
                "create_repositories": True,
            }
            for tenant in sorted(tenants | {"nobody"})
        ]
        self.bucket.put("access/rules.json", json.dumps({"version": 1, "rules": rules}).encode())

    def _forget_uploads(self) -> None:
        for repository in self.ecr.repositories[SOURCE].values():
            repository.forget_uploads()

    def _revoke(self, left: set[str]) -> None:
        self.revoked = self.clock.now()
        self._put_rules(left)

    def _put(self, one: Upload) -> None:
        version = self.bucket.put(one.key, one.cargo.content)
        self.bucket.times[one.key] = self.clock.now()
        found = upload_id(version, self.settings.prefix)
        lost = self.weather.loses()
        self.uploads[found] = Sighted(found, one, self.bucket.place(version), lost, len(self.uploads))
        if not lost:
            told = self.notification(version)
            told["Records"][0]["userIdentity"]["principalId"] = f"AWS:{role_id(one.tenant)}:producer"
            self.queues.deliver(UPLOADS, json.dumps(told), self.chance.uniform(0.5, 3.0))

    # --- time ---

    def later(self, seconds: float, happens: Callable[[], None]) -> None:
        """Let something happen in so many seconds."""
        self._agenda.append((self.clock.now() + seconds, len(self._agenda), happens))
        self._agenda.sort(key=lambda entry: entry[:2])

    def pause(self, seconds: float) -> None:
        """Let *seconds* pass for the function that has the turn; whatever else is due meanwhile happens first."""
        until = self.clock.now() + seconds
        if until < self._next():
            self.clock.seconds = until
        else:
            self.turns.pause(until)

    def lands_late(self, whose: Invocation, name: str, call: partial[Any], seconds: float) -> None:
        """Let the request of a function that is dead have its effect in so many seconds."""
        issued = self.clock.now()

        def land() -> None:
            self.watch.before(whose, name, call.args, call.keywords, issued)
            with suppress(TransshipError):
                call()
            self.watch.after(name)

        self.later(seconds, land)

    def sail(self) -> None:
        """
        Let everything happen, and demand that everything is right.

        Raises:
            Broken: An invariant does not hold.
        """
        end = max(self.weather.clears, *(at for at, _, _ in self._agenda)) + HEALED
        try:
            while not self._idle() and (moment := self._next()) <= end:
                self.clock.seconds = max(self.clock.now(), moment)
                self._happen()
        finally:
            self.turns.abandon()
        self.watch.at_the_end()

    def _next(self) -> float:
        moments = [self.turns.next(), self._agenda[0][0] if self._agenda else float("inf")]
        if self.turns.running < AT_ONCE:
            visible = self.queues.next_visible()
            moments.append(visible if visible is not None else float("inf"))
        return min(moments)

    def _happen(self) -> None:
        now = self.clock.now()
        if self._agenda and self._agenda[0][0] <= now:
            self._agenda.pop(0)[2]()
        elif self.turns.next() <= now:
            self.turns.resume()
        elif received := self.queues.receive():
            self._invoke(*received)

    def _idle(self) -> bool:
        waiting = any(self.queues.messages.values()) or any(self.queues.dead.values())
        due = any(row.due is not None for row in self.table.rows.values())
        planned = len(self._agenda) > 1 or len(self.uploads) < len(self.plan.uploads)
        return not (waiting or due or planned or self.turns.running or self.watch.unended())

    # --- functions ---

    def _invoke(self, queue: str, message: Message) -> None:
        function = _FUNCTIONS[queue]
        upload, tenant = self.watch.about(queue, message.body)
        record = message.record()
        invocation = Invocation(self, function, self.clock.now() + _TIMEOUTS[function], upload, tenant)

        def extend(seconds: float) -> None:
            invocation.call("sqs.change_visibility", lambda: self._hide(message, seconds))

        def work(outside: Outside) -> None:
            take(queue, record, outside)
            if message in self.queues.messages[queue]:
                self.queues.delete(queue, message)

        self._run(invocation, extend, work)

    def _hide(self, message: Message, seconds: float) -> None:
        message.visible = self.clock.now() + seconds

    def _identity_of(self, function: str) -> FakeIdentity:
        return dataclasses.replace(self.identity, function=function)

    def _sweep(self) -> None:
        self.later(SWEEP_EVERY, self._sweep)
        self._run(Invocation(self, SWEEP, self.clock.now() + _TIMEOUTS[SWEEP]), lambda _: None, sweep)

    def _run(self, invocation: Invocation, extend: Callable[[float], None], work: Callable[[Outside], None]) -> None:
        function = invocation.function
        self.invocations.append(function)
        warm = self._warm[function]
        memory, meter = warm.pop() if warm else (Memory(), Meter())
        outside = replace(
            self._outside(function, extend, invocation.deadline, invocation),
            alive=invocation.alive,
            memory=memory,
            meter=meter,
        )

        def run() -> None:
            try:
                work(outside)
            except Killed:
                return
            except TemporaryError:
                pass
            warm.append((memory, meter))

        self.turns.start(run)


def role_id(tenant: str) -> str:
    """Return the unique id of the role with which *tenant* uploads."""
    return f"AROA{tenant.upper()}"
