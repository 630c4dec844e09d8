"""Tenants are apart: each key, message, event, receipt and log line says whose it is (docs/decisions/0014)."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.access.documents import accept_replicas
from chalicelib.errors import ThrottledError
from chalicelib.events import Notification, renotification
from chalicelib.names import UPLOADS
from chalicelib.oci.reference import RepositoryName
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.ports.table import Check, Delete, Key, Put
from chalicelib.replacing import replace
from chalicelib.replicas.healing import Way
from chalicelib.state.upload import NOBODY, State, former_id, tenant, upload_id
from tests import archives
from tests.fakes.registry import Call
from tests.fakes.small import FakeLog
from tests.fakes.table import FakeTable
from tests.faults.swarm.cargo import cargo
from tests.unit.pipeline.test_provenance import signing
from tests.world import FAR, HOME, SOURCE, World
from transship.heal import examine, heal
from transship.retrying import begin_attempt

TENANTS: Final = ("alpha", "omega")
KINDS: Final = ("plain", "several", "index", "sealed", "lying", "truncated")
EVERYBODY: Final = ""
"""On whose behalf the sweep and operators work."""


@dataclass(slots=True)
class NotingTable(FakeTable):
    """A table that tells of every change."""

    told: Callable[[Key], None] = lambda _: None

    def write(self, changes: Sequence[Put | Check | Delete]) -> None:
        FakeTable.write(self, changes)
        for change in changes:
            self.told(change.key)


@dataclass(slots=True)
class NotingLog(FakeLog):
    """A log that tells of every line, and whose it says it is."""

    current: dict[str, str] = field(default_factory=dict)
    told: Callable[[str, str], None] = lambda _, __: None

    def keys(self, **keys: str) -> None:
        FakeLog.keys(self, **keys)
        self.current |= keys

    def info(self, message: str, **_: Any) -> None:
        self.told(message, self.current.get("tenant", ""))

    def warning(self, message: str, **_: Any) -> None:
        self.told(message, self.current.get("tenant", ""))


class NotingWorld(World):
    """
    A world that notes on whose behalf what was written: it reads names of tenants in messages as they arrive.

    Attributes:
        written: Keys, each with the tenant that an invocation worked for, `EVERYBODY` for all.
        lines: Of the log: on whose behalf, what, and whose it says it is.
        sent: Messages of our own.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.acting = EVERYBODY
        self.written: list[tuple[str, Key]] = []
        self.lines: list[tuple[str, str, str]] = []
        self.table = NotingTable(told=lambda key: self.written.append((self.acting, key)))
        self.log = NotingLog(told=lambda text, whose: self.lines.append((self.acting, text, whose)))
        self.sent: list[Mapping[str, Any]] = []
        self.queues.overhear = lambda body, _: self.sent.append(body)
        self.settings = replace(self.settings, receipts=True)

    def _begin(self, function: str) -> None:
        super()._begin(function)
        self.log.keys(tenant="", upload_id="")  # as at the start of every invocation

    def _invoke(self, queue: str, message: Any) -> None:
        self.acting = next((name for name in TENANTS if name in message.body), NOBODY)
        super()._invoke(queue, message)
        self.acting = EVERYBODY


def throttled_at_first(times: int) -> Callable[[Call], None]:
    asked: dict[str, int] = defaultdict(int)

    def on_call(call: Call) -> None:
        if call.operation == "DescribeImageReplicationStatus" and call.repository:
            asked[call.repository.first] += 1
            if asked[call.repository.first] <= times:
                raise ThrottledError("Rate exceeded")

    return on_call


def bring_word(world: World) -> None:
    """Let ECR tell of an image of each tenant while it is followed."""
    for name in TENANTS:
        upload = world.upload(f"uploads/{name}/told/told-1.0.tar", cargo("plain", name, 4, "1.0").content)
        while world.state_or_none(upload) is not State.CONFIRMING:
            world.step()
        (digest,) = world.ecr.repository(SOURCE, RepositoryName(f"{name}/told")).images
        world.hint(
            {
                "result": "SUCCESS",
                "repository-name": f"{name}/told",
                "image-digest": str(digest),
                "source-account": SOURCE.account,
                "source-region": SOURCE.region,
                "action-type": "PUSH",
            }
        )
    world.clock.seconds += world.ecr.lag


@pytest.fixture(scope="module")
def busy() -> NotingWorld:
    """Return a world after two tenants, and some who are none, did in it what can be done."""
    world = NotingWorld()
    world.ecr.on_call = throttled_at_first(2)
    limits = {"uploads_at_once": 99}
    rules = [
        {"name": name, "principals": ["any"], "prefix": f"uploads/{name}/", "create_repositories": True}
        | {"limits": limits}
        for name in TENANTS
    ]
    world.bucket.put("access/rules.json", json.dumps({"version": 1, "rules": rules}).encode())
    chart = archives.chart()
    for name in TENANTS:
        for kind in KINDS:
            one = cargo(kind, name, 1, "1.0")
            world.upload(f"uploads/{name}/{kind}/{kind}-1.0{one.suffix}", one.content)
        world.upload(f"uploads/{name}/charts/webapp-1.2.3.tgz.prov", signing(chart))
        world.upload(f"uploads/{name}/charts/webapp-1.2.3.tgz", chart)
        world.upload(f"uploads/{name}/lost/lost-1.0.tar", cargo("plain", name, 2, "1.0").content, notify=False)
    for key in ("flat.tar", "Upper/app/app-1.0.tar", "$(reboot)/app/app-1.0.tar", "/app/app-1.0.tar"):
        world.upload(f"uploads/{key}", b"")
    world.run()
    world.clock.seconds += 1_000
    world.run_sweep()
    world.run()
    for name in TENANTS:  # the same tag again, the same again, and a destination that lets nothing in
        for number in (2, 2, 3):
            world.upload(f"uploads/{name}/plain/plain-1.0.tar", cargo("plain", name, number, "1.0").content)
    bring_word(world)
    world.ecr.policies.pop(str(FAR))
    failed = [
        world.upload(f"uploads/{name}/late/late-1.0.tar", cargo("index", name, 3, "1.0").content) for name in TENANTS
    ]
    world.run()
    assert {world.state(upload) for upload in failed} == {State.FAILED}
    world.ecr.policies[str(FAR)] = json.dumps(accept_replicas(FAR, HOME, partition="aws"))
    for upload, way in zip(failed, (Way.PUSH, Way.RETAG), strict=True):
        outside = world.outside()
        heal(outside, examine(outside, upload), way, destination=world.ecr.client, create=True, sleep=lambda _: None)
    world.run()
    return world


def named(key: Key) -> set[str]:
    """Return the tenants whose names stand in a key."""
    return set(re.split(r"[#/@:.]", f"{key.pk}#{key.sk}")) & {*TENANTS, NOBODY}


def test_every_key_names_its_tenant(busy: NotingWorld) -> None:
    for acting, key in busy.written:
        assert named(key) == {acting} if acting else len(named(key)) == 1, (acting, key)


def test_no_collection_is_two_tenants(busy: NotingWorld) -> None:
    """But for the journal of a month, which an operator exports; its items' names begin with the time."""
    whose = defaultdict(set)
    for acting, key in busy.written:
        whose[key.pk] |= named(key) | ({acting} if acting else set())
    shared = {pk.partition("#")[0] for pk, names in whose.items() if len(names) > 1}
    assert shared == {"audit"}


def test_all_there_is_was_done(busy: NotingWorld) -> None:
    """So that the tests of keys mean all of them."""
    kinds = {key.pk.partition("#")[0] for _, key in busy.written}
    assert kinds == {"upload", "tag", "digest", "blob", "object", "used", "audit", "pace"}
    parts = {key.sk.partition("#")[0] for _, key in busy.written if key.pk.startswith("upload#")}
    assert parts == {"upload", "image", "layer", "replica", "outbox", "lease"}


def test_every_message_names_its_tenant(busy: NotingWorld) -> None:
    own = [body for body in busy.sent if "upload" in body]
    assert {body["tenant"] for body in own} == set(TENANTS)
    assert all(body["upload"].startswith(f"{body['tenant']}.") for body in own)


def test_every_event_names_its_tenant(busy: NotingWorld) -> None:
    uploads = [event.detail["upload"] for event in busy.bus.taken]
    assert {upload["tenant"] for upload in uploads} == {*TENANTS, NOBODY}
    assert all(upload["id"].startswith(f"{upload['tenant']}.") for upload in uploads)
    assert all(event.detail["id"].startswith(event.detail["upload"]["id"]) for event in busy.bus.taken)


def test_every_receipt_names_its_tenant(busy: NotingWorld) -> None:
    keys = [key for key in busy.bucket.objects if key.startswith("receipts/")]
    whose = {key.rpartition("/")[2].partition(".")[0] for key in keys}
    assert whose == {*TENANTS, NOBODY}
    assert all(f"receipts/{name}/" in key for name in TENANTS for key in keys if f"/{name}." in key)


def test_every_line_of_the_log_names_its_tenant(busy: NotingWorld) -> None:
    wrong = [line for line in busy.lines if line[0] and line[2] != line[0]]
    assert not wrong
    assert {whose for acting, _, whose in busy.lines if acting} == {*TENANTS, NOBODY}


def test_the_sweep_says_whose_each_upload_is() -> None:
    world = NotingWorld()
    for name in TENANTS:
        world.upload(f"uploads/{name}/app/app-1.0.tar", b"", notify=False)
    world.clock.seconds += 1_000
    world.run_sweep()

    found = [whose for _, text, whose in world.lines if text == "found an upload without a notification"]
    assert sorted(found) == sorted(TENANTS)


# --- whose a key is --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["team", "a", "a.b_c--d__e", "0", "x" * 256])
def test_the_tenant_is_the_first_component_of_the_path(name: str) -> None:
    assert tenant(f"uploads/{name}/app/x.tar", "uploads/") == name


NOT_ONE: Final = ("", "Team", "-a", "a-", "_", "a..b", "$(a)", "ä", "a\n", "x" * 257)


@pytest.mark.parametrize("path", ["x.tar", *(f"{name}/x.tar" for name in NOT_ONE)])
def test_what_is_no_component_of_a_name_is_nobody(path: str) -> None:
    """Nobody's unvalidated text comes into shells, logs and texts by way of an id."""
    key = f"uploads/{path}"
    version = ObjectVersion(bucket="b", key=key, version_id="v", etag="e", size=1)

    assert tenant(key, "uploads/") == NOBODY
    assert re.fullmatch(r"_\.[a-z2-7]{26}", upload_id(version, "uploads/"))


@pytest.mark.parametrize("name", ["team", "_", "a.b_c--d__e", "x" * 256])
def test_an_id_is_as_published(name: str) -> None:
    version = ObjectVersion(bucket="b", key=f"uploads/{name}/app/x.tar", version_id="v", etag="e", size=1)
    root = Path(__file__).parents[3]
    common = json.loads((root / "events/schemas/common.json").read_text())
    receipt = json.loads((root / "docs/receipts/receipt.schema.json").read_text())

    for pattern in (
        common["$defs"]["upload"]["properties"]["id"]["pattern"],
        receipt["properties"]["upload"]["pattern"],
    ):
        assert re.search(pattern, upload_id(version, "uploads/"))
        assert re.search(pattern, former_id(version))
        assert not re.search(pattern, f"A.{former_id(version)}")


def test_the_longest_tenant_gets_its_image() -> None:
    world = World()
    name = "t" * 200
    upload = world.upload(f"uploads/{name}/app/app-1.0.tar", cargo("plain", "alpha", 1, "1.0").content)
    world.run()

    assert world.state(upload) is State.AVAILABLE
    assert len(upload) == 200 + 1 + 26


# --- uploads that were begun before their tenant was part of their id ------------------------------------------------


@pytest.fixture
def former(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let ids be what they were, until what is returned is called."""
    for module in ("chalicelib.state.upload", "chalicelib.state.ledger", "chalicelib.receive", "tests.world"):
        monkeypatch.setattr(f"{module}.upload_id", lambda version, _: former_id(version))
    return monkeypatch.undo


@pytest.mark.parametrize(
    ("kind", "state", "end"),
    [
        ("plain", State.ACCEPTED, State.AVAILABLE),
        ("plain", State.PUBLISHING, State.AVAILABLE),
        ("plain", State.CONFIRMING, State.AVAILABLE),
        ("sealed", State.ACCEPTED, State.AVAILABLE),
        ("sealed", State.RECEIVED, State.AVAILABLE),
        ("lying", State.ACCEPTED, State.REJECTED),
    ],
)
def test_an_upload_goes_on_under_the_id_with_which_it_began(
    former: Callable[[], None], kind: str, state: State, end: State
) -> None:
    world, one = World(), cargo(kind, "alpha", 1, "1.0")
    upload = world.upload(f"uploads/alpha/app/app-1.0{one.suffix}", one.content)
    while world.state_or_none(upload) is not state:
        world.step()
    former()
    world.run()
    world.clock.seconds += 1_000
    world.run_sweep()
    world.run()

    assert len(upload) == 26
    assert world.state(upload) is end
    assert {event.detail["upload"]["id"] for event in world.bus.taken} == {upload}


def test_what_was_done_before_is_not_found_again(former: Callable[[], None]) -> None:
    """An old archive would take the tag back from the one that came after it under another key."""
    world = World()
    for number, key in enumerate(("uploads/alpha/app/old-1.0.tar", "uploads/alpha/app/new-1.0.tar")):
        upload = world.upload(key, cargo("plain", "alpha", number, "1.0").content)
        world.run()
        assert world.state(upload) is State.AVAILABLE
    told = len(world.bus.taken)
    former()
    world.clock.seconds += 1_000
    world.run_sweep()
    world.run()

    assert len(world.bus.taken) == told
    assert not [line for line in world.log.lines if line[1] == "found an upload without a notification"]


def test_a_new_attempt_has_the_id_of_the_first(former: Callable[[], None]) -> None:
    world, one = World(), cargo("lying", "alpha", 1, "1.0")
    upload = world.upload("uploads/alpha/app/app-1.0.tar", one.content)
    world.run()
    assert world.state(upload) is State.REJECTED
    former()
    fresh = begin_attempt(world.table, upload, world.clock.now())
    world.queues.send(UPLOADS, renotification(Notification.again(fresh), world.deployment), group=fresh.tenant)
    world.run()

    assert (world.state(upload), world.record(upload).attempt) == (State.REJECTED, 2)
    assert {event.detail["upload"]["id"] for event in world.bus.taken} == {upload}


def test_a_message_gives_an_upload_no_other_id_than_its_own() -> None:
    world = World()
    version = world.bucket.put("uploads/alpha/app/app-1.0.tar", cargo("plain", "alpha", 1, "1.0").content)
    world.queues.send(UPLOADS, renotification(Notification(version, "", "", "$(x)"), world.deployment), group="alpha")
    world.run()

    assert {event.detail["upload"]["id"] for event in world.bus.taken} == {upload_id(version, "uploads/")}


# --- how fast destinations are looked at -----------------------------------------------------------------------------


def test_a_tenant_that_is_throttled_slows_nobody_else_down() -> None:
    world = World()
    waits: dict[str, list[float]] = defaultdict(list)

    def overhear(body: Mapping[str, Any], delay: float) -> None:
        if "look" in body:
            waits[body["tenant"]].append(delay)

    def refuse(call: Call) -> None:
        if call.operation == "DescribeImageReplicationStatus" and call.repository and call.repository.first == "alpha":
            raise ThrottledError("Rate exceeded")

    world.queues.overhear, world.ecr.on_call = overhear, refuse
    world.ecr.lag = 300.0
    for number in range(20):
        one = cargo("plain", "alpha", number, "1.0")
        world.upload(f"uploads/alpha/app{number}/app-1.0.tar", one.content)
    world.upload("uploads/omega/app/app-1.0.tar", cargo("plain", "omega", 1, "1.0").content)
    world.run()

    settings = world.settings
    nominal = [min(settings.confirm_most, settings.confirm_first * 1.5**looks) for looks in range(len(waits["omega"]))]
    assert all(wait <= most + 1 for wait, most in zip(waits["omega"], nominal, strict=True))
    assert max(waits["alpha"]) > 1.5 * settings.confirm_most
    assert not [pk for pk, _ in world.table.rows if pk.startswith("pace#omega@")]
