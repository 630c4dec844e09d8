"""
Claims on tags: of two uploads that set one tag, the one of the later rank has it in the end (`order`).

A claim is also a lock for the moment of putting, so that an earlier upload that is slow cannot put after a later one.
Sequencers of S3 compare only within one key, so else acceptance is the order (docs/decisions/0004).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Self

from msgspec import Struct

from chalicelib.chunks import chunked
from chalicelib.errors import LeaseHeld, SupersededError, TemporaryError
from chalicelib.oci.reference import Repository, RepositoryName, Tag
from chalicelib.outside import Outside
from chalicelib.ports.table import Key, Put, Stored
from chalicelib.state.ledger import Ledger
from chalicelib.state.upload import SHAPE, Upload

_MOST_CHANGES: Final = 100  # of one TransactWriteItems
_DAY: Final = 86_400.0

TagName = tuple[RepositoryName, Tag]


class Claims(Struct, frozen=True):
    """The claims on some tags as they were read; None: nobody has claimed the tag."""

    outside: Outside
    found: Mapping[Key, Stored | None]

    @classmethod
    def read(cls, outside: Outside, tags: Iterable[TagName]) -> Self:
        """Read the claims on *tags*."""
        return cls(outside, Ledger(outside).read(cls.keys(outside, tags)))

    @staticmethod
    def keys(outside: Outside, tags: Iterable[TagName]) -> list[Key]:
        """Return the places of the claims on *tags*."""
        registry = outside.deployment.registry
        return [Key(f"tag#{Repository(registry, name)}:{tag}", "claim") for name, tag in tags]

    def contested(self, upload: Upload) -> bool:
        """Tell whether another upload has a later claim, or is putting at this moment."""
        try:
            self.demand(upload)
        except (SupersededError, TemporaryError):
            return True
        return False

    def demand(self, upload: Upload) -> None:
        """
        Return if *upload* may take the tags.

        Raises:
            SupersededError: A later upload holds one of them.
            LeaseHeld: An earlier upload is putting one of them at this moment.
        """
        for key, stored in self.found.items():
            if stored is None or stored.item["upload"] == upload.id:
                continue
            name = key.pk.partition("#")[2]
            if stored.item["accepted"] > _rank(upload):
                raise SupersededError(f"a later upload claimed {name}")
            if stored.item["until"] > self.outside.clock.now():
                raise LeaseHeld(f"an earlier upload is putting {name}")

    def lock(self, upload: Upload, times: int = 0) -> float:
        """
        Claim the tags for *upload*, lock them for the length of a lease, and return when that ends.

        *times* is how often this was done since they were read.

        Raises:
            ConflictError: Another upload claimed one of them since they were read.
        """
        until = self.outside.clock.now() + self.outside.settings.lease
        for chunk in chunked(self._puts(upload, until, times), _MOST_CHANGES):
            self.outside.table.write(chunk)
        return until

    def unlocked(self, upload: Upload, times: int) -> list[Put]:
        """Return the changes that end the lock, to be written after `lock` was done so many *times*."""
        return self._puts(upload, 0.0, times)

    def taken(self, upload: Upload) -> list[Put]:
        """Return the changes that claim the tags without a lock, for tags that are put already."""
        return self._puts(upload, 0.0, 0)

    def _puts(self, upload: Upload, until: float, ahead: int) -> list[Put]:
        expires = self.outside.clock.now() + self.outside.settings.keep_days * _DAY
        item = {"v": SHAPE, "upload": upload.id, "accepted": _rank(upload), "until": until}
        return [
            Put(key, item, (stored.revision if stored else 0) + ahead, expires=expires)
            for key, stored in self.found.items()
        ]


def _rank(upload: Upload) -> float:
    return upload.rank or upload.accepted  # records of the first shape lack it
