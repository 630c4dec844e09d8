"""
The coverage-guided fuzz target: any bytes through the tar walk, the JSON reader and the archive reader.

    make fuzz                        or
    python tests/fuzz/target.py -max_total_time=600 -rss_limit_mb=512 FOLDER [FOLDER ...]

The first folder is where findings that reach new code are kept; the others are seeds. Whatever the input, a reader
either answers or raises `RefusedError`, within two seconds; anything else is a finding. Not a test: pytest does not
collect it.
"""

from __future__ import annotations

import contextlib
import sys

import atheris

with atheris.instrument_imports(include=["chalicelib.archive", "chalicelib.oci"]):
    # Loaded late by the archive reader: then neither instrumented, nor any input's time.
    from chalicelib.archive.chart_metadata import parse_chart
    from chalicelib.archive.compressed import open_compressed
    from chalicelib.archive.limits import MIB, ArchiveLimits
    from chalicelib.archive.read import read_archive
    from chalicelib.errors import RefusedError
    from chalicelib.oci.config import parse_config
    from chalicelib.oci.manifest import parse_manifest
    from tests.archives import MemorySource, mended

LIMITS = ArchiveLimits(inflated=16 * MIB, inflated_chart=16 * MIB, ratio_from=MIB)


def run(data: bytes) -> None:
    """Give *data* to every reader."""
    with contextlib.suppress(RefusedError):
        parse_manifest(data)
    with contextlib.suppress(RefusedError):
        parse_config(data)
    with contextlib.suppress(RefusedError):
        parse_chart(data)
    with contextlib.suppress(RefusedError):
        read_archive(MemorySource(data), LIMITS)
    with contextlib.suppress(RefusedError):
        compressed(data)


def compressed(data: bytes) -> None:
    if not data:
        return
    with open_compressed(MemorySource(data), LIMITS) as archive:
        for _, stream in archive:
            stream.read(100)
        archive.contents()


def mutate(data: bytes, max_size: int, _seed: int) -> bytes:
    """Mutate, then set the checksums of headers right: nothing gets past them by chance."""
    return mended(atheris.Mutate(data, max_size))[:max_size]


if __name__ == "__main__":
    atheris.Setup([*sys.argv, "-timeout=2"], run, custom_mutator=mutate)
    atheris.Fuzz()
