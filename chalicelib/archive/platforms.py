"""Platforms of an index: whether a label is true, and which entries the operator wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chalicelib.archive.contents import KeptManifest
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.errors import Code, RefusedError
from chalicelib.oci.entry import Entry
from chalicelib.oci.platform import Platform

# Names that containerd's `platforms` package takes for one another.
_SAME: Final = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "armel": "arm", "i386": "386"}
_UNKNOWN: Final = ("", "unknown")  # attestations are labelled unknown/unknown


def check(label: Platform, labelled: KeptManifest) -> None:
    """
    Compare a label with the config of what it labels, as far as both say something; variants are not compared, since
    tools fill them in differently.

    Raises:
        RefusedError: PLATFORM_MISMATCH.
    """
    actual = labelled.platform
    if actual is None:
        return
    if _differ(label.os, actual.os) or _differ(label.architecture, actual.architecture):
        detail = f"the image {labelled.blob.descriptor.digest} is labelled with another platform than its config's"
        raise RefusedError(Code.PLATFORM_MISMATCH, detail)


def _differ(label: str, actual: str) -> bool:
    label, actual = label.lower(), actual.lower()
    return label not in _UNKNOWN and actual not in _UNKNOWN and _SAME.get(label, label) != _SAME.get(actual, actual)


# BuildKit's convention (its docs/attestations/attestation-storage.md).
_REFERENCE_TYPE: Final = "vnd.docker.reference.type"
_REFERENCE_DIGEST: Final = "vnd.docker.reference.digest"
_ATTESTATION: Final = "attestation-manifest"


def choose(
    entries: Sequence[Entry], there: Mapping[int, KeptManifest], limits: ArchiveLimits
) -> dict[int, KeptManifest]:
    """
    Return those of an index's entries that the operator wants; an attestation goes with what it attests.

    Args:
        entries: All entries of the index.
        there: Those that the archive holds, by position.
        limits: `platforms` and `attestations`.
    """
    images = {position for position in there if not _attested(entries[position]) and _wanted(entries[position], limits)}
    digests = {str(entries[position].descriptor.digest) for position in images}
    return {
        position: kept
        for position, kept in there.items()
        if position in images or (limits.attestations and _attested(entries[position]) in digests)
    }


def _attested(entry: Entry) -> str | None:
    if entry.annotations.get(_REFERENCE_TYPE) != _ATTESTATION:
        return None
    return entry.annotations.get(_REFERENCE_DIGEST, "")


def _wanted(entry: Entry, limits: ArchiveLimits) -> bool:
    if not limits.platforms or entry.platform is None:
        return True
    platform = entry.platform
    return bool({str(platform), f"{platform.os}/{platform.architecture}"}.intersection(limits.platforms))
