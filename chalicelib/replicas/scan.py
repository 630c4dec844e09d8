"""
ECR's scan findings as a condition of Image Available, where the settings want one.

Scans are asked for in the source registry: the replicas have the same bytes. An index is not scanned, its images are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from chalicelib.errors import Code, FailedError
from chalicelib.oci.digest import Digest
from chalicelib.oci.media_type import INDEXES, MANIFESTS
from chalicelib.outside import Outside
from chalicelib.ports.registry import RegistryClient, Scan
from chalicelib.replicas.family import Family
from chalicelib.state.records import ImageRecord

SEVERITIES: Final = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL")
_DONE: Final = frozenset({"COMPLETE", "ACTIVE"})
_NEVER: Final = frozenset({"UNSUPPORTED_IMAGE", "IMAGE_SIZE_EXCEEDED"})
"""Statuses of images that ECR does not scan at all: no reason to hold them back for ever."""


def demand_scan(outside: Outside, source: RegistryClient, found: Iterable[Family]) -> bool:
    """
    Return whether every image was scanned, or the settings do not ask for it.

    Raises:
        FailedError: SCAN_FINDINGS.
    """
    limit = outside.settings.scan_severity
    if limit == "off":
        return True
    scans = {digest: source.scan(family.root.repository, digest) for family in found for digest in _scannable(family)}
    bad = {digest: worse for digest, scan in scans.items() if (worse := _worse(scan, limit))}
    if bad:
        facts = {"findings": {str(digest): dict(counts) for digest, counts in bad.items()}}
        raise FailedError(Code.SCAN_FINDINGS, f"findings of severity {limit} or worse", facts=facts)
    return all(scan.status in _DONE | _NEVER for scan in scans.values())


def _scannable(family: Family) -> Iterator[Digest]:
    if family.root.media_type not in INDEXES:
        yield family.digest
        return
    listed = set(family.root.children)
    for member in family.members:
        if member.digest in listed and _is_image(member):
            yield member.digest


def _is_image(record: ImageRecord) -> bool:
    return record.media_type in MANIFESTS


def _worse(scan: Scan, limit: str) -> Mapping[str, int]:
    counted = SEVERITIES[: SEVERITIES.index(limit) + 1]
    return {severity: scan.counts[severity] for severity in counted if scan.counts.get(severity)}
