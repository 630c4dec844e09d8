"""
How what an upload takes grows: with uploads, with layers, with bytes. Computed from three images that were pushed.

Two small ones differ in their number of layers, the large one differs from them in its bytes; what is left when both
shares are taken away is what any upload takes. All of it is linear, because nothing in the pipeline looks at an upload
more than once for each layer or part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Sample:
    """One push: *layers*, bytes *read*, and what it took, by name."""

    layers: int
    read: int
    took: Mapping[str, float]


def growth(few: Sample, many: Sample, large: Sample) -> dict[str, dict[str, float]]:
    """Return what each upload, each layer and each GiB that is read takes, by the same names; {}: all are alike."""
    if not _determinant(few, many, large):
        return {}
    rows: dict[str, dict[str, float]] = {"each upload": {}, "each layer": {}, "each GiB of layers read": {}}
    for name, start in few.took.items():
        layer, byte = _slopes(few, many, large, name)
        fixed = max(start - layer * few.layers - byte * few.read, 0.0)
        for row, value in zip(rows.values(), (fixed, layer, byte * _GIB), strict=True):
            row[name] = float(f"{round(value, 12):.3g}")  # what computing with floats leaves of nothing is nothing
    return rows


def _slopes(few: Sample, many: Sample, large: Sample, name: str) -> tuple[float, float]:
    """Solve the two differences to *few* for what a layer and what a byte take; neither takes less than nothing."""
    layers, read = (many.layers - few.layers, large.layers - few.layers), (many.read - few.read, large.read - few.read)
    took = many.took[name] - few.took[name], large.took[name] - few.took[name]
    determinant = _determinant(few, many, large)
    layer = (took[0] * read[1] - took[1] * read[0]) / determinant
    byte = (layers[0] * took[1] - layers[1] * took[0]) / determinant
    return max(layer, 0.0), max(byte, 0.0)


def _determinant(few: Sample, many: Sample, large: Sample) -> int:
    return (many.layers - few.layers) * (large.read - few.read) - (large.layers - few.layers) * (many.read - few.read)
