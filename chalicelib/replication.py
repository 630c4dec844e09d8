"""
Where an image must arrive, and what ECR's answers and the read-back say of it. Pure.

Rules of ECR (ecr.md 4): the source registry's configuration decides; a filter is a raw prefix of the repository's
name; a rule without filters takes every repository; replicas are not replicated further.
COMPLETE proves nothing about the tag: a destination with immutable tags takes the image without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from chalicelib.ports import ImageAnswer, ImageQuery, ReplicaStatus, ReplicationRule

TAG_NAMES_ANOTHER: Final = "TagNamesAnotherImage"


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


@dataclass(frozen=True, slots=True)
class Reading:
    """What a read-back found: whether digest and tags are as they must be, and if not, what is wrong."""

    digest_verified: bool
    tags_verified: bool
    failure: str = ""

    @property
    def verified(self) -> bool:
        """Whether everything is there."""
        return self.digest_verified and self.tags_verified


def queries(digest: Digest, children: Sequence[Digest], tags: Sequence[Tag]) -> list[ImageQuery]:
    """Return what to ask a destination: the image, its children, and each tag together with the digest."""
    return [ImageQuery(digest), *map(ImageQuery, children), *(ImageQuery(digest, tag) for tag in tags)]


def judge(answers: Iterable[ImageAnswer], digest: Digest) -> Reading:
    """Say what *answers* to `queries` prove: every manifest must hash to its digest, every tag must lead to it."""
    failures: dict[ImageQuery, str] = {}
    for answer in answers:
        if answer.manifest is None:
            failures[answer.query] = _word(answer, digest)
        elif Digest.of(answer.manifest) != answer.query.digest:
            failures[answer.query] = "ManifestDiffers"
    by_digest = [word for query, word in failures.items() if query.tag is None]
    by_tag = [word for query, word in failures.items() if query.tag is not None]
    return Reading(not by_digest, not by_tag, next(iter([*by_digest, *by_tag]), ""))


def _word(answer: ImageAnswer, digest: Digest) -> str:
    if answer.query.tag is not None:
        # ImageNotFound: the tag is not there at all, as when the destination's tags are immutable (ecr.md 4).
        return TAG_NAMES_ANOTHER if answer.failure == "ImageTagDoesNotMatchDigest" else "TagAbsent"
    if answer.query.digest != digest:
        return "ChildAbsent"
    return answer.failure or "ImageAbsent"


def by_registry(statuses: Iterable[ReplicaStatus]) -> Mapping[Registry, ReplicaStatus]:
    """Return ECR's statuses by destination; one that is not named has no status yet, which is never success."""
    return {status.registry: status for status in statuses}
