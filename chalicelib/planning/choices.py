"""What the operator's settings choose of an archive, as the bounds and choices that reading it takes."""

from __future__ import annotations

from chalicelib.archive.limits import ArchiveLimits
from chalicelib.settings import Settings


def archive_limits(settings: Settings) -> ArchiveLimits:
    """Return the bounds of reading an archive, and what of it is taken."""
    return ArchiveLimits(
        platforms=settings.platforms,
        attestations=settings.attestations,
        foreign_layers=settings.foreign_layers,
        encrypted_layers=settings.encrypted_layers,
    )
