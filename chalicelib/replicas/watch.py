"""
The replicas of one upload, looked at: what is found is written down slice by slice, with the event of each arrival.

What follows for the upload is decided in `confirm`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from chalicelib.events import Draft, ReplicationHint
from chalicelib.outside import Outside
from chalicelib.replacing import replace
from chalicelib.replicas.course import Course, Stretch
from chalicelib.replicas.family import families
from chalicelib.replicas.follow import look, look_again
from chalicelib.state.ledger import Ledger, Row, put
from chalicelib.state.records import Arrival, ReplicaRecord
from chalicelib.state.upload import Upload


class Watch:
    """
    One look at the replicas of *upload*, under a lease; at those of the image alone that a hint has *told* of.

    Attributes:
        age: Seconds since its images were put.
        overdue: Whether that is longer than its confirmation may take.
        families: Its images with all that belongs to them, by the numbers of their roots.
        course: How far this look goes.
        throttled: AWS's words if it asked for fewer calls, "" if it did not.
    """

    def __init__(self, outside: Outside, upload: Upload, told: ReplicationHint | None = None) -> None:
        self._outside = outside
        self._upload = upload
        self._ledger = Ledger(outside)
        self.age = outside.clock.now() - upload.published
        self.overdue = self.age >= outside.settings.confirm_deadline
        self.families = families([row.record for row in self._ledger.images(upload.id)])
        self._rows = {row.record.sk: row for row in self._ledger.replicas(upload.id)}
        self._read: set[str] = set()
        images = Counter(record.image for record in self.replicas())
        self.course = Course(outside, self.families, images, "" if told else upload.bookmark)
        self._told = told
        self.throttled = ""

    def replicas(self) -> list[ReplicaRecord]:
        """Return them as they stand by now."""
        return [row.record for row in self._rows.values()]

    def arrived(self, replica: ReplicaRecord) -> bool:
        """Whether a replica counts as there."""
        reported = replica.status is Arrival.REPORTED and self._outside.settings.reported_suffices
        return reported or replica.status is Arrival.VERIFIED

    def look(self) -> None:
        """
        Look at what is still waited for.

        Raises:
            TimeIsUp: As `Course.slices`.
            ThrottledError, TemporaryError, FailedError: As `follow.look`.
            ConflictError: A record changed since it was read.
        """
        waiting = [record for record in self.replicas() if self._open(record) and self._meant(record)]
        for numbers in self.course.slices(Stretch.LOOK, (record.image for record in waiting)):
            records = [record for record in waiting if record.image in numbers]
            seen = look(
                self._outside, self.families, records, age=self.age, last=self.overdue, throttled=self.throttled
            )
            self.throttled = seen.throttled
            for record in seen.records:
                self._write(record)
            self._read |= {record.sk for record in records}

    def doubt(self) -> None:
        """
        Read back once more what was verified longer ago than the longest wait: it may have been deleted since.

        Raises:
            TimeIsUp, ThrottledError, ConflictError: As `look`.
        """
        since = self.age - self._outside.settings.confirm_most
        old = [
            record
            for record in self.replicas()
            if record.status is Arrival.VERIFIED and record.sk not in self._read
            # What was verified before a healing began has counted its seconds from an earlier beginning.
            if self._upload.heal or record.seconds < since
        ]
        for numbers in self.course.slices(Stretch.DOUBT, (record.image for record in old)):
            self._read_again([record for record in old if record.image in numbers])

    def _read_again(self, records: Sequence[ReplicaRecord]) -> None:
        for lost in look_again(self._outside, self.families, records, age=self.age, last=self.overdue):
            place = str(lost.registry)
            self._outside.log.warning("a destination lost what it had", destination=place, failure=lost.failure)
            self._write(lost)

    def _open(self, replica: ReplicaRecord) -> bool:
        if replica.status is Arrival.REPORTED:
            return not self._outside.settings.reported_suffices
        return replica.status is Arrival.WAITING

    def _meant(self, replica: ReplicaRecord) -> bool:
        told = self._told
        return told is None or (told.repository.name, told.digest) == (replica.repository, replica.digest)

    def _write(self, found: ReplicaRecord) -> None:
        row = self._rows[found.sk]
        if replace(found, checks=row.record.checks) == row.record:
            return
        drafts: list[Draft] = []
        if self.arrived(found) and not found.told:
            found = replace(found, told=True)
            root = self.families[found.image].root
            drafts.append(self._ledger.announcer(self._upload).replicated(root, found))
        self._measure(row.record, found)
        self._ledger.announce(self._upload, drafts, also=[put(self._upload.id, found, row.revision)])
        self._rows[found.sk] = Row(found, row.revision + 1)

    def _measure(self, before: ReplicaRecord, replica: ReplicaRecord) -> None:
        if replica.status in {before.status, Arrival.WAITING}:
            return
        place = {"account": replica.registry.account, "region": replica.registry.region}
        if replica.status is Arrival.FAILED:
            self._outside.metrics.add("ReplicationFailures", "Count", 1, **place)
        else:
            self._outside.metrics.add("ReplicationLag", "Seconds", self.age, **place)
        self._outside.log.info("a destination was settled", status=replica.status.value, **place)
