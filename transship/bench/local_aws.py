"""
The local AWS beside stock moto server, in one run: `python -m transship.bench.local_aws`.

Both are started as a user starts them, each in a process of its own, and asked in turn by the same client:

- ready: from the start of the process to the first answer;
- an 8 MiB range of a 1 GiB object;
- UploadLayerPart of 10 MiB, whose body was built and signed beforehand, so that the server is timed and not botocore;
- an image of 5 GiB, pushed part by part and replicated to four registries: ours alone, for moto replicates nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import random
import socket
import statistics
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from transship.bench.measure import high_water

_RESULT: Final = Path(__file__).resolve().parents[2] / "build" / "bench" / "local_aws.json"
_MIB: Final = 1 << 20
_PART: Final = 10 * _MIB
_RANGE: Final = 8 * _MIB
_OBJECT: Final = 1024 * _MIB
_OBJECT_PART: Final = 16 * _MIB
_REGION: Final = "us-east-1"
_DESTINATIONS: Final = ("eu-west-1", "eu-central-1", "us-west-2", "ap-southeast-2")
_TARGET: Final = "AmazonEC2ContainerRegistry_V20150921.UploadLayerPart"
_NOISE: Final = random.Random(1).randbytes(_OBJECT_PART)  # noqa: S311 - the same bytes each time
_REPOSITORY: Final = "bench/app"


@dataclass(frozen=True, slots=True)
class Server:
    """A running AWS: *ready* is seconds from the start of its process to its first answer."""

    url: str
    pid: int
    ready: float
    access_key: str
    secret_key: str

    def client(self, service: str) -> Any:
        """Return a boto3 client of *service*."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name=_REGION,
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=300),
        )


@contextmanager
def ours() -> Iterator[Server]:
    """Start `python -m transship.local`."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "transship.local", "--json"]
    with _process(command, stdout=subprocess.PIPE) as process:
        assert process.stdout  # noqa: S101 - it is a pipe
        ready = json.loads(process.stdout.readline())
        keys = ready["environment"]
        seconds = time.perf_counter() - started
        yield Server(
            ready["endpoint_url"], process.pid, seconds, keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]
        )


@contextmanager
def stock_moto() -> Iterator[Server]:
    """Start `moto_server`."""
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        port = found.getsockname()[1]
    started = time.perf_counter()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _process(command, stdout=subprocess.DEVNULL) as process:
        while not _answers(port):
            time.sleep(0.01)  # between two looks at the port
        yield Server(f"http://127.0.0.1:{port}", process.pid, time.perf_counter() - started, "any", "any")


@contextmanager
def _process(command: list[str], **pipes: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, **pipes) as process:  # noqa: S603
        try:
            yield process
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/moto-api/")
        connection.getresponse().read()
        connection.close()
    except OSError:
        return False
    return True


def store_object(server: Server) -> None:
    """Upload an object of 1 GiB in parts."""
    s3 = server.client("s3")
    s3.create_bucket(Bucket="bench")
    at = {"Bucket": "bench", "Key": "large", "UploadId": ""}
    at["UploadId"] = s3.create_multipart_upload(Bucket="bench", Key="large")["UploadId"]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**at, PartNumber=number, Body=_NOISE)["ETag"]}
        for number in range(1, _OBJECT // _OBJECT_PART + 1)
    ]
    s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})


def read_range(s3: Any, offset: int) -> float:
    """Return the seconds that a range takes."""
    started = time.perf_counter()
    body = s3.get_object(Bucket="bench", Key="large", Range=f"bytes={offset}-{offset + _RANGE - 1}")["Body"].read()
    seconds = time.perf_counter() - started
    expected = (_NOISE + _NOISE)[offset % _OBJECT_PART :][:_RANGE]
    if body != expected:
        raise AssertionError(f"{len(body)} bytes at {offset} are not what was put there")
    return seconds


class Layer:
    """A layer on its way up, part by part."""

    def __init__(self, server: Server, ecr: Any) -> None:
        self._server, self._ecr = server, ecr
        self._id = ecr.initiate_layer_upload(repositoryName=_REPOSITORY)["uploadId"]
        self._digest = hashlib.sha256()
        self.size = 0

    def add(self, content: bytes) -> float:
        """Upload the next part and return the seconds that the server took."""
        request = self._signed(content)
        connection = http.client.HTTPConnection(self._server.url.removeprefix("http://"), timeout=300)
        connection.connect()
        started = time.perf_counter()
        connection.request("POST", "/", request.data, dict(request.headers.items()))
        answer = connection.getresponse()
        said = json.loads(answer.read())
        seconds = time.perf_counter() - started
        connection.close()
        if answer.status != 200:
            raise AssertionError(f"UploadLayerPart answered {answer.status}: {said}")
        self._digest.update(content)
        self.size += len(content)
        return seconds

    def complete(self) -> str:
        """Close the layer and return its digest."""
        digest = f"sha256:{self._digest.hexdigest()}"
        self._ecr.complete_layer_upload(repositoryName=_REPOSITORY, uploadId=self._id, layerDigests=[digest])
        return digest

    def _signed(self, content: bytes) -> Any:
        body = {
            "repositoryName": _REPOSITORY,
            "uploadId": self._id,
            "partFirstByte": self.size,
            "partLastByte": self.size + len(content) - 1,
            "layerPartBlob": b64encode(content).decode(),
        }
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": _TARGET}
        request = AWSRequest("POST", f"{self._server.url}/", headers, json.dumps(body).encode())
        SigV4Auth(Credentials(self._server.access_key, self._server.secret_key), "ecr", _REGION).add_auth(request)
        return request


def compare(servers: Mapping[str, Server], rounds: int) -> dict[str, dict[str, float]]:
    """Ask each server in turn and return the medians in milliseconds."""
    offsets = random.Random(2)  # noqa: S311 - the same offsets each time
    taken: dict[str, dict[str, list[float]]] = {name: {"range": [], "part": []} for name in servers}
    ecrs = {name: server.client("ecr") for name, server in servers.items()}
    s3s = {name: server.client("s3") for name, server in servers.items()}
    layers = {}
    for name, server in servers.items():
        store_object(server)
        ecrs[name].create_repository(repositoryName=_REPOSITORY)
        layers[name] = Layer(server, ecrs[name])
    for _ in range(rounds):
        offset = offsets.randrange(_OBJECT - _RANGE)
        for name in servers:
            taken[name]["range"].append(read_range(s3s[name], offset))
            taken[name]["part"].append(layers[name].add(_NOISE[:_PART]))
    return {
        name: {case: round(statistics.median(seconds) * 1000, 1) for case, seconds in cases.items()}
        for name, cases in taken.items()
    }


def push_image(server: Server, gib: int) -> dict[str, Any]:
    """Push an image of *gib* layers of 1 GiB each and wait for four replicas; return what it took."""
    ecr = server.client("ecr")
    registry = ecr.describe_registry()["registryId"]
    rule = {"destinations": [{"region": region, "registryId": registry} for region in _DESTINATIONS]}
    ecr.put_replication_configuration(replicationConfiguration={"rules": [rule]})
    started = time.perf_counter()
    layers = [_push_layer(server, ecr, number) for number in range(gib)]
    config = Layer(server, ecr)
    config.add(b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
    kind = "application/vnd.oci.image"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": {"mediaType": f"{kind}.config.v1+json", "digest": config.complete(), "size": config.size},
        "layers": [{"mediaType": f"{kind}.layer.v1.tar", "digest": digest, "size": size} for digest, size in layers],
    }
    put = ecr.put_image(repositoryName=_REPOSITORY, imageManifest=json.dumps(manifest), imageTag="1")
    pushed = time.perf_counter() - started
    _await_replicas(ecr, put["image"]["imageId"]["imageDigest"])
    return {
        "gib": gib,
        "seconds": round(pushed, 1),
        "replicated_after_seconds": round(time.perf_counter() - started - pushed, 1),
        "registries": 1 + len(_DESTINATIONS),
        "peak_rss_mib": round(high_water(server.pid) / 1024, 1),
    }


def _push_layer(server: Server, ecr: Any, number: int) -> tuple[str, int]:
    layer = Layer(server, ecr)
    while layer.size < 1024 * _MIB:
        block = b"%08d%08d" % (number, layer.size // _PART) + _NOISE[16:_PART]
        layer.add(block[: 1024 * _MIB - layer.size])
    return layer.complete(), layer.size


def _await_replicas(ecr: Any, digest: str, patience: float = 60) -> None:
    deadline = time.monotonic() + patience
    while True:
        image = {"imageDigest": digest}
        answer = ecr.describe_image_replication_status(repositoryName=_REPOSITORY, imageId=image)
        statuses = [entry["status"] for entry in answer["replicationStatuses"]]
        if statuses == ["COMPLETE"] * len(_DESTINATIONS):
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"replication stands at {statuses}")
        time.sleep(0.05)  # between two looks


def main() -> None:
    """Read the command line, measure, print and write the result."""
    parser = argparse.ArgumentParser(prog="python -m transship.bench.local_aws", description=__doc__.split("\n")[1])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--image-gib", type=int, default=5)
    options = parser.parse_args()
    document: dict[str, Any] = {}
    with ours() as first, stock_moto() as second:
        servers = {"transship": first, "moto": second}
        medians = compare(servers, options.rounds)
        for name, server in servers.items():
            peak = round(high_water(server.pid) / 1024, 1)
            document[name] = {"ready_seconds": round(server.ready, 2), **medians[name], "peak_rss_mib": peak}
    document["times_faster"] = {
        case: round(medians["moto"][case] / medians["transship"][case], 1) for case in ("range", "part")
    }
    with ours() as server:
        server.client("ecr").create_repository(repositoryName=_REPOSITORY)
        document["image"] = push_image(server, options.image_gib)
    _RESULT.parent.mkdir(parents=True, exist_ok=True)
    _RESULT.write_text(json.dumps(document, indent=2) + "\n")
    print(json.dumps(document, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
