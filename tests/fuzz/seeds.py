"""
Seeds for the fuzz target: one small archive of each form, written into the folder that is given.

    python tests/fuzz/seeds.py FOLDER
"""

from __future__ import annotations

import lzma
import sys
from pathlib import Path

import zstandard

from tests.archives import Layout, chart, docker_save, gzipped, hybrid, image, multi_platform, packed_save


def seeds() -> dict[str, bytes]:
    layout = Layout()
    one = layout.list(multi_platform(layout, "amd64", "arm64"), ref="1.0")
    layout.list(layout.referrer(one))
    save = docker_save(image("a", "b", "a"), links=True)
    return {
        "save": save,
        "hybrid": hybrid(image()),
        "packed": packed_save(image()),
        "layout": layout.tar(),
        "chart": chart(),
        "gzip": gzipped(save),
        "zstd": zstandard.compress(save),
        "xz": lzma.compress(save),
        **{f"blob-{digest[:8]}": content for digest, content in layout.blobs.items()},
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in seeds().items():
        (folder / name).write_bytes(content)
