"""Bundles: every layer in exactly one, and about the same load in each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.byte_range import ByteRange
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName
from chalicelib.planning.plan import bundled
from chalicelib.state.records import LayerRecord

GIB = 1 << 30


def layer(number: int, size: int) -> LayerRecord:
    digest = Digest.of(str(number).encode())
    return LayerRecord(
        repository=RepositoryName("team/app"), name=digest, content=ByteRange(0, size), compress=False, bundle=-1
    )


def loads(layers: tuple[LayerRecord, ...]) -> dict[int, int]:
    found: dict[int, int] = {}
    for one in layers:
        found[one.bundle] = found.get(one.bundle, 0) + one.length
    return found


def test_a_small_image_is_one_bundle() -> None:
    assert set(loads(bundled([layer(n, 1000) for n in range(30)], GIB))) == {0}


def test_ten_large_layers_are_ten_bundles() -> None:
    assert len(loads(bundled([layer(n, 4 * GIB) for n in range(10)], GIB))) == 10


@given(st.lists(st.integers(1, 5 * GIB), min_size=1, max_size=60), st.integers(GIB // 8, 2 * GIB))
def test_no_bundle_is_much_fuller_than_it_must_be(sizes: list[int], limit: int) -> None:
    layers = bundled([layer(n, size) for n, size in enumerate(sizes)], limit)
    found = loads(layers)
    assert sorted(one.name for one in layers) == sorted(layer(n, size).name for n, size in enumerate(sizes))
    # Whoever got the last layer had the least before it: a share of all the rest at most.
    count = len(found)
    assert max(found.values()) <= sum(sizes) / count + max(sizes) * (1 - 1 / count)
