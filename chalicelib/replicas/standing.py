"""What must hold in the source registry before an image is announced, or given up: it stands there, and is scanned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chalicelib.errors import Code, FailedError, SupersededError
from chalicelib.oci.reference import RepositoryName
from chalicelib.outside import Outside
from chalicelib.ports.registry import RegistryClient
from chalicelib.replicas.course import Course, Stretch
from chalicelib.replicas.family import Family
from chalicelib.replicas.readback import read_back
from chalicelib.replicas.scan import demand_scan


def demand_source(outside: Outside, course: Course) -> None:
    """
    Announce only what stands in the source registry at this moment too.

    Raises:
        FailedError: IMAGE_GONE.
        SupersededError: A tag was moved.
        TimeIsUp: As `Course.slices`.
    """
    source = outside.registries.client(outside.deployment.registry)
    for numbers in course.slices(Stretch.SOURCE, course.families):
        for name, found in _by_repository(course.families, numbers).items():
            _demand(source, name, found)


def _by_repository(families: Mapping[int, Family], numbers: Sequence[int]) -> dict[RepositoryName, list[Family]]:
    found: dict[RepositoryName, list[Family]] = {}
    for number in numbers:
        found.setdefault(families[number].root.repository, []).append(families[number])
    return found


def _demand(source: RegistryClient, name: RepositoryName, found: Sequence[Family]) -> None:
    digests = {family.root.number: family.digest for family in found}
    for number, reading in read_back(source, name, found).items():
        if not reading.digest_verified:
            raise FailedError(Code.IMAGE_GONE, f"{name} no longer has {digests[number]}: {reading.failure}")
        if not reading.tags_verified:
            raise SupersededError(f"a tag of {name}@{digests[number]} was moved since it was put")


def scanned(outside: Outside, course: Course) -> bool:
    """
    Return whether every image was scanned, or the settings do not ask for it.

    Raises:
        FailedError: SCAN_FINDINGS.
        TimeIsUp: As `Course.slices`.
    """
    source = outside.registries.client(outside.deployment.registry)
    return all(
        demand_scan(outside, source, [course.families[number] for number in numbers])
        for numbers in course.slices(Stretch.SCAN, course.families)
    )
