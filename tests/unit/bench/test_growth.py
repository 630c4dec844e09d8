"""What an upload takes, split into what each upload, each layer and each byte take."""

from __future__ import annotations

from transship.bench.growth import Sample, growth

MIB = 1 << 20


def sample(layers: int, read: int) -> Sample:
    """A push whose shares are known: 7 and 2 for each layer, 3 for each GiB."""
    return Sample(layers, read, {"calls": 7 + 2 * layers + 3 * read / (1 << 30), "fixed": 5.0})


def test_finds_the_shares_that_were_put_in() -> None:
    found = growth(sample(6, 8 * MIB), sample(30, 9 * MIB), sample(7, 500 * MIB))

    assert [row["calls"] for row in found.values()] == [7, 2, 3]
    assert [row["fixed"] for row in found.values()] == [5, 0, 0]
    assert list(found) == ["each upload", "each layer", "each GiB of layers read"]


def test_noise_makes_nothing_negative() -> None:
    few, many = Sample(6, 8 * MIB, {"s": 0.3}), Sample(30, 8 * MIB, {"s": 0.2})
    found = growth(few, many, Sample(6, 500 * MIB, {"s": 2.0}))

    assert found["each layer"]["s"] == 0


def test_what_bytes_alone_take_is_nothing_for_a_layer() -> None:
    images = ((6, 8 * MIB), (30, 90 * MIB), (7, 1_014 * MIB))
    found = growth(*(Sample(layers, read, {"s": 13.7 / (1 << 30) * read}) for layers, read in images))

    assert [row["s"] for row in found.values()] == [0, 0, 13.7]


def test_images_that_are_alike_tell_nothing() -> None:
    assert growth(sample(6, MIB), sample(6, MIB), sample(6, MIB)) == {}
