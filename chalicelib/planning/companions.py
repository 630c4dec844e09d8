"""Which `.prov` belongs to which chart, and whether it was read with it; see `provenance`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct, field

from chalicelib.names import PROVENANCE
from chalicelib.ports.bucket import ListedVersion, ObjectVersion
from chalicelib.state.upload import Upload

SEEN: Final = "provenance_version"
"""Among the facts of a refusal, the version of the `.prov` that was read."""


def was_read(chart: Upload, version: ObjectVersion) -> bool:
    """Tell whether *chart* was decided on with this *version* of its `.prov`, taken or refused."""
    if chart.provenance:
        return chart.provenance == version
    return bool(version.version_id) and chart.facts.get(SEEN) == version.version_id


class Signed(Struct):
    """A listing of the bucket, page by page, in which each `.prov` is told its chart: a sorted one has that before."""

    _above: list[ObjectVersion] = field(default_factory=list)

    def pairs(self, page: Iterable[ListedVersion]) -> Iterator[tuple[ListedVersion, ObjectVersion | None]]:
        """Yield what is listed, each with the chart that it signs if it is a `.prov` and the chart is there."""
        for listed in page:
            key = listed.object.key
            self._above = [version for version in self._above if key.startswith(version.key)]
            chart = next((version for version in self._above if version.key + PROVENANCE == key), None)
            yield listed, chart
            self._above.append(listed.object)
