"""What is pushed can be read by others, and is the same however often it was interrupted."""

from __future__ import annotations

import gzip
import subprocess

import pytest

from chalicelib.transfer.encoding import KEEP, Encoder, Encoding, Method
from tests.unit.transfer.rig import CONTENT, GZIP, ZSTD, decoded

SMALL = {"keep": Encoding(block=16, segment=64), "gzip": GZIP, "zstd": ZSTD}
EACH = pytest.mark.parametrize("encoding", SMALL.values(), ids=SMALL)


def encode(encoding: Encoding, encoder: Encoder, content: bytes, start: int = 0) -> bytes:
    """Feed *content* from *start*, a segment's start, as a production does."""
    pieces = [b"" if start else encoder.begin()]
    for place in range(start, len(content), encoding.block):
        block = content[place : place + encoding.block]
        pieces.append(encoder.encode(block))
        if (place + len(block)) % encoding.segment == 0:
            pieces.append(encoder.end_segment())
    return b"".join([*pieces, encoder.finish(len(content))])


@EACH
@pytest.mark.parametrize("length", [0, 1, 31, 32, 127, 128, 129, 256, len(CONTENT)])
def test_others_read_what_was_encoded(encoding: Encoding, length: int) -> None:
    assert decoded(encoding, encode(encoding, encoding.encoder(), CONTENT[:length])) == CONTENT[:length]


@EACH
def test_continued_at_any_segment_it_is_the_same(encoding: Encoding) -> None:
    complete = encode(encoding, encoding.encoder(), CONTENT)
    for start in range(encoding.segment, len(CONTENT), encoding.segment):
        before = encoding.encoder()
        encode(encoding, before, CONTENT[:start])

        rest = encode(encoding, encoding.encoder(before.crc32), CONTENT, start)

        assert complete.endswith(rest)


def test_default_sizes_cost_little(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Segments of 16 MiB add nothing worth speaking of to the size, and GNU gzip finds nothing to complain about."""
    content = CONTENT * (20 * (1 << 20) // len(CONTENT))
    encoding = Encoding(Method.GZIP)
    unbroken = Encoding(Method.GZIP, segment=64 << 20)

    blob = encode(encoding, encoding.encoder(), content)

    assert len(blob) < len(encode(unbroken, unbroken.encoder(), content)) * 1.01
    path = tmp_path_factory.mktemp("gzip") / "layer.gz"
    path.write_bytes(blob)
    subprocess.run(["gzip", "--test", str(path)], check=True)
    assert gzip.decompress(blob) == content


def test_recipe_names_all_that_the_output_depends_on() -> None:
    recipes = {
        encoding.recipe
        for encoding in (
            KEEP,
            Encoding(Method.GZIP),
            Encoding(Method.GZIP, 2),
            Encoding(Method.GZIP, segment=32 << 20),
            Encoding(Method.GZIP, block=2 << 20),
            Encoding(Method.ZSTD),
        )
    }

    assert len(recipes) == 6
    assert "2.32" in Encoding(Method.GZIP).recipe


@pytest.mark.parametrize(
    "arguments",
    [(Method.GZIP, 4), (Method.ZSTD, 0), (Method.ZSTD, 20), (Method.GZIP, 1, 3, 10), (Method.KEEP, 1, 0, 0)],
    ids=str,
)
def test_refuses_levels_and_sizes_that_do_not_fit(arguments: tuple[Method, int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"level|blocks"):
        Encoding(*arguments)
