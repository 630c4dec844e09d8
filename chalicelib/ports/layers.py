"""Where layers, and any other blobs, are stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Protocol

from msgspec import Struct

from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName


class LayerUpload(Struct, frozen=True):
    """An upload that ECR has begun: parts must be *part_size* bytes, the last may be shorter."""

    upload_id: str
    part_size: int


class Availability(Enum):
    """Whether a blob is in a repository."""

    AVAILABLE = "AVAILABLE"
    ABSENT = "ABSENT"
    ARCHIVED = "ARCHIVED"


class PartBuffer(Protocol):
    """One part on its way, in the form that the registry wants: written from start to end, then sent, perhaps again."""

    @property
    def capacity(self) -> int:
        """Bytes of the largest part that it takes."""

    def __len__(self) -> int:
        """Bytes of the part so far."""

    def write(self, piece: memoryview) -> None:
        """Add *piece*; with what is there at most `capacity` bytes."""

    def clear(self) -> None:
        """Make it empty, for another part."""

    def release(self) -> None:
        """Give it back to whoever made it; it is not used here any more."""


class LayerStore(Protocol):
    """
    Where layers, and any other blobs, are stored.

    Raises, in every method:
        RepositoryAbsent: There is no repository of that name.
    """

    def availability(self, name: RepositoryName, digests: Collection[Digest]) -> Mapping[Digest, Availability]:
        """Tell for each of 1 to 100 *digests* whether the repository holds that blob."""

    def begin_layer(self, name: RepositoryName) -> LayerUpload:
        """Begin the upload of a blob."""

    def part_buffer(self, capacity: int) -> PartBuffer:
        """Return an empty buffer for parts of up to *capacity* bytes; no call."""

    def put_part(self, name: RepositoryName, upload_id: str, first_byte: int, part: bytes | PartBuffer) -> int:
        """
        Send the next part and return the last byte that ECR holds now.

        Raises:
            PartOutOfOrder: It does not follow what ECR holds.
            LayerUploadGone: ECR does not know the upload.
        """

    def complete_layer(self, name: RepositoryName, upload_id: str, digest: Digest) -> None:
        """
        Turn the parts into a blob; a blob that is already there is success.

        Raises:
            LayerUploadGone: ECR does not know the upload.
            LayerRejected: The parts are not *digest*.
        """
