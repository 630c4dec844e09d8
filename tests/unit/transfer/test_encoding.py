"""What is pushed can be read by others, and is the same however often it was interrupted."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import zlib
from itertools import islice
from pathlib import Path

import botocore
import pytest

from chalicelib.transfer.encoding import KEEP, Encoder, Encoding, Method
from tests.unit.transfer.rig import CONTENT, GZIP, ZSTD, decoded

MIB = 1 << 20
SMALL = {"keep": Encoding(block=16, frame=64), "gzip": GZIP, "zstd": ZSTD}
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


@pytest.mark.parametrize("level", range(4))
def test_each_block_of_gzip_is_flushed_fully(level: int) -> None:
    """What was compressed before it plays no part in it, neither in its bytes nor in reading them."""
    encoding = Encoding(Method.GZIP, level)
    blocks = [CONTENT * (MIB // len(CONTENT)), Path(sys.executable).read_bytes()[:MIB], os.urandom(MIB), b"short"]
    used = encoding.encoder()

    deflated = [used.encode(block) for block in blocks]
    crc32 = used.crc32

    # By the same encoder, for where one lies in memory may show in a block (docs/decisions/0028).
    assert deflated[::-1] == [used.encode(block) for block in blocks[::-1]]
    for block, ready in zip(blocks, deflated, strict=True):
        reader = zlib.decompressobj(wbits=-15)
        assert reader.decompress(ready) == block
        assert ready.endswith(b"\0\0\xff\xff")  # the empty stored block of a flush (zlib.h)
    assert crc32 == zlib.crc32(b"".join(blocks))


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("least", [0, 144], ids=["of any bytes", "of bytes that have long codes"])
@pytest.mark.parametrize("length", [1, 33, 4096, MIB])
def test_what_grows_has_room(level: int, least: int, length: int) -> None:
    """Level 0 writes bytes of 144 and more in 9 bits and longer (RFC 1951, 3.2.6)."""
    content = bytes(least + byte % (256 - least) for byte in os.urandom(length))
    encoding = Encoding(Method.GZIP, level, block=length, frame=length)

    assert gzip.decompress(encode(encoding, encoding.encoder(), content)) == content


def test_default_sizes_cost_little(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Blocks of 1 MiB add nothing worth speaking of to the size, and GNU gzip finds nothing to complain about."""
    files = (path.read_bytes() for path in sorted(Path(botocore.__file__).parents[1].rglob("*.py")))
    content = b"".join(islice(files, 3000))[: 20 * MIB]
    assert len(content) > 16 * MIB
    encoding = Encoding(Method.GZIP)
    unbroken = Encoding(Method.GZIP, block=64 * MIB, frame=64 * MIB)

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
            Encoding(Method.GZIP, block=2 * MIB),
            Encoding(Method.GZIP, frame=32 * MIB),  # of which it has none, so it is that of the first
            Encoding(Method.ZSTD),
            Encoding(Method.ZSTD, frame=32 * MIB),
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
