"""
Bugs that somebody might write, each as a patch of the running code: the net must catch every one of them.

    python -m tests.faults.catch [SEEDS]     # plants each in turn and prints the table of docs/reliability.md
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib import confirm, messages, notify, publish, push, receive, sweep
from chalicelib.access import admission
from chalicelib.errors import Code, FailedError, FinalError, TemporaryError
from chalicelib.ports.table import Key
from chalicelib.publishing import publication
from chalicelib.replacing import replace
from chalicelib.replicas import follow, pace, watch
from chalicelib.state import claims, lease, ledger, upload
from chalicelib.state.records import Arrival
from chalicelib.state.upload import State
from chalicelib.transfer import layer, production
from tests.fakes.bucket import FakeBucket

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]


@dataclass(frozen=True, slots=True)
class Bug:
    """What is wrong, in a few words, and how to make it so."""

    name: str
    plant: Plant


def _puts(owner: Any, name: str, value: Any) -> Plant:
    return lambda patch: patch.setattr(owner, name, value)


def _around(owner: Any, name: str, change: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Plant:
    return lambda patch: patch.setattr(owner, name, change(getattr(owner, name)))


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


# --- state ---


def _last_writer_wins(original: Any) -> Any:
    def decide(self: ledger.Ledger, entry: ledger.Entry, *args: Any, **kwargs: Any) -> ledger.Entry:
        return original(self, self.load(entry.upload.id) or entry, *args, **kwargs)

    return decide


def _unguarded(original: Any) -> Any:
    def overwrite(self: ledger.Ledger, entry: ledger.Entry, *args: Any, **kwargs: Any) -> None:
        original(self, self.load(entry.upload.id) or entry, *args, **kwargs)

    return overwrite


def _without_events(original: Any) -> Any:
    def decide(self: ledger.Ledger, entry: Any, after: Any, _drafts: Any = (), *, also: Any = ()) -> Any:
        return original(self, entry, after, (), also=also)

    return decide


def _taken_from_its_holder(patch: Patch) -> None:
    def init(self: lease.Lease, outside: Any, upload_id: str, step: str) -> None:
        self._outside, self._lock = outside, lease.threading.Lock()
        self._key = lease.Key(lease.collection(upload_id), f"lease#{step}")
        stored = outside.table.get(self._key)
        self._revision, self.until = (stored.revision if stored else 0), 0.0
        self.renew()

    patch.setattr(lease.Lease, "__init__", init)


def _begins_again(original: Any) -> Any:
    def begin(self: ledger.Ledger, one: Any) -> Any:
        known = self.load(one.id)
        return self.decide(known, one) if known else original(self, one)

    return begin


# --- receive, push, publish ---


def _fails_at_once(original: Any) -> Any:
    def step(outside: Any, upload_id: str, *args: Any) -> None:
        try:
            original(outside, upload_id, *args)
        except TemporaryError as error:
            push._end(outside, upload_id, FailedError(Code.GAVE_UP, str(error)))

    return step


def _refusals_come_again(original: Any) -> Any:
    def run(self: Any) -> Any:
        try:
            return original(self)
        except FinalError as error:
            raise TemporaryError(str(error)) from error

    return run


def _denial_swallowed(original: Any) -> Any:
    def call(self: Any, *args: Any) -> Any:
        try:
            return original(self, *args)
        except FailedError:
            return None

    return call


def _joined_by_the_first(outside: Any, book: Any, upload_id: str) -> None:
    def publishing(one: Any) -> Any:
        return replace(one, state=State.PUBLISHING) if one.state is State.PUSHING and not one.opening else None

    found = book.update(upload_id, publishing)
    if found.state is State.PUBLISHING:
        push.send_publish(outside, found)
    elif found.state is State.RECEIVED:
        push.drive(outside, found)


def _published_at_once(original: Any) -> Any:
    def accept(outside: Any, entry: Any, proposal: Any) -> Any:
        eager = replace(proposal.upload, state=State.PUBLISHING if proposal.planned.images else State.ACCEPTED)
        return original(outside, entry, replace(proposal, upload=eager))

    return accept


def _latest_version(original: Any) -> Any:
    def source(self: FakeBucket, version: Any) -> Any:
        latest = self.latest(version.key)
        return original(self, latest.object if latest else version)

    return source


def _part_not_resumed(original: Any) -> Any:
    def send(self: Any, part: Any, upload_id: str) -> Any:
        held = original(self, part, upload_id)
        return held if held == part.end else part.end

    return send


def _stored_before_it_is(original: Any) -> Any:
    def complete(self: Any, stored: Any) -> Any:
        self._task.stored(stored)
        return original(self, stored)

    return complete


def _never_completed(_self: Any, stored: Any) -> Any:
    return stored


def _backwards(original: Any) -> Any:
    return lambda self, upload_id: list(reversed(original(self, upload_id)))


def _tag_at_each(original: Any) -> Any:
    def put(self: Any, image: Any) -> Any:
        others = [row.record.tags for row in self._images if row.record.tags]
        return original(self, replace(image, tags=image.tags or (others[0] if others else ())))

    return put


# --- confirm and replicas ---


def _complete_is_enough(original: Any) -> Any:
    def judged(replica: Any, claim: Any, reading: Any, age: float, *, last: bool = False) -> Any:
        found = original(replica, claim, reading, age, last=last)
        return replace(found, status=Arrival.VERIFIED) if claim.status == "COMPLETE" else found

    return judged


def _progress_is_enough(original: Any) -> Any:
    def judged(replica: Any, claim: Any, reading: Any, age: float, *, last: bool = False) -> Any:
        found = original(replica, claim, reading, age, last=last)
        return replace(found, status=Arrival.VERIFIED) if claim.status == "IN_PROGRESS" else found

    return judged


def _silence_is_success(original: Any) -> Any:
    def judged(replica: Any, claim: Any, reading: Any, age: float, *, last: bool = False) -> Any:
        found = original(replica, claim, reading, age, last=last)
        return replace(found, status=Arrival.VERIFIED) if reading is None else found

    return judged


def _one_is_enough(patch: Patch) -> None:
    def arrived(self: Any, _replica: Any) -> bool:
        return any(record.status is Arrival.VERIFIED for record in self.replicas())

    patch.setattr(watch.Watch, "arrived", arrived)


def _one_destination(original: Any) -> Any:
    return lambda *args: frozenset(sorted(original(*args))[:1])


def _root_alone(original: Any) -> Any:
    return lambda images: {number: replace(family, members=()) for number, family in original(images).items()}


def _digest_alone(original: Any) -> Any:
    def read(reader: Any, name: Any, found: Any) -> Any:
        return {number: replace(one, tags_verified=True) for number, one in original(reader, name, found).items()}

    return read


# --- what is told ---


def _another_id(original: Any) -> Any:
    def event(item: Any) -> Any:
        one = original(item)
        return replace(one, detail={**one.detail, "id": str(uuid.uuid4())})

    return event


def _another_time(original: Any) -> Any:
    def event(item: Any) -> Any:
        one = original(item)
        return replace(one, detail={**one.detail, "time": str(uuid.uuid4())})

    return event


def _marked_before_it_is_sent(original: Any) -> Any:
    def send(outside: Any, waiting: Any) -> int:
        sent = [ledger.Put(one.key, {**one.item, "sent": True}, one.revision) for one in waiting]
        outside.table.write(sent)
        after = [replace(one, revision=one.revision + 1) for one in waiting]
        return int(original(outside, after))

    return send


def _refused_is_taken(outside: Any, waiting: Any) -> set[int]:
    outside.bus.put([notify.event_from(stored.item) for stored in waiting])
    return set()


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """Let *bug* be there while the block runs."""
    with pytest.MonkeyPatch.context() as patch:
        bug.plant(patch)
        yield


BUGS: tuple[Bug, ...] = (
    Bug("a decision ignores that the upload changed", _around(ledger.Ledger, "decide", _last_writer_wins)),
    Bug("a plan is written over what others decided", _around(ledger.Ledger, "overwrite", _unguarded)),
    Bug("decisions forget their events", _around(ledger.Ledger, "decide", _without_events)),
    Bug("a lease is taken from its holder", _taken_from_its_holder),
    Bug("a notification begins a known upload anew", _around(ledger.Ledger, "begin", _begins_again)),
    Bug("versions of one object are one upload", _around(
        upload, "upload_id", lambda original: lambda version, prefix: original(
            replace(version, version_id=""), prefix))),
    Bug("sequencers are not looked at", _puts(
        receive, "ranked", lambda _outside, one, _known: (replace(one, rank=one.accepted), []))),
    Bug("claims on tags are not looked at", _puts(claims.Claims, "demand", _nothing)),
    Bug("claims on tags are not written", _puts(claims.Claims, "_puts", lambda *_: [])),
    Bug("a source reads the latest version", _around(FakeBucket, "source", _latest_version)),
    Bug("messages name another tenant", _puts(messages, "_whose", lambda *_: "team")),
    Bug("the pace is everybody's", _puts(pace, "_key", lambda *_: Key("pace#", "confirm"))),
    Bug("a rule taken away is not noticed before the put", _puts(publish._Publication, "_renew_admission", _nothing)),
    Bug("access rules are read once", _around(
        admission, "read_current", lambda original: lambda outside: (
            outside.memory.rules[1] if outside.memory.rules else original(outside)))),
    Bug("a pushing timeout is a failure", _around(push, "push", _fails_at_once)),
    Bug("a publishing timeout is a failure", _around(publish, "publish", _fails_at_once)),
    Bug("what is refused for good is tried again", _around(push._Bundle, "run", _refusals_come_again)),
    Bug("a denied PutImage is swallowed", _around(publish._Publication, "_put_manifest", _denial_swallowed)),
    Bug("the first bundle that ends hands the upload on", _puts(push, "_join", _joined_by_the_first)),
    Bug("images are put before their layers", _around(receive, "_accept", _published_at_once)),
    Bug("an index is put before its children", _around(ledger.Ledger, "images", _backwards)),
    Bug("a tag is set on a part of an image", _around(publish._Publication, "_put", _tag_at_each)),
    Bug("the config is not pushed", _puts(publish._Publication, "_put_config", _nothing)),
    Bug("what ECR holds of a layer is not looked at", _around(layer._LayerUpload, "_send", _part_not_resumed)),
    Bug("a layer is noted before it is complete", _around(layer._LayerUpload, "_complete", _stored_before_it_is)),
    Bug("layers are not completed", _puts(layer._LayerUpload, "_complete", _never_completed)),
    Bug("a stale upload id means that the layer is there", _puts(layer._LayerUpload, "_is_there", lambda *_: True)),
    Bug("digests of layers are not compared", _around(production.Production, "_verified", lambda original: (
        lambda self: (setattr(self, "_job", replace(self._job, digest=None, diff_id=None)), original(self))[1]))),
    Bug("ECR's COMPLETE is believed", _around(follow, "judged", _complete_is_enough)),
    Bug("ECR's IN_PROGRESS is believed", _around(follow, "judged", _progress_is_enough)),
    Bug("nothing read back is success", _around(follow, "judged", _silence_is_success)),
    Bug("one destination is enough", _one_is_enough),
    Bug("one destination is expected", _around(publication, "destinations", _one_destination)),
    Bug("children are not read back", _around(watch, "families", _root_alone)),
    Bug("one lost reply after the deadline is held against a destination", _puts(follow, "_SILENT_MOST", 1)),
    Bug("tags are not read back", _around(follow, "read_back", _digest_alone)),
    Bug("the source is not read before the announcement", _puts(confirm, "demand_source", _nothing)),
    Bug("each sending has an id of its own", _around(notify, "event_from", _another_id)),
    Bug("each sending has a time of its own", _around(notify, "event_from", _another_time)),
    Bug("events are marked before they are sent", _around(notify, "_send", _marked_before_it_is_sent)),
    Bug("FailedEntryCount is ignored", _puts(notify, "_refused", _refused_is_taken)),
    Bug("lost notifications are not looked for", _puts(sweep, "_find_lost_uploads", _nothing)),
    Bug("replaced versions are pushed late", _puts(sweep, "_supersede", lambda outside, versions: [
        sweep._find(outside, one) for one in versions])),
    Bug("unsent events are not sent again", _puts(sweep, "flush", lambda *_: 0)),
    Bug("uploads that stand still are left", _puts(sweep, "_resume", _nothing)),
    Bug("dead letters are left", _puts(sweep, "_bury_dead_letters", _nothing)),
)  # fmt: skip
