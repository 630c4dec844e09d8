"""
An image of an archive with all that belongs to it: children of an index, their children, signatures and SBOMs.

An index whose children are missing cannot be pulled, and its own replication says nothing of theirs (ecr.md 4).
So whatever is asked about an image is asked about its family.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName
from chalicelib.ports.registry import ImageQuery
from chalicelib.state.records import ImageRecord

_Known = Mapping[tuple[RepositoryName, Digest | None], ImageRecord]


class Family(Struct, frozen=True):
    """A *root*, and its *members* in the order in which they were put, the root itself left out."""

    root: ImageRecord
    members: tuple[ImageRecord, ...] = ()

    @property
    def digest(self) -> Digest:
        """
        Digest of the root.

        Raises:
            ValueError: It was never put.
        """
        if self.root.digest is None:
            raise ValueError(f"image {self.root.number} was never put")
        return self.root.digest

    @property
    def digests(self) -> tuple[Digest, ...]:
        """Digests of the members."""
        return tuple(member.digest for member in self.members if member.digest)

    def queries(self) -> list[ImageQuery]:
        """Return what a registry must be able to answer: every digest, and every tag together with its digest."""
        everyone = [(self.digest, self.root), *zip(self.digests, self.members, strict=True)]
        tagged = [ImageQuery(digest, tag) for digest, record in everyone for tag in record.tags]
        return [*(ImageQuery(digest) for digest, _ in everyone), *tagged]


def families(images: Sequence[ImageRecord]) -> dict[int, Family]:
    """Return the family of each root of *images* by the root's number."""
    known = {(image.repository, image.digest): image for image in images}
    return {image.number: _family(image, known) for image in images if image.root and image.digest}


def _family(root: ImageRecord, known: _Known) -> Family:
    below = {record.number: record for record in _below(root, known) if record.number != root.number}
    return Family(root, tuple(below[number] for number in sorted(below)))


def _below(image: ImageRecord, known: _Known) -> Iterator[ImageRecord]:
    for child in image.children:
        record = known.get((image.repository, child))
        if record:
            yield from _below(record, known)
            yield record
