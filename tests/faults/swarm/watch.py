"""
What must hold, whatever happens: looked at after every call, from the outside models and never from our own log.

The invariants are numbered as in docs/reliability.md.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from chalicelib.errors import Code
from chalicelib.events import parse_notifications
from chalicelib.names import CONFIRM, SWEEP, UPLOADS
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from chalicelib.ports.bus import Event
from chalicelib.ports.table import Key
from chalicelib.state.upload import State, upload_id
from tests.fakes.repository import FakeImage, FakeRepository
from tests.faults.swarm.cargo import Expected, expected
from tests.faults.swarm.plan import TENANTS, Upload
from tests.faults.swarm.weather import Mishap
from tests.world import SOURCE

if TYPE_CHECKING:
    from tests.faults.swarm.function import Invocation
    from tests.faults.swarm.sea import Sea

WRITES: Final = {"ecr.create_repository", "ecr.begin_layer", "ecr.put_part", "ecr.complete_layer", "ecr.put_manifest"}
ENDINGS: Final = {"Upload Rejected", "Upload Failed", "Upload Superseded", "Image Available"}
PROMPT: Final = 2.0
"""Seconds within which a request must land: ECR takes no fencing token, so one that is later may undo a later one."""
RECENT: Final = 120.0
MOST_CALLS: Final = 20_000
"""Of one seed: a hundred times what an upload takes, for six of them at 30 % faults."""

_NEXT: Final[Mapping[str | None, set[str]]] = {
    None: {"received", "accepted", "publishing", "confirming", "superseded"},
    "received": {"accepted", "publishing"},
    "accepted": {"pushing", "publishing"},
    "pushing": {"publishing", "received"},
    "publishing": {"confirming", "pushing"},
    "confirming": {"available"},
}
_ANY_TIME: Final = {"rejected", "failed", "superseded"}

Place = tuple[Registry, RepositoryName, Tag]


class Broken(AssertionError):  # noqa: N818 - a finding
    """An invariant does not hold."""


@dataclass(slots=True)
class Sighted:
    """
    An upload as the outside sees it.

    Attributes:
        place: Where its version stands in S3's order.
        silent: Whether its notification was lost.
        number: Which upload of the seed it is.
        writes: Calls of ECR that write, made for it.
        pushed: Expected destinations as they were announced, by repository.
        ends: Detail types that ended it.
    """

    id: str
    plan: Upload
    place: int
    silent: bool
    number: int
    writes: set[str] = field(default_factory=set)
    ends: list[str] = field(default_factory=list)


class Watch:
    """Looks on."""

    def __init__(self, sea: Sea) -> None:
        self._sea = sea
        self._arrived: dict[int, int] = {}
        self._proven: dict[tuple[Place, Digest], float] = {}
        self._moved: dict[Place, float] = {}
        self._puts: dict[tuple[RepositoryName, Tag], Sighted] = {}
        self._mixed: set[tuple[RepositoryName, Tag]] = set()
        self._sent: set[str] = set()
        self._bus_seen = 0
        self._texts: dict[str, str] = {}
        self._decided: dict[str, str] = {}
        self._caller: Invocation | None = None
        self._holders: dict[Key, Invocation | None] = {}
        sea.queues.told = self._message
        sea.table.told = self._row

    # --- what a message is about ---

    def about(self, queue: str, body: str) -> tuple[str, str]:
        """Return the upload that a message is about, and whose it is; "" for a hint, which is about many."""
        message = json.loads(body)
        if queue == UPLOADS:
            (told,) = parse_notifications(body, self._sea.deployment)
            found = upload_id(told.object, self._sea.settings.prefix)
        else:
            found = message.get("upload", "")
        if not found:
            return "", ""
        return found, self._sea.uploads[found].plan.tenant

    def unended(self) -> list[Sighted]:
        """Return the uploads that have not ended."""
        return [one for one in self._sea.uploads.values() if not self._state(one).terminal]

    def _state(self, one: Sighted) -> State:
        row = self._sea.table.rows.get((f"upload#{one.id}", "upload"))
        return State(json.loads(row.text)["state"]) if row else State.RECEIVED

    def _record(self, one: Sighted) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._sea.table.rows[f"upload#{one.id}", "upload"].text)
        return found

    def _expected(self, one: Sighted) -> Expected:
        return expected(one.plan.cargo, one.plan.key, self._sea.settings)

    # --- calls ---

    def before(self, who: Invocation, name: str, args: Any, kwargs: Any, issued: float) -> None:
        """Look at a call that is about to have its effect."""
        self._caller = who
        self._demand(len(self._sea.calls) < MOST_CALLS, "I11", "there is no end of calls")
        if name not in WRITES:
            return
        self._demand(who.function not in {SWEEP, CONFIRM}, "I9", f"{who.function} writes to ECR: {name}")
        repository: RepositoryName = args[0]
        own = str(repository).partition("/")[0] == who.tenant
        self._demand(own, "I9", f"{name} of {who.tenant}'s upload goes to {repository}")
        one = self._sea.uploads[who.upload]
        if name != "ecr.put_manifest":
            one.writes.add(name)
            return
        held = self._sea.ecr.repositories[SOURCE].get(repository)
        if held and not (held.immutable and kwargs["tag"] in held.tags):
            one.writes.add(name)
            self._demand_right(who)
            self._put_manifest(one, repository, args[1], kwargs, issued)

    def _put_manifest(
        self, one: Sighted, name: RepositoryName, content: bytes, kwargs: Mapping[str, Any], issued: float
    ) -> None:
        image = FakeImage(content, kwargs["media_type"])
        repository = self._sea.ecr.repositories[SOURCE][name]
        whole = all(blob in repository.blobs for blob in image.blobs())
        whole = whole and all(child in repository.images for child in image.children())
        self._demand(whole, "I5", f"{name}: a manifest is put before what it names")
        known = self._expected(one).manifests.get(str(name), frozenset())
        self._demand(image.digest in known, "I6", f"{name}: {image.digest} is not what the archive becomes")
        tag = kwargs["tag"]
        if tag is not None and repository.tags.get(tag) != image.digest:
            self._demand_order(one, name, tag, issued)

    def _demand_right(self, who: Invocation) -> None:
        """A right that was taken away is used by no function that began later than the rules may be old."""
        sea = self._sea
        if sea.plan.revoked and sea.plan.revoked[0] == who.tenant and sea.revoked is not None:
            fresh = who.began <= sea.revoked + sea.settings.rules_age
            self._demand(fresh, "I4", f"{who.tenant} puts long after its right was revoked")

    def _demand_order(self, one: Sighted, name: RepositoryName, tag: Tag, issued: float) -> None:
        place = (name, tag)
        last = self._puts.get(place)
        if self._sea.clock.now() - issued > PROMPT:
            self._mixed.add(place)
        if last is not None and last is not one and place not in self._mixed:
            self._demand(not self._later(last, one), "I8", f"{name}:{tag} goes back from {last.number} to {one.number}")
        self._puts[place] = one

    def _later(self, one: Sighted, than: Sighted) -> bool:
        """Tell whether *one* must have a tag in the end, and not *than*."""
        if one.plan.key == than.plan.key:
            return not one.silent and not than.silent and one.place > than.place
        first, second = self._record(than)["rank"], self._record(one)["rank"]
        return bool(first and second and first < second)

    def layer_rejected(self, who: Invocation) -> None:
        """I11: parts are sent again only where two functions mixed theirs; nobody else's are out of place."""
        mixing = {Mishap.SLOW, Mishap.FROZEN, Mishap.LANDS_LATE} & set(self._sea.weather.mishaps)
        self._demand(
            bool(mixing) or self._sea.weather.messages > 0, "I11", f"parts of a layer of {who.tenant} were out of place"
        )

    def after(self, name: str) -> None:
        """Look at what a call may have changed; what is written to the table is looked at in `_row`."""
        if name.startswith("ecr."):
            self._look_at_images()
        elif name == "events.put":
            for event in self._sea.bus.taken[self._bus_seen :]:
                self._event(event)
            self._bus_seen = len(self._sea.bus.taken)

    def _look_at_images(self) -> None:
        for registry, repositories in self._sea.ecr.repositories.items():
            for name, repository in repositories.items():
                seen = self._arrived.get(id(repository), 0)
                if len(repository.arrived) > seen:
                    self._arrived[id(repository)] = len(repository.arrived)
                    self._prove(registry, name, repository, repository.arrived[seen:])

    def _prove(
        self, registry: Registry, name: RepositoryName, repository: FakeRepository, arrived: list[tuple[Digest, Any]]
    ) -> None:
        now = self._sea.clock.now()
        for digest, tag in arrived:
            if tag is None:
                continue
            place = (registry, name, tag)
            self._moved[place] = now
            if repository.tags.get(tag) == digest and _whole(repository, digest):
                self._proven[place, digest] = now

    def _event(self, event: Event) -> None:
        found, text = event.detail["id"], json.dumps(event.detail)
        self._demand(self._texts.setdefault(found, text) == text, "I3", f"{found} was sent with other bytes")
        self._sent.add(found)
        self._demand(found in self._decided, "I3", f"{found} was sent and never decided")
        one = self._sea.uploads[event.detail["upload"]["id"]]
        self._demand(event.detail["upload"]["tenant"] == one.plan.tenant, "I9", f"{found} names another tenant")

    # --- messages and rows ---

    def _message(self, queue: str, body: str, group: str) -> None:
        message = json.loads(body)
        _, tenant = self.about(queue, body)
        self._demand(group == tenant, "I9", f"a message about {tenant}'s upload goes to the group {group}")
        named = message.get("tenant", tenant)
        self._demand(named == tenant, "I9", f"a message about {tenant}'s upload names {named}")

    def _row(self, key: Key, before: Any, after: Any) -> None:
        kind, _, found = key.pk.partition("#")
        self._key(key)
        if kind != "upload":
            return
        one = self._sea.uploads[found]
        if key.sk == "upload":
            self._state_changes(one, before["state"] if before else None, after["state"])
        elif key.sk.startswith("outbox#"):
            self._outbox(one, before, after)
        elif key.sk.startswith("lease#"):
            self._lease(key, before, after)

    def _key(self, key: Key) -> None:
        """I9: a key names one tenant, and that is the one that the function works for."""
        named = set(re.split(r"[#/@:.]", f"{key.pk}#{key.sk}")) & set(TENANTS)
        own = self._caller.tenant if self._caller else ""
        self._demand(len(named) == 1 and own in {"", *named}, "I9", f"{key} was written for {own or 'anybody'}")

    def _state_changes(self, one: Sighted, before: str | None, after: str) -> None:
        fits = before == after or after in _NEXT.get(before, set()) or (before in _NEXT and after in _ANY_TIME)
        self._demand(fits, "I7", f"upload {one.number} went from {before} to {after}")

    def _lease(self, key: Key, before: Any, after: Any) -> None:
        """I13: nobody takes what another one holds."""
        running = before is not None and before["until"] > self._sea.clock.now()
        other = self._holders.get(key) is not self._caller
        self._demand(not (running and other), "I13", f"{key.sk} was taken from its holder")
        self._holders[key] = self._caller if after["until"] else None

    def _outbox(self, one: Sighted, before: Any, after: Any) -> None:
        found = after["detail"]["id"]
        if after["sent"]:
            self._demand(found in self._sent or self._on_bus(found), "I3", f"{found} is called sent and was not")
        if before is not None:
            self._demand(before["detail"] == after["detail"], "I3", f"{found} was decided twice")
            return
        self._decided[found] = after["detail_type"]
        if after["detail_type"] in ENDINGS:
            one.ends.append(after["detail_type"])
        if after["detail_type"] == "Image Available":
            self._available(one, after["detail"])

    def _on_bus(self, found: str) -> bool:
        return any(event.detail["id"] == found for event in self._sea.bus.taken)

    def _available(self, one: Sighted, detail: Mapping[str, Any]) -> None:
        """I1: announced only where it is, everywhere where it must be."""
        told = detail["image"]
        name, digest = RepositoryName(told["repository"]), Digest.parse(told["digest"])
        tags = [Tag(text) for text in told["tags"]]
        named = {Registry(place["account"], place["region"]) for place in detail["destinations"]}
        self._demand(named == set(self._sea.plan.destinations), "I1", f"upload {one.number}: announced for {named}")
        wanted = self._expected(one).tags.get(str(name), {})
        for tag in tags:
            self._demand(wanted.get(str(tag)) == digest, "I6", f"{name}:{tag} was announced as {digest}")
            for registry in (SOURCE, *named):
                proven = ((registry, name, tag), digest) in self._proven
                self._demand(proven, "I1", f"{name}:{tag} was announced and never was {digest} in {registry}")
            self._demand_current((SOURCE, name, tag), digest)
        self._demand(bool(tags) and str(name).startswith(f"{one.plan.tenant}/"), "I9", f"{name} was announced")

    def _demand_current(self, place: Place, digest: Digest) -> None:
        registry, name, tag = place
        current = self._sea.ecr.repositories[registry][name].tags.get(tag) == digest
        recent = self._caller is not None and self._moved[place] >= self._caller.began
        self._demand(current or recent, "I1", f"{name}:{tag} is announced and names another image by now")

    # --- the end ---

    def at_the_end(self) -> None:
        """Demand that everything has ended, and well."""
        sea = self._sea
        self._demand(
            not self.unended(), "I2", f"not ended: {[(o.number, str(self._state(o))) for o in self.unended()]}"
        )
        self._demand(not any(sea.queues.messages.values()), "I12", f"messages are left: {sea.queues.messages}")
        self._demand(not any(sea.queues.dead.values()), "I12", "dead letters are left")
        self._demand(all(row.due is None for row in sea.table.rows.values()), "I2", "something is left to do")
        sea.ecr.replication.run()
        self._look_at_images()
        unsent = self._decided.keys() - self._sent
        self._demand(not unsent, "I3", f"decided and never sent: {sorted(unsent)}")
        for one in sea.uploads.values():
            self._ended(one)
        self._demand_winners()
        self._demand_tenants()

    def _ended(self, one: Sighted) -> None:
        state, record = self._state(one), self._record(one)
        kinds = set(one.ends)
        self._demand(len(kinds) == 1 and (kinds == {"Image Available"} or len(one.ends) == 1), "I3", f"{one.ends}")
        right = {"available": "Image Available"}.get(state.value, f"Upload {state.value.title()}")
        self._demand(kinds == {right}, "I3", f"upload {one.number} is {state.value} and was announced as {kinds}")
        if state is State.REJECTED:
            self._demand("ecr.put_manifest" not in one.writes, "I10", f"upload {one.number} was rejected and put")
            if one.plan.cargo.read:
                self._demand(not one.writes, "I10", f"upload {one.number} was rejected and wrote {one.writes}")
        if state is State.AVAILABLE:
            self._demand(one.plan.cargo.code is None, "I6", f"upload {one.number} must not become available")
        elif state is State.SUPERSEDED:
            self._demand(self._rivals(one), "I2", f"upload {one.number} was superseded by nobody")
        else:
            code = Code[record["code"]]
            refused = code is not one.plan.cargo.code or state is State.REJECTED
            self._demand(refused, "I10", f"upload {one.number} is no archive to be pushed and {state.value}")
            self._demand(self._excused(one, code), "I2", f"upload {one.number} ended {state.value}: {code.name}")

    def _rivals(self, one: Sighted) -> bool:
        wanted = self._expected(one).tags
        mine = {(name, tag) for name, tags in wanted.items() for tag in tags}
        for other in self._sea.uploads.values():
            theirs = {(name, tag) for name, tags in self._expected(other).tags.items() for tag in tags}
            if other is not one and other.plan.key == one.plan.key and other.place > one.place:
                return True
            mixed = {(RepositoryName(name), Tag(tag)) for name, tag in mine & theirs} & self._mixed
            if other is not one and mine & theirs and (mixed or self._may_supersede(other, one)):
                return True
        return False

    def _may_supersede(self, other: Sighted, one: Sighted) -> bool:
        if other.plan.key == one.plan.key and (one.silent or not other.silent) and other.place > one.place:
            return True
        if other.plan.key == one.plan.key and not (other.silent or one.silent):
            return False
        return self._record(other)["rank"] >= self._record(one)["rank"]

    def _excused(self, one: Sighted, code: Code) -> bool:
        """Tell whether the world gave a reason for *code*."""
        sea = self._sea
        if code is one.plan.cargo.code:
            return True
        denied = sea.plan.denied is not None
        reasons = {
            Code.ACCESS_DENIED: sea.plan.refused is not None,
            Code.GAVE_UP: sea.weather.rate > 0
            and any(self.about(*letter)[0] == one.id for letter in sea.queues.buried),
            Code.NOT_REPLICATED: bool(sea.plan.destinations) and not self._everywhere(one),
            Code.PERMISSION_MISSING: denied,
            Code.PREFLIGHT_UNKNOWN: sea.weather.rate > 0,
            Code.TAG_IMMUTABLE: bool(sea.plan.immutable),
            Code.UPLOADER_DENIED: sea.plan.revoked is not None
            and (one.silent or sea.plan.revoked[0] == one.plan.tenant),
        }
        return reasons.get(code, False)

    def _everywhere(self, one: Sighted) -> bool:
        """Tell whether all of an upload is everywhere, had been for long when it was judged, and stays."""
        judged = self._judged(one)
        return (
            all(
                self._named(registry, RepositoryName(name), Tag(tag)) == digest
                and _whole(self._sea.ecr.repositories[registry][RepositoryName(name)], digest)
                and self._moved.get((registry, RepositoryName(name), Tag(tag)), judged) < judged - RECENT
                for name, tags in self._expected(one).tags.items()
                for tag, digest in tags.items()
                for registry in self._sea.plan.destinations
            )
            and not self._sea.tides.stuck
        )

    def _judged(self, one: Sighted) -> float:
        """Return when it was first written down that a destination lacks something; the end may come much later."""
        record = self._record(one)
        replicas = [
            json.loads(row.text)
            for (pk, sk), row in self._sea.table.rows.items()
            if pk == f"upload#{one.id}" and sk.startswith("replica#")
        ]
        failed = (record["published"] + replica["seconds"] for replica in replicas if replica["status"] == "failed")
        return min([record["ended"], *failed])

    def _named(self, registry: Registry, name: RepositoryName, tag: Tag) -> Digest | None:
        repository = self._sea.ecr.repositories[registry].get(name)
        return repository.tags.get(tag) if repository else None

    def _demand_winners(self) -> None:
        """What was announced last is still there, under its tag, at every destination."""
        for (name, tag), one in self._puts.items():
            if self._state(one) is not State.AVAILABLE or (name, tag) in self._mixed:
                continue
            digest = self._expected(one).tags[str(name)][str(tag)]
            for registry in (SOURCE, *self._sea.plan.destinations):
                repository = self._sea.ecr.repositories[registry][name]
                there = repository.tags.get(tag) == digest and _whole(repository, digest)
                self._demand(there, "I1", f"{name}:{tag} was announced and is not {digest} in {registry}")

    def _demand_tenants(self) -> None:
        """I9: in a repository of a tenant is nothing but what that tenant uploaded."""
        own: dict[str, set[Digest]] = defaultdict(set)
        for one in self._sea.uploads.values():
            for blobs in self._expected(one).blobs.values():
                own[one.plan.tenant] |= blobs
        for name, repository in self._sea.ecr.repositories[SOURCE].items():
            foreign = set(repository.blobs) - own[str(name).partition("/")[0]]
            self._demand(not foreign, "I9", f"{name} holds what its tenant did not upload: {foreign}")

    def _demand(self, holds: bool, invariant: str, words: str) -> None:
        if not holds:
            raise Broken(f"{invariant}: {words}")


def _whole(repository: FakeRepository, digest: Digest) -> bool:
    image = repository.images.get(digest)
    if image is None or image.digest != digest:
        return False
    return all(blob in repository.blobs for blob in image.blobs()) and all(
        _whole(repository, child) for child in image.children()
    )
