"""
Step 4: has the image arrived, everywhere, under its tags?

ECR is asked in the source registry; what it calls COMPLETE is read back in the destination, by digest and by tag.
Waiting is a delayed message, so the deadline outlives any function. An event of ECR's only brings the next look
forward; lost, doubled, late or false ones change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from chalicelib.access.identity import prove_identity
from chalicelib.chunks import chunked
from chalicelib.claims import Claims
from chalicelib.ending import end
from chalicelib.errors import (
    Code,
    ConflictError,
    FailedError,
    FinalError,
    RepositoryAbsent,
    SupersededError,
    TemporaryError,
)
from chalicelib.events import Draft, ReplicationHint
from chalicelib.lease import Lease
from chalicelib.ledger import Entry, Ledger, Row, put
from chalicelib.messages import drive, send_confirm
from chalicelib.names import CONFIRM
from chalicelib.notify import flush
from chalicelib.outside import Outside
from chalicelib.ports import RegistryClient, ReplicaStatus
from chalicelib.records import Arrival, ImageRecord, ReplicaRecord
from chalicelib.replication import TAG_NAMES_ANOTHER, Reading, by_registry, judge, queries
from chalicelib.upload import State, Upload

_GROWTH: Final = 1.5
_MOST_IMAGES: Final = 100  # of one BatchGetImage
_COMPLETE: Final = "COMPLETE"
_FAILED: Final = "FAILED"


def confirm(outside: Outside, upload_id: str, *, again: bool = True) -> None:
    """
    Look at the destinations of an upload once; *again* asks for the next look while some are still waiting.

    Raises:
        TemporaryError: Try again later.
    """
    ledger = Ledger(outside)
    with Lease.hold(outside, upload_id, CONFIRM):
        entry = ledger.load(upload_id)
        if entry is None or entry.upload.state is not State.CONFIRMING:
            if entry and not entry.upload.state.terminal:
                drive(outside, entry.upload)
            flush(outside, upload_id)
            return
        try:
            entry = _Look(outside, entry).run()
        except (FinalError, SupersededError) as error:
            entry = end(outside, ledger.load(upload_id) or entry, error)
        except ConflictError as error:
            raise TemporaryError(f"the upload changed while its destinations were looked at: {error}") from error
    flush(outside, upload_id)
    if again and entry.upload.state is State.CONFIRMING:
        send_confirm(outside, entry.upload, delay(outside, entry.upload))


def hint(outside: Outside, told: ReplicationHint) -> None:
    """Look at once at the uploads that wait for the image of a replication event."""
    for stored in outside.table.query(f"digest#{told.repository}@{told.digest}"):
        confirm(outside, stored.key.sk, again=False)


def delay(outside: Outside, upload: Upload) -> float:
    """Return the seconds until the next look: longer each time, up to `settings.confirm_most`."""
    settings = outside.settings
    return min(settings.confirm_most, settings.confirm_first * _GROWTH ** min(upload.polls, 64))


class _Look:
    """One look at all destinations of one upload, under a lease."""

    def __init__(self, outside: Outside, entry: Entry) -> None:
        self._outside = outside
        self._entry = entry
        self._ledger = Ledger(outside)
        self._age = outside.clock.now() - entry.upload.published
        rows = self._ledger.images(entry.upload.id)
        self._roots = {row.record.number: row.record for row in rows if row.record.root}
        self._replicas = self._ledger.replicas(entry.upload.id)

    def run(self) -> Entry:
        """Look, write down what was found, and decide."""
        prove_identity(self._outside, CONFIRM)
        source = self._outside.registries.client(self._outside.deployment.registry)
        for root in self._roots.values():
            rows = [row for row in self._replicas if row.record.image == root.number]
            waiting = [row for row in rows if self._open(row.record)]
            if waiting:
                statuses = by_registry(self._statuses(source, root))
                for row in waiting:
                    self._follow(root, row, statuses.get(row.record.registry))
        return self._decide()

    def _open(self, replica: ReplicaRecord) -> bool:
        if replica.status is Arrival.REPORTED:
            return not self._outside.settings.reported_suffices
        return replica.status is Arrival.WAITING

    @staticmethod
    def _statuses(source: RegistryClient, root: ImageRecord) -> Sequence[ReplicaStatus]:
        assert root.digest is not None  # noqa: S101 - a root without a digest was never put
        try:
            return source.replication_status(root.repository, root.digest)
        except RepositoryAbsent as error:
            raise FailedError(Code.REPOSITORY_GONE, f"the repository {root.repository} disappeared") from error

    def _follow(self, root: ImageRecord, row: Row[ReplicaRecord], status: ReplicaStatus | None) -> None:
        found = self._judge(root, row.record, status)
        if found == row.record:
            return
        drafts: list[Draft] = []
        if found.status in {Arrival.VERIFIED, Arrival.REPORTED} and row.record.status is Arrival.WAITING:
            drafts.append(self._ledger.announcer(self._entry.upload).replicated(root, found))
            self._measure(found)
        change = put(self._entry.upload.id, found, row.revision)
        self._ledger.announce(self._entry.upload, drafts, also=[change])
        self._replicas[self._replicas.index(row)] = Row(found, row.revision + 1)

    def _judge(self, root: ImageRecord, replica: ReplicaRecord, status: ReplicaStatus | None) -> ReplicaRecord:
        if status is None or status.status not in {_COMPLETE, _FAILED}:
            return replica
        if status.status == _FAILED:
            return replace(replica, status=Arrival.FAILED, failure=status.failure or "Failed", seconds=self._age)
        reader = self._outside.registries.reader(replica.registry)
        if reader is None:
            return replace(replica, status=Arrival.REPORTED, failure="", seconds=self._age)
        return self._read_back(root, replica, reader)

    def _read_back(self, root: ImageRecord, replica: ReplicaRecord, reader: RegistryClient) -> ReplicaRecord:
        reading = read_back(reader, root)
        return replace(
            replica,
            status=Arrival.VERIFIED if reading.verified else replica.status,
            failure=reading.failure,
            digest_verified=reading.digest_verified,
            tags_verified=reading.tags_verified,
            seconds=self._age if reading.verified else replica.seconds,
        )

    def _measure(self, replica: ReplicaRecord) -> None:
        registry = replica.registry
        place = {"account": registry.account, "region": registry.region}
        self._outside.metrics.add("ReplicationLag", "Seconds", self._age, **place)
        self._outside.log.info("replicated", status=replica.status.value, **place)

    def _decide(self) -> Entry:
        records = [row.record for row in self._replicas]
        upload = replace(self._entry.upload, polls=self._entry.upload.polls + 1)
        self._yield_to_later(records)
        if all(self._arrived(record) for record in records):
            self._demand_source()
            return self._available(upload, records)
        overdue = self._age >= self._outside.settings.confirm_deadline
        settled = all(self._arrived(record) or record.status is Arrival.FAILED for record in records)
        if overdue or settled:
            missing = ", ".join(sorted({str(record.registry) for record in records if not self._arrived(record)}))
            return end(
                self._outside,
                self._entry,
                FailedError(Code.NOT_REPLICATED, f"the image is not verified in {missing}"),
            )
        return self._wait(upload, records)

    def _yield_to_later(self, replicas: Sequence[ReplicaRecord]) -> None:
        """Stop if a later upload has the tag by now: its image is what a destination rightly shows."""
        numbers = {replica.image for replica in replicas if replica.failure == TAG_NAMES_ANOTHER}
        for root in (self._roots[number] for number in sorted(numbers)):
            Claims.read(self._outside, [(root.repository, tag) for tag in root.tags]).demand(self._entry.upload)

    def _demand_source(self) -> None:
        """Announce only what stands in the source registry at this moment too."""
        source = self._outside.registries.client(self._outside.deployment.registry)
        for root in self._roots.values():
            reading = read_back(source, root)
            if not reading.digest_verified:
                raise FailedError(Code.IMAGE_GONE, f"{root.repository} no longer has {root.digest}: {reading.failure}")
            if not reading.tags_verified:
                raise SupersededError(f"a tag of {root.repository}@{root.digest} was moved since it was put")

    def _arrived(self, replica: ReplicaRecord) -> bool:
        reported = replica.status is Arrival.REPORTED and self._outside.settings.reported_suffices
        return reported or replica.status is Arrival.VERIFIED

    def _available(self, upload: Upload, replicas: Sequence[ReplicaRecord]) -> Entry:
        now = self._outside.clock.now()
        done = replace(upload, state=State.AVAILABLE, ended=now)
        announcer = self._ledger.announcer(done)
        entry = self._ledger.decide(
            self._entry, done, [announcer.available(root, replicas) for root in self._roots.values()]
        )
        self._outside.metrics.add("Uploads", "Count", 1, outcome=done.state.value)
        self._outside.metrics.add("UploadSeconds", "Seconds", now - done.received)
        self._outside.log.info("available", destinations=len(replicas), seconds=round(now - done.received, 3))
        return entry

    def _wait(self, upload: Upload, replicas: Sequence[ReplicaRecord]) -> Entry:
        late = self._age >= self._outside.settings.confirm_late
        if late and not upload.late:
            upload = replace(upload, late=True)
            waiting = {record.image for record in replicas if not self._arrived(record)}
            announcer = self._ledger.announcer(upload)
            drafts = [announcer.late(self._roots[number], replicas) for number in sorted(waiting)]
            self._outside.metrics.add("ImagesLate", "Count", len(waiting))
            return self._ledger.decide(self._entry, upload, drafts)
        return self._ledger.decide(self._entry, upload)


def read_back(reader: RegistryClient, root: ImageRecord) -> Reading:
    """Read an image back from a destination: its manifest, its children, and each tag with the digest."""
    assert root.digest is not None  # noqa: S101 - a root without a digest was never put
    asked = queries(root.digest, root.children, root.tags)
    try:
        answers = [answer for chunk in chunked(asked, _MOST_IMAGES) for answer in reader.images(root.repository, chunk)]
    except RepositoryAbsent:
        return Reading(digest_verified=False, tags_verified=False, failure="RepositoryAbsent")
    return judge(answers, root.digest)
