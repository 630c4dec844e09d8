"""
Bringing what did not arrive: three ways, one judge.

    retag     the same manifest under a tag of its own in the source: ECR replicates it anew, by digest
    backfill  StartReplicationBackfill: ECR replicates all that the registry has to one destination again, tags too
    push      straight into the destination's registry; the only way to set a tag there by ourselves (`straight`)

The same digest under the same tag again is ImageAlreadyExists and replicates nothing, hence the tag of its own.
Whatever was done, the upload goes back to its confirmation as a new attempt, and the read-back says whether it worked.
Its old verdicts stay: a destination that is verified is neither looked at nor announced again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from chalicelib.chunks import chunked
from chalicelib.errors import FinalError, RepositoryAbsent, TagTaken
from chalicelib.oci.reference import Tag
from chalicelib.outside import Outside
from chalicelib.ports.registry import ImageQuery, RegistryClient, ReplicationRule
from chalicelib.replacing import replace
from chalicelib.replicas.course import MARGIN
from chalicelib.replicas.destinations import Lack
from chalicelib.replicas.family import families
from chalicelib.state.ledger import Entry, Ledger, Row, put
from chalicelib.state.records import Arrival, ImageRecord, ReplicaRecord
from chalicelib.state.upload import State, Upload

_AFRESH: Final[Mapping[str, Any]] = {
    "status": Arrival.WAITING,
    "failure": "",
    "healed": True,
    "seconds": 0.0,
    "told": False,
}
_SLICE: Final = 25
"""Images that are tagged, or freed of their tags, without a look at the time: two calls each."""
_TAGS_LACK: Final = frozenset({Lack.TAG, Lack.OTHER_TAG})


class Way(StrEnum):
    """What can be done; `LOOK` does nothing but look again, for causes that were mended elsewhere."""

    LOOK = "look"
    RETAG = "retag"
    BACKFILL = "backfill"
    PUSH = "push"


HEALS: Final = {
    Way.LOOK: "looks again, and does nothing else",
    Way.RETAG: "puts the image under a tag of its own: brings digests, not tags",
    Way.BACKFILL: "lets ECR replicate everything that the registry has to the destination: brings digests and tags",
    Way.PUSH: "pushes straight into the destination: brings digests and tags",
}


def open_replicas(ledger: Ledger, upload: Upload) -> list[Row[ReplicaRecord]]:
    """Return the replicas of an upload that were not verified; all of one that is available, and is doubted."""
    doubted = upload.state is State.AVAILABLE
    return [row for row in ledger.replicas(upload.id) if doubted or row.record.status is not Arrival.VERIFIED]


def reopen(outside: Outside, entry: Entry, way: Way) -> Entry:
    """
    Send an upload back to its confirmation, with a new deadline.

    It gets a new attempt, so that what is announced from now on is told apart from what was.

    Raises:
        ConflictError: The upload changed since it was read.
    """
    ledger, before = Ledger(outside), entry.upload
    upload = replace(
        before,
        state=State.CONFIRMING,
        attempt=before.attempt + 1,
        published=outside.clock.now(),
        ended=0.0,
        polls=0,
        bookmark="",
        late=False,
        code="",
        detail="",
        facts={},
        heal=way.value,
    )
    healed = [put(before.id, replace(row.record, **_AFRESH), row.revision) for row in open_replicas(ledger, before)]
    return ledger.decide(entry, upload, also=healed)


def heal_by_itself(outside: Outside, entry: Entry, missing: Iterable[ReplicaRecord]) -> Entry | None:
    """
    Reopen an upload that would fail, once, if the settings want that and it can help; `publish` then puts the tags.

    Only `retag` is done unasked: a backfill moves the whole registry, and a push elsewhere needs rights that a function
    should not have.
    """
    hopeful = all(record.failure not in _TAGS_LACK for record in missing)
    if outside.settings.heal != Way.RETAG or entry.upload.heal or not hopeful:
        return None
    outside.log.warning("putting the image under a tag of its own, since it did not arrive")
    outside.metrics.add("Heals", "Count", 1, way=Way.RETAG.value)
    return reopen(outside, entry, Way.RETAG)


def heal_tag(upload: Upload, image: ImageRecord) -> Tag:
    """Return the tag of its own of one image in one attempt."""
    return Tag(f"transship-heal-{upload.id}-{upload.attempt}-{image.number}")


def retag(registry: RegistryClient, upload: Upload, roots: Sequence[ImageRecord]) -> None:
    """Put each of *roots* again, byte for byte as *registry* has it, under `heal_tag`; done twice it does no more."""
    for root in roots:
        if root.digest is None:
            continue
        (found,) = registry.images(root.repository, [ImageQuery(root.digest)])
        if found.manifest is not None:
            tag = heal_tag(upload, root)
            _put(registry, root, found.manifest, tag)


def _put(registry: RegistryClient, root: ImageRecord, content: bytes, tag: Tag) -> None:
    if root.digest is None:
        raise ValueError("an image without a digest was never put")
    try:
        registry.put_manifest(root.repository, content, media_type=root.media_type, digest=root.digest, tag=tag)
    except TagTaken:
        return  # immutable, and set by the first of two runs: its name holds the upload, the attempt and the image


def tidy(registry: RegistryClient, upload: Upload, roots: Iterable[ImageRecord]) -> list[Tag]:
    """
    Remove the tags that `retag` set where that is safe, and return those that were left.

    Removing a tag deletes an image that has no other; and where deletions are replicated it is removed at the
    destinations as well, whose image may have come by this very tag.
    """
    rules = registry.replication_rules()
    left: list[Tag] = []
    for root in roots:
        tag = heal_tag(upload, root)
        if _removable(registry, root, rules):
            registry.remove_tag(root.repository, tag)
        else:
            left.append(tag)
    return left


def _removable(registry: RegistryClient, root: ImageRecord, rules: Iterable[ReplicationRule]) -> bool:
    if any(rule.deletes for rule in rules) or root.digest is None:
        return False
    try:
        answers = registry.images(root.repository, [ImageQuery(root.digest, tag) for tag in root.tags])
    except RepositoryAbsent:
        return False
    return any(answer.manifest is not None for answer in answers)


def healed_roots(outside: Outside, upload_id: str) -> list[ImageRecord]:
    """Return the images of an upload that were, or are to be, healed somewhere."""
    ledger = Ledger(outside)
    numbers = {row.record.image for row in ledger.replicas(upload_id) if row.record.healed}
    found = families([row.record for row in ledger.images(upload_id)])
    return [found[number].root for number in sorted(numbers)]


def carry_on(outside: Outside, upload: Upload, first: int = 0) -> int | None:
    """
    Do `publish`'s part of healing: set the tags while the upload waits, remove them when it has ended.

    Begins with the image *first* and goes on in slices, as long as its function has time. Returns the image that the
    next message has to begin with, None when none is left. Done twice it does no more.
    """
    registry = outside.registries.client(outside.deployment.registry)
    roots = [root for root in healed_roots(outside, upload.id) if root.number >= first]
    try:
        for piece in chunked(roots, _SLICE):
            if piece[0] is not roots[0] and outside.remaining() < MARGIN:
                outside.log.info("the time is up; healing goes on in the next invocation", image=piece[0].number)
                return piece[0].number
            if not upload.state.terminal:
                retag(registry, upload, piece)
            elif left := tidy(registry, upload, piece):
                outside.log.info("tags of healing stay", tags=" ".join(map(str, left)))
    except (FinalError, RepositoryAbsent) as error:
        # The upload is judged by what the destinations have; this only means that nothing will have changed there.
        outside.log.warning("healing was refused", reason=str(error))
    return None
