"""
Who needs whom in a repository: images by the blobs, the children and the subject that their manifests name.

Kept beside the images so that no question about one digest has to look at every manifest of a large repository.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from transship.local.ecr.content import Image

_Digests = defaultdict[str, dict[str, None]]


class Links:
    """Digests of images by the digest that they name; in the order in which they came."""

    def __init__(self) -> None:
        self._users: _Digests = defaultdict(dict)
        self._parents: _Digests = defaultdict(dict)
        self._referrers: _Digests = defaultdict(dict)

    def add(self, image: Image) -> None:
        """Note what *image* names."""
        for table, named in self._named(image):
            table[named][image.digest] = None

    def remove(self, image: Image) -> None:
        """Forget what *image* names."""
        for table, named in self._named(image):
            table[named].pop(image.digest, None)
            if not table[named]:
                del table[named]

    def users(self, blob: str) -> list[str]:
        """Return the images whose config or layer *blob* is."""
        return list(self._users.get(blob, ()))

    def parents(self, child: str) -> list[str]:
        """Return the indexes that list *child*."""
        return list(self._parents.get(child, ()))

    def referrers(self, subject: str) -> list[str]:
        """Return the images whose subject is *subject*."""
        return list(self._referrers.get(subject, ()))

    def _named(self, image: Image) -> Iterator[tuple[_Digests, str]]:
        manifest = image.manifest
        for blob in {blob.digest for blob in manifest.blobs()}:
            yield self._users, blob
        for child in {child.digest for child in manifest.manifests}:
            yield self._parents, child
        if manifest.subject:
            yield self._referrers, manifest.subject.digest
