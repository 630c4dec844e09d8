"""
Step 4: has the image arrived, everywhere, under its tags?

ECR is asked in the source registry; what it calls COMPLETE is read back in the destination, by digest and by tag.
Waiting is a delayed message, so the deadline outlives any function. An event of ECR's only brings the next look
forward; lost, doubled, late or false ones change nothing.
How a look is taken is in `follow`, how often in `pace`, what follows from it here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from chalicelib.access.identity import prove_identity
from chalicelib.errors import (
    Code,
    ConflictError,
    FailedError,
    FinalError,
    SupersededError,
    TemporaryError,
    ThrottledError,
)
from chalicelib.events import Draft, ReplicationHint
from chalicelib.messages import drive, send_confirm, send_publish
from chalicelib.names import CONFIRM
from chalicelib.notify import flush
from chalicelib.outcome.ending import close, end
from chalicelib.outside import Outside
from chalicelib.replicas.destinations import Lack, configuration_changes, destinations
from chalicelib.replicas.evidence import diagnose
from chalicelib.replicas.family import families
from chalicelib.replicas.follow import look, look_again
from chalicelib.replicas.healing import Way, heal_by_itself
from chalicelib.replicas.pace import Pace
from chalicelib.replicas.readback import read_back
from chalicelib.replicas.scan import demand_scan
from chalicelib.state.claims import Claims
from chalicelib.state.lease import Lease
from chalicelib.state.ledger import Entry, Ledger, Row, put
from chalicelib.state.records import Arrival, ReplicaRecord
from chalicelib.state.upload import State, Upload


def confirm(outside: Outside, upload_id: str, *, again: bool = True) -> None:
    """
    Look at the destinations of an upload once; *again* asks for the next look while some are still waiting.

    Raises:
        TemporaryError: Try again later.
    """
    ledger = Ledger(outside)
    pace = Pace.read(outside)
    with Lease.hold(outside, upload_id, CONFIRM):
        entry = ledger.load(upload_id)
        _let_publish_heal(outside, entry)
        if entry is None or entry.upload.state is not State.CONFIRMING:
            if entry and not entry.upload.state.terminal:
                drive(outside, entry.upload)
            flush(outside, upload_id)
            return
        taken = _Look(outside, entry, counted=again)
        try:
            entry = taken.run()
        except ThrottledError as error:
            taken.throttled = str(error)
        except TemporaryError as error:
            # The next look is the retry: counted receipts would end in a dead letter within minutes.
            outside.log.info("this look saw nothing", reason=str(error))
        except (FinalError, SupersededError) as error:
            entry = end(outside, ledger.load(upload_id) or entry, error)
        except ConflictError as error:
            raise TemporaryError(f"the upload changed while its destinations were looked at: {error}") from error
        if taken.throttled:
            pace = pace.slower()
            outside.log.warning("looking at destinations more slowly", factor=pace.factor, reason=taken.throttled)
    if entry.upload.state.terminal:
        _let_publish_heal(outside, entry)
    flush(outside, upload_id)
    if again and entry.upload.state is State.CONFIRMING:
        send_confirm(outside, entry.upload, pace.delay(entry.upload))


def _let_publish_heal(outside: Outside, entry: Entry | None) -> None:
    """Let `publish`, which alone may put images, set the tags of a healing that begins, or remove them at its end."""
    if entry and entry.upload.heal == Way.RETAG and (entry.upload.state.terminal or not entry.upload.polls):
        send_publish(outside, entry.upload)


def hint(outside: Outside, told: ReplicationHint) -> None:
    """Look at once at the uploads that wait for the image of a replication event."""
    for stored in outside.table.query(f"digest#{told.repository}@{told.digest}"):
        confirm(outside, stored.key.sk, again=False)


class _Look:
    """
    One look at all destinations of one upload, under a lease.

    Attributes:
        throttled: AWS's words if it asked for fewer calls, "" if it did not.

    A look that is not *counted* leaves the waits between the others as they are.
    """

    def __init__(self, outside: Outside, entry: Entry, *, counted: bool) -> None:
        self.throttled = ""
        self._outside = outside
        self._entry = entry
        self._polls = entry.upload.polls + counted
        self._ledger = Ledger(outside)
        self._age = outside.clock.now() - entry.upload.published
        self._overdue = self._age >= outside.settings.confirm_deadline
        self._families = families([row.record for row in self._ledger.images(entry.upload.id)])
        self._replicas = self._ledger.replicas(entry.upload.id)
        self._read: Collection[str] = ()

    def run(self) -> Entry:
        """Look, write down what was found, and decide."""
        prove_identity(self._outside, CONFIRM)
        waiting = [row for row in self._replicas if self._open(row.record)]
        if waiting:
            records = [row.record for row in waiting]
            seen = look(self._outside, self._families, records, age=self._age, last=self._overdue)
            self.throttled = seen.throttled
            for row, record in zip(waiting, seen.records, strict=True):
                self._write(row, record)
        self._read = {row.record.sk for row in waiting}
        return self._decide()

    def _open(self, replica: ReplicaRecord) -> bool:
        if replica.status is Arrival.REPORTED:
            return not self._outside.settings.reported_suffices
        return replica.status is Arrival.WAITING

    def _write(self, row: Row[ReplicaRecord], found: ReplicaRecord) -> None:
        if replace(found, checks=row.record.checks) == row.record:
            return
        drafts: list[Draft] = []
        if self._arrived(found) and not found.told:
            found = replace(found, told=True)
            root = self._families[found.image].root
            drafts.append(self._ledger.announcer(self._entry.upload).replicated(root, found))
        self._measure(row.record, found)
        self._ledger.announce(self._entry.upload, drafts, also=[put(self._entry.upload.id, found, row.revision)])
        self._replicas[self._replicas.index(row)] = Row(found, row.revision + 1)

    def _measure(self, before: ReplicaRecord, replica: ReplicaRecord) -> None:
        if replica.status in {before.status, Arrival.WAITING}:
            return
        place = {"account": replica.registry.account, "region": replica.registry.region}
        if replica.status is Arrival.FAILED:
            self._outside.metrics.add("ReplicationFailures", "Count", 1, **place)
        else:
            self._outside.metrics.add("ReplicationLag", "Seconds", self._age, **place)
        self._outside.log.info("a destination was settled", status=replica.status.value, **place)

    def _decide(self) -> Entry:
        records = [row.record for row in self._replicas]
        upload = replace(self._entry.upload, polls=self._polls)
        self._yield_to_later(records)
        if all(self._arrived(record) for record in records):
            return self._complete(upload, records)
        settled = all(self._arrived(record) or record.status is Arrival.FAILED for record in records)
        if settled or (self._overdue and not self.throttled):
            return self._give_up(records)
        return self._wait(upload, records)

    def _yield_to_later(self, replicas: Sequence[ReplicaRecord]) -> None:
        """Stop if a later upload has the tag by now: its image is what a destination rightly shows."""
        numbers = {replica.image for replica in replicas if replica.failure == Lack.OTHER_TAG}
        for root in (self._families[number].root for number in sorted(numbers)):
            Claims.read(self._outside, [(root.repository, tag) for tag in root.tags]).demand(self._entry.upload)

    def _arrived(self, replica: ReplicaRecord) -> bool:
        reported = replica.status is Arrival.REPORTED and self._outside.settings.reported_suffices
        return reported or replica.status is Arrival.VERIFIED

    def _complete(self, upload: Upload, replicas: Sequence[ReplicaRecord]) -> Entry:
        source = self._outside.registries.client(self._outside.deployment.registry)
        if not demand_scan(self._outside, source, self._families.values()):
            if self._overdue:
                raise FailedError(Code.SCAN_UNFINISHED, "ECR has not finished scanning within the deadline")
            return self._wait(upload, replicas)
        self._demand_source()
        self._doubt()
        records = [row.record for row in self._replicas]
        if all(self._arrived(record) for record in records):
            return self._available(upload, records)
        return self._give_up(records) if self._overdue else self._wait(upload, records)

    def _doubt(self) -> None:
        """Read back once more what was verified longer ago than the longest wait: it may have been deleted since."""
        since = self._age - self._outside.settings.confirm_most
        old = {
            row.record.sk: row
            for row in self._replicas
            if row.record.status is Arrival.VERIFIED and row.record.sk not in self._read
            # What was verified before a healing began has counted its seconds from an earlier beginning.
            if self._entry.upload.heal or row.record.seconds < since
        }
        records = [row.record for row in old.values()]
        for lost in look_again(self._outside, self._families, records, age=self._age, last=self._overdue):
            place = str(lost.registry)
            self._outside.log.warning("a destination lost what it had", destination=place, failure=lost.failure)
            self._write(old[lost.sk], lost)

    def _demand_source(self) -> None:
        """Announce only what stands in the source registry at this moment too."""
        source = self._outside.registries.client(self._outside.deployment.registry)
        for number, family in self._families.items():
            root = family.root
            reading = read_back(source, root.repository, [family])[number]
            if not reading.digest_verified:
                raise FailedError(Code.IMAGE_GONE, f"{root.repository} no longer has {root.digest}: {reading.failure}")
            if not reading.tags_verified:
                raise SupersededError(f"a tag of {root.repository}@{root.digest} was moved since it was put")

    def _available(self, upload: Upload, replicas: Sequence[ReplicaRecord]) -> Entry:
        now = self._outside.clock.now()
        done = replace(upload, state=State.AVAILABLE, ended=now, warnings=self._warnings())
        announcer = self._ledger.announcer(done)
        roots = [family.root for family in self._families.values()]
        drafts = [announcer.available(root, replicas) for root in roots]
        self._outside.log.info("available", destinations=len(replicas), seconds=round(now - done.received, 3))
        return close(self._outside, self._entry, done, drafts, images=roots, replicas=replicas)

    def _warnings(self) -> tuple[str, ...]:
        """Return the upload's warnings, and whether its destinations are no longer those of the configuration."""
        here = self._outside.deployment.registry
        try:
            rules = self._outside.registries.client(here).replication_rules()
        except (FinalError, TemporaryError) as error:
            self._outside.log.warning("the replication configuration could not be read", reason=str(error))
            return self._entry.upload.warnings
        changes: list[str] = []
        for number, family in self._families.items():
            judged_by = frozenset(row.record.registry for row in self._replicas if row.record.image == number)
            name = family.root.repository
            changes += configuration_changes(name, judged_by, destinations(rules, name, here))
        return tuple(dict.fromkeys([*self._entry.upload.warnings, *changes]))

    def _give_up(self, replicas: Sequence[ReplicaRecord]) -> Entry:
        """
        End the upload with what is missing where and why, unless something is still done about it.

        Raises:
            FailedError, SupersededError: The source no longer has the image, or names another by its tag: no wonder.
        """
        self._demand_source()
        missing = [record for record in replicas if not self._arrived(record)]
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
        late = self._age >= self._outside.settings.confirm_late
        if late and not upload.late:
            upload = replace(upload, late=True)
            waiting = {record.image for record in replicas if not self._arrived(record)}
            announcer = self._ledger.announcer(upload)
            drafts = [announcer.late(self._families[number].root, replicas) for number in sorted(waiting)]
            self._outside.metrics.add("ImagesLate", "Count", len(waiting))
            return self._ledger.decide(self._entry, upload, drafts)
        return self._ledger.decide(self._entry, upload)
