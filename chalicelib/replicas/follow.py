"""
One look at where images are: ECR's statuses in the source, then the read-back in each destination.

ECR is asked for the root, and once it calls the root replicated anywhere, for every member of its family too.
What it calls COMPLETE is read back, all images of a repository in one go. A destination that does not answer, or grants
no read-back, keeps nobody else waiting. What follows from the answers is decided in `judged`, which makes no call.

DescribeImageReplicationStatus takes one image a call and its rate is unpublished; BatchGetImage takes 2,000 calls a
second (ecr.md 2). So where ECR wants fewer questions, destinations are read back without having asked: what is there is
proven all the same, and only what is not there has to wait for ECR's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from chalicelib.errors import Code, FailedError, FinalError, RepositoryAbsent, TemporaryError, ThrottledError
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName
from chalicelib.outside import Outside
from chalicelib.ports.registry import RegistryClient, ReplicaStatus
from chalicelib.replacing import replace
from chalicelib.replicas.destinations import Lack, Reading, by_registry
from chalicelib.replicas.family import Family
from chalicelib.replicas.readback import read_back
from chalicelib.state.records import Arrival, ReplicaRecord

_COMPLETE: Final = "COMPLETE"
_FAILED: Final = "FAILED"
_UNSAID: Final = "ABSENT"
_UNHEARD: Final = "UNKNOWN"
_TO_READ: Final = frozenset({_COMPLETE, _FAILED, _UNHEARD})
_UNDONE: Final = {_UNSAID: Lack.NO_STATUS, "IN_PROGRESS": Lack.UNFINISHED}
_SILENT_MOST: Final = 3
"""Last looks in a row at which a destination may not answer: one lost reply is no proof that it lacks the image."""


class Claim(Struct, frozen=True):
    """
    What ECR says about one family in one destination.

    Attributes:
        status: Of the root; ABSENT where ECR says nothing, UNKNOWN where it was too busy to be asked.
        failure: failureCode of the root or, if that did not fail, of the first member that did.
        unfinished: Members that ECR does not call COMPLETE.
    """

    status: str
    failure: str | None = None
    unfinished: int = 0

    @property
    def failed(self) -> bool:
        """Whether ECR has given up on any of them."""
        return self.failure is not None


class Denied(Struct, frozen=True):
    """The destination lets us read nothing back, or did not answer; *lack* says which."""

    lack: Lack


class Seen(Struct, frozen=True):
    """
    What a look saw.

    Attributes:
        records: Of what was looked at, as they are now.
        throttled: ECR's words if it asked for fewer calls, "" if it did not.
    """

    records: Sequence[ReplicaRecord]
    throttled: str = ""


def look(
    outside: Outside,
    found: Mapping[int, Family],
    waiting: Sequence[ReplicaRecord],
    *,
    age: float,
    last: bool,
    throttled: str = "",
) -> Seen:
    """
    Look at *waiting* once.

    Args:
        outside: The ports.
        found: Families by the number of their root.
        waiting: What to look at.
        age: Seconds since the images were put.
        last: Read everything back, whatever ECR says: nobody will look again, unless a destination does not answer.
        throttled: ECR's words if it wants no more questions already; then it is asked none.

    Raises:
        ThrottledError: A destination asks for fewer calls.
        TemporaryError: The source registry did not answer.
        FailedError: REPOSITORY_GONE, ACCESS_DENIED at the source.
    """
    source = outside.registries.client(outside.deployment.registry)
    roots = {} if throttled else {replica.image: found[replica.image] for replica in waiting}
    claims, refused = _ask(source, roots)
    said = [(replica, _claimed(claims.get(replica.image), replica.registry)) for replica in waiting]
    wanted = [replica for replica, claim in said if last or replica.healed or claim.status in _TO_READ]
    readings = _read_all(outside, found, wanted)
    records = [judged(replica, claim, readings.get(replica.sk), age, last=last) for replica, claim in said]
    return Seen(records, throttled or refused)


def _ask(source: RegistryClient, roots: Mapping[int, Family]) -> tuple[Mapping[int, Mapping[Registry, Claim]], str]:
    """Return what ECR says of each family, and its words if it wanted no more questions before the last was asked."""
    claims: dict[int, Mapping[Registry, Claim]] = {}
    for number, family in roots.items():
        try:
            claims[number] = _claims(source, family)
        except ThrottledError as error:
            return claims, str(error)
    return claims, ""


def _claimed(claims: Mapping[Registry, Claim] | None, registry: Registry) -> Claim:
    return Claim(_UNHEARD) if claims is None else claims.get(registry, Claim(_UNSAID))


def look_again(
    outside: Outside, found: Mapping[int, Family], verified: Sequence[ReplicaRecord], *, age: float, last: bool
) -> list[ReplicaRecord]:
    """
    Return the records of those *verified* earlier that are no longer as they were; *age* and *last* as in `look`.

    Raises:
        ThrottledError: A destination asks for fewer calls.
    """
    readings = _read_all(outside, found, verified)
    records = [
        judged(replace(replica, status=Arrival.WAITING), Claim(_COMPLETE), readings.get(replica.sk), age, last=last)
        for replica in verified
    ]
    return [record for record in records if record.status is not Arrival.VERIFIED]


def _claims(source: RegistryClient, family: Family) -> Mapping[Registry, Claim]:
    name = family.root.repository
    root = _statuses(source, name, family.digest)
    if not any(status.status == _COMPLETE for status in root.values()):
        return {registry: _claim(status, ()) for registry, status in root.items()}
    members = [_statuses(source, name, digest) for digest in family.digests]
    return {registry: _claim(status, [member.get(registry) for member in members]) for registry, status in root.items()}


def _statuses(source: RegistryClient, name: RepositoryName, digest: Digest) -> Mapping[Registry, ReplicaStatus]:
    try:
        return by_registry(source.replication_status(name, digest))
    except RepositoryAbsent as error:
        raise FailedError(Code.REPOSITORY_GONE, f"the repository {name} disappeared") from error


def _claim(root: ReplicaStatus, members: Iterable[ReplicaStatus | None]) -> Claim:
    everyone = [root, *members]
    failures = [one.failure or "Failed" for one in everyone if one and one.status == _FAILED]
    unfinished = sum(one is None or one.status != _COMPLETE for one in everyone[1:])
    return Claim(root.status, failures[0] if failures else None, unfinished)


def _read_all(
    outside: Outside, found: Mapping[int, Family], wanted: Sequence[ReplicaRecord]
) -> dict[str, Reading | Denied]:
    groups: dict[tuple[Registry, RepositoryName], list[ReplicaRecord]] = {}
    for replica in wanted:
        groups.setdefault((replica.registry, replica.repository), []).append(replica)
    return {
        sk: reading
        for (registry, name), replicas in groups.items()
        for sk, reading in _read(outside, registry, name, replicas, found).items()
    }


def _read(
    outside: Outside, registry: Registry, name: RepositoryName, replicas: Sequence[ReplicaRecord],
    found: Mapping[int, Family],
) -> Mapping[str, Reading | Denied]:  # fmt: skip
    reader = outside.registries.reader(registry)
    try:
        if reader is None:
            return {}
        readings = read_back(reader, name, [found[replica.image] for replica in replicas])
    except ThrottledError:
        raise
    except TemporaryError as error:
        outside.log.warning("a destination did not answer", destination=str(registry), reason=str(error))
        return {replica.sk: Denied(Lack.UNREACHED) for replica in replicas}
    except FinalError as error:
        outside.log.warning("a destination grants no read-back", destination=str(registry), reason=error.detail)
        return {replica.sk: Denied(Lack.DENIED) for replica in replicas}
    return {replica.sk: readings[replica.image] for replica in replicas}


def judged(
    replica: ReplicaRecord, claim: Claim, reading: Reading | Denied | None, age: float, *, last: bool = False
) -> ReplicaRecord:
    """
    Return *replica* as ECR's *claim* and the *reading* show it; no reading: nobody may read back there.

    What was read back decides. ECR's word decides only against a replica, or where nothing can be read back; as long as
    ECR was not heard, nothing is decided against one. A destination that does not answer at the *last* look is looked
    at again, a few times.
    """
    checks: dict[str, Any] = {"status": claim.status}
    replica = replace(replica, silent=replica.silent + 1 if last and _unreached(reading) else 0)
    if isinstance(reading, Reading):
        replica = replace(replica, digest_verified=reading.digest_verified, tags_verified=reading.tags_verified)
        checks |= reading.checks
        if reading.verified:
            return replace(replica, status=Arrival.VERIFIED, failure="", seconds=age, checks=checks)
    if claim.status == _UNHEARD:
        return replica
    replica = replace(replica, failure=_lack(replica, claim, reading, last=last), checks=checks)
    if claim.failed and not replica.healed:
        return replace(replica, status=Arrival.FAILED, failure=claim.failure or "", seconds=age)
    if _reported(claim, reading):
        return replace(replica, status=Arrival.REPORTED, seconds=replica.seconds or age)
    patient = not last or 0 < replica.silent < _SILENT_MOST
    return replica if patient else replace(replica, status=Arrival.FAILED, seconds=age)


def _unreached(reading: Reading | Denied | None) -> bool:
    return isinstance(reading, Denied) and reading.lack is Lack.UNREACHED


def _reported(claim: Claim, reading: Reading | Denied | None) -> bool:
    return (
        not isinstance(reading, Reading)
        and (reading is None or reading.lack is Lack.DENIED)
        and claim.status == _COMPLETE
        and not claim.unfinished
    )


def _lack(replica: ReplicaRecord, claim: Claim, reading: Reading | Denied | None, *, last: bool) -> str:
    """Return the word for what is wrong, "" as long as nothing but time is lacking."""
    complete = claim.status == _COMPLETE
    if isinstance(reading, Reading):
        if reading.failure == Lack.IMAGE and complete and not replica.healed:
            return Lack.DELETED
        if reading.failure in {Lack.IMAGE, Lack.REPOSITORY} and claim.status in _UNDONE:
            return _UNDONE[claim.status]
        return reading.failure
    if reading is not None:
        return reading.lack
    if complete:
        return Lack.CHILD_UNFINISHED if claim.unfinished else ""
    return _UNDONE.get(claim.status, "") if last else ""
