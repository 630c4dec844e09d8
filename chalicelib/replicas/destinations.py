"""
Where an image must arrive, and what ECR's answers and the read-back say of it. Pure.

Rules of ECR (ecr.md 4): the source registry's configuration decides; a filter is a raw prefix of the repository's
name; a rule without filters takes every repository; replicas are not replicated further.
COMPLETE proves nothing about the tag: a destination with immutable tags takes the image without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct, field

from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from chalicelib.ports.registry import ImageAnswer, ImageQuery, ReplicaStatus, ReplicationRule


class Lack(StrEnum):
    """
    What is not as it must be in a destination; the words never change once released.

    Attributes:
        NO_STATUS: ECR has never said anything about this destination.
        UNFINISHED: ECR still calls the replication in progress.
        REPOSITORY: The repository is not there.
        IMAGE: The manifest is not there, and ECR does not call it replicated.
        DELETED: ECR calls it replicated, and it is not there: a lifecycle rule or somebody deleted it again.
        ARCHIVED: The manifest or a layer is archived: nobody can pull it.
        BYTES: The manifest's bytes do not have its digest.
        CHILD: A child of the index, or a signature or SBOM of the image, is not there.
        CHILD_UNFINISHED: ECR calls the image replicated, but not all that belongs to it.
        LAYER: A layer or config is not there.
        TAG: The tag is not there.
        OTHER_TAG: The tag is there and names another image: an older one, or an immutable tag that was there before.
        KEY: The repository's KMS key cannot be used.
        DENIED: The destination grants no read-back.
        UNREACHED: The destination did not answer.
    """

    NO_STATUS = "StatusAbsent"
    UNFINISHED = "Unfinished"
    REPOSITORY = "RepositoryAbsent"
    IMAGE = "ImageAbsent"
    DELETED = "DeletedAgain"
    ARCHIVED = "Archived"
    BYTES = "ManifestDiffers"
    CHILD = "ChildAbsent"
    CHILD_UNFINISHED = "ChildUnfinished"
    LAYER = "LayerAbsent"
    TAG = "TagAbsent"
    OTHER_TAG = "TagNamesAnotherImage"
    KEY = "KeyUnusable"
    DENIED = "ReadBackDenied"
    UNREACHED = "Unreachable"


TAG_NAMES_ANOTHER: Final = Lack.OTHER_TAG
_OF_ECR: Final = {
    "ImageNotFound": Lack.IMAGE,
    "ImageInaccessible": Lack.ARCHIVED,
    "KmsError": Lack.KEY,
    "ImageTagDoesNotMatchDigest": Lack.OTHER_TAG,
}
"""Failure codes of BatchGetImage (ecr.md 1.6) in our words; others stay verbatim."""


def destinations(rules: Iterable[ReplicationRule], name: RepositoryName, source: Registry) -> frozenset[Registry]:
    """Return the registries that must receive what is pushed to repository *name* of *source*."""
    matching = (rule for rule in rules if not rule.prefixes or str(name).startswith(rule.prefixes))
    return frozenset(registry for rule in matching for registry in rule.destinations) - {source}


def near_misses(rules: Iterable[ReplicationRule], name: RepositoryName) -> tuple[str, ...]:
    """
    Return the filters that *name* misses by little: the name is the filter less its slash, or below its last part.

    `team/` is one for `team-x/app` and for `team`: whoever wrote it probably did not mean to leave these out.
    """
    prefixes = {prefix for rule in rules for prefix in rule.prefixes if not str(name).startswith(prefix)}
    return tuple(sorted(prefix for prefix in prefixes if str(name).startswith(prefix.rstrip("/-_."))))


class Reading(Struct, frozen=True):
    """
    What a read-back found: whether digest and tags are as they must be, and if not, what is wrong.

    *checks* tells how much was looked at: manifests whose bytes have their digest, blobs that are there, tags.
    """

    digest_verified: bool
    tags_verified: bool
    failure: str = ""
    checks: Mapping[str, int] = field(default_factory=dict)

    @property
    def verified(self) -> bool:
        """Whether everything is there."""
        return self.digest_verified and self.tags_verified


def queries(digest: Digest, children: Sequence[Digest], tags: Sequence[Tag]) -> list[ImageQuery]:
    """Return what to ask a destination: the image, its children, and each tag together with the digest."""
    return [ImageQuery(digest), *map(ImageQuery, children), *(ImageQuery(digest, tag) for tag in tags)]


def judge(answers: Sequence[ImageAnswer], digest: Digest) -> Reading:
    """Say what *answers* about the family of *digest* prove: bytes must have their digest, tags must lead to it."""
    wrong = {answer.query: word for answer in answers if (word := _wrong(answer, digest))}
    by_digest = [word for query, word in wrong.items() if query.tag is None]
    by_tag = [word for query, word in wrong.items() if query.tag is not None]
    checks = {
        "manifests": sum(answer.query.tag is None and answer.query not in wrong for answer in answers),
        "tags": sum(answer.query.tag is not None and answer.query not in wrong for answer in answers),
    }
    return Reading(not by_digest, not by_tag, next(iter([*by_digest, *by_tag]), ""), checks)


def _wrong(answer: ImageAnswer, digest: Digest) -> str:
    """Return what is wrong with an answer, "" for nothing."""
    if answer.manifest is not None:
        return "" if Digest.of(answer.manifest) == answer.query.digest else Lack.BYTES
    found = _OF_ECR.get(answer.failure or "ImageNotFound", answer.failure or "")
    if found is not Lack.IMAGE:
        return found
    if answer.query.tag is not None:
        # Not there at all, as where the destination's tags are immutable and the image came without it (ecr.md 4).
        return Lack.TAG
    return Lack.IMAGE if answer.query.digest == digest else Lack.CHILD


def by_registry(statuses: Iterable[ReplicaStatus]) -> Mapping[Registry, ReplicaStatus]:
    """Return ECR's statuses by destination; one that is not named has no status yet, which is never success."""
    return {status.registry: status for status in statuses}


def configuration_changes(
    name: RepositoryName, before: frozenset[Registry], after: frozenset[Registry]
) -> tuple[str, ...]:
    """Return what became different in where repository *name* is replicated to, one sentence each."""
    gone = [f"no longer replicated to {registry}" for registry in sorted(before - after)]
    new = [f"by now also replicated to {registry}" for registry in sorted(after - before)]
    judged = "this upload is judged by what was configured when it was pushed"
    return tuple(f"the repository {name} is {change}: {judged}" for change in [*gone, *new])
