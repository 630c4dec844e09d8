"""
Layers of any size without a disk: a source and a registry that compute, one process, its peak of memory.

    python -m transship.bench.giant --gib 41 --layers 1 --method gzip

The source makes up text-like bytes; the registry is botocore's own client with the last step replaced: requests are
built, encoded and signed as they would be, and answered on the spot. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HTTPHeaders
from botocore.config import Config

from chalicelib.aws.ecr import EcrRegistries
from chalicelib.aws.session import Session
from chalicelib.byte_range import ByteRange
from chalicelib.meter import Meter
from chalicelib.oci.reference import Registry, RepositoryName
from chalicelib.ports.bucket import ByteStream
from chalicelib.settings import Settings
from chalicelib.transfer.encoding import Encoding, Method
from chalicelib.transfer.job import LayerJob, LayerTask, Route, StoredLayer, TransferOptions
from chalicelib.transfer.layers import store_layers

MIB: Final = 1 << 20
PART: Final = 10 * MIB
_NOBODY: Final = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nobody", "AWS_DEFAULT_REGION": "us-east-1"}


class ComputedSource:
    """An object of any size whose bytes are made up as they are read; implements `ObjectSource`."""

    def __init__(self, size: int) -> None:
        self.size = size
        words = [hashlib.sha256(str(number).encode()).hexdigest()[: 2 + number % 9] for number in range(4_000)]
        chooser = random.Random(1)  # noqa: S311 - made-up text, the same in every run
        text = " ".join(chooser.choices(words, k=500_000)).encode()
        self._text = text[: 2 * MIB]

    def read(self, span: ByteRange) -> bytes:
        """Return the bytes of *span*, at most a MiB that does not cross a MiB's border."""
        page, offset = divmod(span.start, MIB)
        turn = page * 7_919 % MIB
        return self._text[turn : turn + MIB][offset : offset + span.length]

    @contextmanager
    def open(self, span: ByteRange) -> Iterator[ByteStream]:
        """Stream the bytes of *span*."""
        yield _ComputedStream(self, span)


class _ComputedStream:
    def __init__(self, source: ComputedSource, span: ByteRange) -> None:
        self._source = source
        self._place = span.start
        self._end = span.end

    def read(self, size: int, /) -> bytes:
        left_in_page = MIB - self._place % MIB
        length = min(size, left_in_page, self._end - self._place)
        piece = self._source.read(ByteRange(self._place, length))
        self._place += len(piece)
        return piece


class _Answer:
    def __init__(self, document: dict[str, Any]) -> None:
        self._body = json.dumps(document).encode()

    def stream(self) -> Iterator[bytes]:
        yield self._body


def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
    """Answer in ECR's stead; every part is taken as the next one."""
    body: Any = request.body
    operation = str(request.headers["X-Amz-Target"]).rpartition(".")[2]
    document: dict[str, Any] = {"uploadId": "00000000-0000-4000-8000-000000000000", "partSize": PART}
    if "UploadLayerPart" in operation:
        document["lastByteReceived"] = _members(bytes(body[-1_000:]))["partLastByte"]
    return AWSResponse(request.url, 200, HTTPHeaders(), _Answer(document))


def _members(body: bytes) -> dict[str, Any]:
    """Return what the end of a part's body says after its base64."""
    members: dict[str, Any] = json.loads(b"{" + body[body.index(b'", ') + 2 :])
    return members


def push(total: int, layers: int, method: Method) -> dict[str, Any]:
    """Push *layers* of *total* bytes together and return what it took."""
    session = Session(Config(parameter_validation=True))
    client = EcrRegistries(session, "111122223333").client(Registry("111122223333", "us-east-1"))
    client.api.meta.events.register("before-send.ecr", answer)
    meter = Meter()
    route = Route(
        source=ComputedSource(total),
        registry=client,
        repository=RepositoryName("bench/giant"),
        options=TransferOptions(layers_at_once=Settings().layers_at_once),
        meter=meter,
    )
    span = total // layers
    jobs = [LayerJob(content=ByteRange(n * span, span), encoding=Encoding(method)) for n in range(layers)]
    started = time.perf_counter()
    outcomes = store_layers([LayerTask(job=job) for job in jobs], route)
    seconds = time.perf_counter() - started
    pushed = sum(outcome.size for outcome in outcomes if isinstance(outcome, StoredLayer))
    return {
        "bytes": span * layers,
        "layers": layers,
        "method": str(method),
        "bytes_pushed": pushed,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(time.process_time(), 2),
        "peak_rss_mib": peak_rss() // MIB,
        **meter.totals(),
    }


def peak_rss() -> int:
    """Return the most memory that this process has had resident, in bytes (proc(5), VmHWM)."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+([0-9]+) kB", status)
    assert found  # noqa: S101 - Linux
    return int(found[1]) * 1024


def main() -> None:
    """Read the command line and print the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--gib", type=float, default=4)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--times", type=int, default=1, help="pushes one after the other, as a warm function does")
    parser.add_argument("--method", type=Method, choices=list(Method), default=Method.GZIP)
    options = parser.parse_args()
    os.environ.update(_NOBODY)
    for _ in range(options.times):
        result = push(int(options.gib * 1024 * MIB), options.layers, options.method)
    print(json.dumps(result))  # noqa: T201


if __name__ == "__main__":
    main()
