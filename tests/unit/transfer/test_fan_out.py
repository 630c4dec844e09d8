"""
Many functions push one image: a simulation of their networks.

Each function moves 56 MiB/s of layer bytes whatever it does at once (ecr.md 7: 625 Mbps, base64), runs for as long as
its timeout allows less the margin, and goes on a second later, repeating at most a segment of each layer in flight.
"""

from __future__ import annotations

import pytest

from chalicelib.byte_range import ByteRange
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName
from chalicelib.planning.plan import bundled
from chalicelib.settings import Settings
from chalicelib.state.records import LayerRecord
from chalicelib.transfer.encoding import Encoding

MIB = 1 << 20
GIB = 1024 * MIB
BANDWIDTH = 56 * MIB
TIMEOUT = 300.0
GAP = 1.0


def seconds_of_function(layers: list[int], settings: Settings) -> float:
    """Return how long one bundle takes: a link that is shared is full, so only the sum and the pauses count."""
    work = float(sum(layers))
    seconds = 0.0
    usable = TIMEOUT - settings.time_margin
    while work > usable * BANDWIDTH:
        work -= usable * BANDWIDTH
        work += settings.layers_at_once * Encoding().segment
        seconds += usable + GAP
    return seconds + work / BANDWIDTH


def seconds_of_image(layers: list[int], settings: Settings) -> float:
    """Return how long the slowest bundle takes."""
    records = tuple(
        LayerRecord(
            repository=RepositoryName("team/app"),
            name=Digest.of(str(number).encode()),
            content=ByteRange(0, size),
            compress=False,
            bundle=-1,
        )
        for number, size in enumerate(layers)
    )
    bundles: dict[int, list[int]] = {}
    for record in bundled(records, settings.bundle_bytes):
        bundles.setdefault(record.bundle, []).append(record.content.length)
    return max(seconds_of_function(own, settings) for own in bundles.values())


def test_ten_layers_take_as_long_as_one() -> None:
    settings = Settings()

    assert seconds_of_image([4 * GIB] * 10, settings) <= 1.3 * seconds_of_image([4 * GIB], settings)


@pytest.mark.parametrize(
    "layers",
    [[4 * GIB] + [GIB] * 12, [40 * GIB] + [GIB] * 40, [4 * GIB, *range(MIB, 400 * MIB, 7 * MIB)]],
    ids=["one large", "one giant", "one large and many small"],
)
def test_wall_time_follows_the_largest_layer(layers: list[int]) -> None:
    settings = Settings()

    assert seconds_of_image(layers, settings) <= 1.3 * seconds_of_image([max(layers)], settings)


def test_small_image_is_one_function() -> None:
    assert seconds_of_image([100 * MIB] * 5, Settings()) == pytest.approx(500 * MIB / BANDWIDTH)
