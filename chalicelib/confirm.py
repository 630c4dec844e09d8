"""
Step 4: has the image arrived, everywhere, under its tags?

ECR is asked in the source registry; what it calls COMPLETE is read back in the destination, by digest and by tag.
Waiting is a delayed message, so the deadline outlives any function. An event of ECR's only brings the next look
forward; lost, doubled, late or false ones change nothing.
Each message names the look that it asks for, so that of two chains of messages one ends (docs/decisions/0022).
How a look is taken is in `follow`, how far one function goes in `course`, how often it is taken in `pace`; what follows
from it is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chalicelib.access.identity import prove_identity
from chalicelib.errors import (
    Code,
    ConflictError,
    FailedError,
    FinalError,
    LeaseHeld,
    SupersededError,
    TemporaryError,
    ThrottledError,
)
from chalicelib.events import ReplicationHint
from chalicelib.messages import drive, send_confirm, send_publish
from chalicelib.names import CONFIRM
from chalicelib.notify import flush
from chalicelib.outcome.ending import close, end
from chalicelib.outside import Outside
from chalicelib.replacing import replace
from chalicelib.replicas.course import MARGIN, TimeIsUp
from chalicelib.replicas.destinations import Lack, configuration_changes, destinations
from chalicelib.replicas.evidence import diagnose
from chalicelib.replicas.healing import Way, heal_by_itself
from chalicelib.replicas.pace import Pace
from chalicelib.replicas.standing import demand_source, scanned
from chalicelib.replicas.watch import Watch
from chalicelib.state.claims import Claims
from chalicelib.state.lease import Lease
from chalicelib.state.ledger import Entry, Ledger
from chalicelib.state.records import Arrival, ReplicaRecord
from chalicelib.state.upload import State, Upload

_NOT_COMPARED: Final = (
    "the replication configuration could not be read at the end: "
    "it is not known whether it is still the one that this upload was judged by"
)


def confirm(
    outside: Outside,
    upload_id: str,
    *,
    number: int | None = None,
    again: bool = False,
    told: ReplicationHint | None = None,
) -> None:
    """
    Look at the destinations of an upload once.

    Args:
        outside: The ports.
        upload_id: Which upload.
        number: Of the look that is asked for; one that was taken already is not taken again. None: in any case.
        again: Whether the message comes again: it may be all that is left of a function that was killed after it had
            written down what it saw, and before it asked for the next look, so then its look is taken in any case.
        told: What brings the look, where it is not its time: it goes to the image that this is about, and the next look
            remains the one that was asked for.

    Raises:
        TemporaryError: Try again later.
    """
    try:
        _confirm(outside, upload_id, None if again else number, told)
    except LeaseHeld:
        if number is None or not _gone_on_since(outside, upload_id, number):
            raise
        outside.log.info("other messages have taken this look and the next", look=number)


def next_look(outside: Outside, upload_id: str) -> int:
    """Return the number of the look that is to be taken next, for a message that asks for no other."""
    entry = Ledger(outside).load(upload_id)
    return entry.upload.looks if entry else 0


def _gone_on_since(outside: Outside, upload_id: str, number: int) -> bool:
    """
    Tell whether a look after the one of *number* was taken, too, so that nothing hangs on a message for that one.

    Of the look that was taken last it is not known whether who took it lived to ask for the next one.
    """
    entry = Ledger(outside).load(upload_id)
    return entry is not None and number + 1 < entry.upload.looks


def _confirm(outside: Outside, upload_id: str, number: int | None, told: ReplicationHint | None) -> None:
    ledger = Ledger(outside)
    with Lease.hold(outside, upload_id, CONFIRM):
        entry = ledger.load(upload_id)
        _let_publish_heal(outside, entry)
        if entry is None or entry.upload.state is not State.CONFIRMING:
            if entry and not entry.upload.state.terminal:
                drive(outside, entry.upload)
            flush(outside, upload_id)
            return
        if number is not None and number < entry.upload.looks:
            outside.log.info("another message has taken this look", look=number, next=entry.upload.looks)
            return
        pace = Pace.read(outside, entry.upload.whose(outside.settings.prefix))
        taken = _Look(outside, entry, told)
        entry = _taken(outside, taken, entry)
        if taken.throttled:
            pace = pace.slower()
            outside.log.warning("looking at destinations more slowly", factor=pace.factor, reason=taken.throttled)
    if entry.upload.state.terminal:
        _let_publish_heal(outside, entry)
    flush(outside, upload_id)
    if not told and entry.upload.state is State.CONFIRMING:
        at_once = taken.cut_off and not taken.throttled
        send_confirm(outside, entry.upload, 0 if at_once else pace.delay(entry.upload), numbered=not taken.in_doubt)


def _taken(outside: Outside, taken: _Look, entry: Entry) -> Entry:
    """
    Take a look at the upload of *entry*, and return it as it stands afterwards.

    Raises:
        TemporaryError: It changed meanwhile.
    """
    try:
        return taken.run()
    except TemporaryError as error:
        # The next look is the retry: counted receipts would end in a dead letter within minutes.
        outside.log.info("this look saw nothing", reason=str(error))
        return taken.count_in_vain()
    except (FinalError, SupersededError) as error:
        return end(outside, Ledger(outside).load(entry.upload.id) or entry, error)
    except ConflictError as error:
        raise TemporaryError(f"the upload changed while its destinations were looked at: {error}") from error


def _let_publish_heal(outside: Outside, entry: Entry | None) -> None:
    """Let `publish`, which alone may put images, set the tags of a healing that begins, or remove them at its end."""
    upload = entry.upload if entry else None
    if upload and upload.heal == Way.RETAG and (upload.state.terminal or not (upload.polls or upload.bookmark)):
        send_publish(outside, upload)


def hint(outside: Outside, told: ReplicationHint) -> None:
    """Look at once at the uploads that wait for the image of a replication event."""
    for stored in outside.table.query(f"digest#{told.repository}@{told.digest}"):
        if outside.remaining() < MARGIN:
            return  # a hint may be lost
        # A tenant is the first component of its repositories (docs/decisions/0014).
        outside.log.keys(upload_id=stored.key.sk, tenant=told.repository.name.first)
        confirm(outside, stored.key.sk, told=told)


class _Look:
    """
    One look at all destinations of one upload, or at as many as there is time for, under a lease.

    Attributes:
        cut_off: Whether the time ran out; then the next look goes on where this one stopped.
        in_doubt: Whether the number of the next look is not known: the table did not answer.

    A look that a hint brings is not counted: it leaves the number of the next one, its place and the waits as they are.
    """

    def __init__(self, outside: Outside, entry: Entry, told: ReplicationHint | None) -> None:
        self.cut_off = False
        self.in_doubt = False
        self._outside = outside
        self._counted = told is None
        self._before = entry
        self._entry = replace(entry, upload=replace(entry.upload, looks=entry.upload.looks + self._counted))
        self._ledger = Ledger(outside)
        self._watch = Watch(outside, entry.upload, told)

    @property
    def throttled(self) -> str:
        """AWS's words if it asked for fewer calls, "" if it did not."""
        return self._watch.throttled

    def run(self) -> Entry:
        """Look, write down what was found, and decide."""
        prove_identity(self._outside, CONFIRM)
        try:
            self._watch.look()
            return self._decide()
        except ThrottledError as error:
            self._watch.throttled = str(error)
            raise
        except TimeIsUp as cut:
            self.cut_off = True
            self._outside.log.info(str(cut))
            if not self._counted:
                return self._entry
            return self._ledger.decide(self._entry, replace(self._entry.upload, bookmark=cut.bookmark))

    def count_in_vain(self) -> Entry:
        """Count a look that came to nothing, so that a second message for it does not ask for the next one too."""
        if not self._counted:
            return self._entry
        try:
            return self._ledger.decide(self._before, self._entry.upload)
        except (ConflictError, TemporaryError) as error:
            self._outside.log.info("a look was not counted", reason=str(error))
            self.in_doubt = True
            return self._before

    def _decide(self) -> Entry:
        records = self._watch.replicas()
        upload = self._entry.upload
        if self._counted:
            upload = replace(upload, polls=upload.polls + 1, bookmark="")
        self._yield_to_later(records)
        if all(self._watch.arrived(record) for record in records):
            return self._complete(upload, records)
        # Those still wait that this round came by before the deadline, or of which ECR was too busy to be asked.
        judged = {Arrival.FAILED, Arrival.REPORTED} if self._watch.overdue else {Arrival.FAILED}
        if all(self._watch.arrived(record) or record.status in judged for record in records):
            return self._give_up(records)
        return self._wait(upload, records)

    def _yield_to_later(self, replicas: Sequence[ReplicaRecord]) -> None:
        """Stop if a later upload has the tag by now: its image is what a destination rightly shows."""
        numbers = {replica.image for replica in replicas if replica.failure == Lack.OTHER_TAG}
        for root in (self._watch.families[number].root for number in sorted(numbers)):
            Claims.read(self._outside, [(root.repository, tag) for tag in root.tags]).demand(self._entry.upload)

    def _complete(self, upload: Upload, replicas: Sequence[ReplicaRecord]) -> Entry:
        if not scanned(self._outside, self._watch.course):
            if self._watch.overdue:
                raise FailedError(Code.SCAN_UNFINISHED, "ECR has not finished scanning within the deadline")
            return self._wait(upload, replicas)
        demand_source(self._outside, self._watch.course)
        self._watch.doubt()
        records = self._watch.replicas()
        if all(self._watch.arrived(record) for record in records):
            return self._available(upload, records)
        return self._give_up(records) if self._watch.overdue else self._wait(upload, records)

    def _available(self, upload: Upload, replicas: Sequence[ReplicaRecord]) -> Entry:
        now = self._outside.clock.now()
        done = replace(upload, state=State.AVAILABLE, ended=now, warnings=self._warnings())
        announcer = self._ledger.announcer(done)
        roots = [family.root for family in self._watch.families.values()]
        drafts = [announcer.available(root, replicas) for root in roots]
        self._outside.log.info("available", destinations=len(replicas), seconds=round(now - done.received, 3))
        return close(self._outside, self._entry, done, drafts, images=roots, replicas=replicas)

    def _warnings(self) -> tuple[str, ...]:
        """Return the upload's warnings, and whether its destinations are still as configured, or that nobody knows."""
        here = self._outside.deployment.registry
        try:
            rules = self._outside.registries.client(here).replication_rules()
        except (FinalError, TemporaryError) as error:
            self._outside.log.warning("the replication configuration could not be read", reason=str(error))
            return tuple(dict.fromkeys([*self._entry.upload.warnings, _NOT_COMPARED]))
        changes: list[str] = []
        for number, family in self._watch.families.items():
            judged_by = frozenset(record.registry for record in self._watch.replicas() if record.image == number)
            name = family.root.repository
            changes += configuration_changes(name, judged_by, destinations(rules, name, here))
        return tuple(dict.fromkeys([*self._entry.upload.warnings, *changes]))

    def _give_up(self, replicas: Sequence[ReplicaRecord]) -> Entry:
        """
        End the upload with what is missing where and why, unless something is still done about it.

        Raises:
            FailedError, SupersededError: The source no longer has the image, or names another by its tag: no wonder.
        """
        demand_source(self._outside, self._watch.course)
        missing = [record for record in replicas if not self._watch.arrived(record)]
        healing = heal_by_itself(self._outside, self._entry, missing)
        if healing:
            return healing
        warned = replace(self._entry.upload, warnings=self._warnings())
        where = ", ".join(sorted({str(record.registry) for record in missing}))
        error = FailedError(
            Code.NOT_REPLICATED,
            f"the image is not verified in {where}",
            facts={"destinations": diagnose(self._outside, self._entry.upload.id, missing)},
        )
        return end(self._outside, replace(self._entry, upload=warned), error)

    def _wait(self, upload: Upload, replicas: Sequence[ReplicaRecord]) -> Entry:
        late = self._watch.age >= self._outside.settings.confirm_late
        if late and not upload.late:
            upload = replace(upload, late=True)
            waiting = {record.image for record in replicas if not self._watch.arrived(record)}
            announcer = self._ledger.announcer(upload)
            drafts = [announcer.late(self._watch.families[number].root, replicas) for number in sorted(waiting)]
            self._outside.metrics.add("ImagesLate", "Count", len(waiting))
            return self._ledger.decide(self._entry, upload, drafts)
        return self._ledger.decide(self._entry, upload)
