"""
What can go wrong, by what the caller should do about it.

    TransshipError
    ├── FinalError           announced once, never retried; carries a Code
    │   ├── RefusedError     our answer to these bytes, names or permissions; nothing was published
    │   └── FailedError      sound, but it cannot be finished
    ├── SupersededError      a later upload has taken this one's place
    ├── TemporaryError       backed off, then the message comes again
    │   ├── LeaseHeld        another function is at it
    │   └── ThrottledError   AWS asks for fewer calls: whoever asks the same backs off too
    ├── ConflictError        an item changed since it was read; becomes a TemporaryError at the handler
    └── RegistryAnswer       ECR's answer that a step of ours deals with; never leaves `push` or `publish`
        ├── PartOutOfOrder   go on after the last valid byte
        ├── LayerUploadGone  start this layer again
        ├── LayerRejected    ECR computed another digest, or found a part too small: start this layer again
        ├── LayersAbsent     the manifest names layers that are not there: push them again
        ├── ImagesAbsent     the index names images that are not there: put them again
        ├── RepositoryAbsent create it or refuse
        └── TagTaken         the tag is immutable: is it this image?

A *detail* is a sentence of ours: it may hold names that were validated, numbers, and AWS's own words, never text
from an archive. Text from an archive goes into *member*, which is logged, quoted and cut, and never announced.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.codes import Code

__all__ = [
    "Code",
    "ConflictError",
    "FailedError",
    "FinalError",
    "ImagesAbsent",
    "LayerRejected",
    "LayerUploadGone",
    "LayersAbsent",
    "LeaseHeld",
    "PartOutOfOrder",
    "RefusedError",
    "RegistryAnswer",
    "RepositoryAbsent",
    "SupersededError",
    "TagTaken",
    "TemporaryError",
    "ThrottledError",
    "TransshipError",
]


class TransshipError(Exception):
    """The root of all errors that this project raises on purpose."""


class FinalError(TransshipError):
    """
    The upload ends here, with a code.

    Args:
        code: Why, for machines.
        detail: Why, for people: one sentence about this case.
        member: Name of the archive's member that is to blame, as the archive spells it.
        offset: Byte offset in the archive where the trouble starts.
        facts: More for machines (a missing statement, digests, a role); JSON values, no text from an archive.
    """

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        member: str | None = None,
        offset: int | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail
        self.member = member
        self.offset = offset
        self.facts = dict(facts or {})


class RefusedError(FinalError):
    """Nothing of this upload was or will be published: the archive, its names or a permission forbid it."""


class FailedError(FinalError):
    """The upload was accepted, but something outside it stands in the way for good."""


class SupersededError(TransshipError):
    """A later upload claimed the same tag, or replaced the object; this one stops without a failure."""


class TemporaryError(TransshipError):
    """
    Trying again later may help: throttling, a server's fault, a lost connection, a lease held by another.

    *after* is in how many seconds, where that is known; else it grows with each receipt of the message.
    """

    def __init__(self, detail: str, *, after: float | None = None) -> None:
        super().__init__(detail)
        self.after = after


class LeaseHeld(TemporaryError):  # noqa: N818 - a state, not a fault
    """
    Another message's function is at work on this very step.

    The message must wait, for it may itself be the one that brought the holder to work, and is all that is left of it
    if the holder fails.
    """


class ThrottledError(TemporaryError):
    """AWS asks for fewer calls, after botocore has waited and asked again several times."""


class ConflictError(TransshipError):
    """An item changed since it was read; read again and decide again."""


class RegistryAnswer(TransshipError):  # noqa: N818 - an answer, not a fault
    """ECR's answer that is part of the protocol."""


class PartOutOfOrder(RegistryAnswer):
    """
    The part does not follow the last one ECR holds (InvalidLayerPartException).

    *last_valid_byte* is the last byte that ECR holds, or None where it did not say; -1 where it holds none.
    """

    def __init__(self, last_valid_byte: int | None) -> None:
        super().__init__(f"the registry holds bytes up to {last_valid_byte}")
        self.last_valid_byte = last_valid_byte


class LayerUploadGone(RegistryAnswer):
    """The upload id is unknown (UploadNotFoundException); its lifetime is documented nowhere (ecr.md 1.2)."""


class LayerRejected(RegistryAnswer):
    """CompleteLayerUpload computed another digest, found a part too small, or no part at all."""


class LayersAbsent(RegistryAnswer):
    """PutImage: layers or the config are not in the repository (LayersNotFoundException)."""


class ImagesAbsent(RegistryAnswer):
    """PutImage: children of the index are not in the repository (ReferencedImagesNotFoundException)."""


class RepositoryAbsent(RegistryAnswer):
    """The repository does not exist (RepositoryNotFoundException)."""


class TagTaken(RegistryAnswer):
    """The tag is immutable and exists, be it on this very digest (ImageTagAlreadyExistsException)."""
