"""
Our side: the whole pipeline as it is deployed, its functions in processes of their own, against the AWS on this machine.

What counts as ours is what a peer does too: receive (reading the archive), push and publish. Confirming replicas is
what no peer does, and is counted apart. Calls of AWS are counted at the door of the local AWS, not by ourselves.
"""  # noqa: E501

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chalicelib.names import CONFIRM, PUBLISH, PUSH, RECEIVE, function_name
from chalicelib.ports.table import Table
from chalicelib.state.upload import upload_id
from transship.bench.capacity import Capacity
from transship.bench.measure import Taken
from transship.document import upload_document
from transship.following import follow
from transship.keys import PREFIX
from transship.local_stage import STAGE, LocalStage
from transship.observation import observe
from transship.sending import send

_MOVING: Final = (RECEIVE, PUSH, PUBLISH)
_PATIENCE: Final = 600.0
_GLANCE: Final = 0.02  # seconds
_QUIET: Final = 2.0  # seconds in which no function runs: longer than one takes to start
_SCOPE: Final = re.compile(r"Credential=[^/]+/[0-9]+/[^/]+/([a-z0-9]+)/")


class BenchError(Exception):
    """The pipeline did not do what it was asked to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """
    One archive's way.

    Attributes:
        taken: By receive, push and publish.
        cold: Functions that had to be started.
        confirm_cpu_seconds: By confirm.
        metrics: As the upload's document has them.
        calls: Of each AWS service until the image was available, the bench's own left out.
        capacity: Read and write request units of DynamoDB, of the same calls.
        layer_bytes: Compressed, as pushed.
    """

    taken: Taken
    cold: int
    confirm_cpu_seconds: float
    metrics: dict[str, Any]
    calls: dict[str, int]
    capacity: tuple[float, float]
    layer_bytes: int


class CallCounter:
    """Counts signed calls at the door of the local AWS, by service and, for JSON services, operation."""

    def __init__(self, stage: LocalStage) -> None:
        self._own = stage.environment["AWS_ACCESS_KEY_ID"]
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._capacity = Capacity()
        server = stage.aws._server  # noqa: SLF001 - the one place where every call passes
        self._app = server.app
        server.app = self

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Count, and hand on."""
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        service = _SCOPE.search(authorization)
        if not service or self._own in authorization:
            answer: Iterable[bytes] = self._app(environ, start)
            return answer
        operation = environ.get("HTTP_X_AMZ_TARGET", environ["REQUEST_METHOD"]).rpartition(".")[2]
        with self._lock:
            self._counts[f"{service[1]}:{operation}"] += 1
        if service[1] == "dynamodb":
            return [self._weigh(operation, environ, start)]
        return self._app(environ, start)

    def _weigh(self, operation: str, environ: dict[str, Any], start: Callable[..., Any]) -> bytes:
        """Hand a call of DynamoDB on, and note what it takes."""
        request = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(request)
        statuses: list[str] = []

        def noting(status: str, *rest: Any) -> Any:
            statuses.append(status)
            return start(status, *rest)

        answer = b"".join(self._app(environ, noting))
        with self._lock:
            succeeded = statuses[0].startswith("200")
            self._capacity.note(operation, json.loads(request), json.loads(answer), succeeded=succeeded)
        return answer

    def take(self) -> tuple[dict[str, int], tuple[float, float]]:
        """Return the counts and the units of DynamoDB since the last time, and begin anew."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            units = self._capacity.reads, self._capacity.writes
            self._capacity.reads = self._capacity.writes = 0.0
        return dict(sorted(counts.items())), units


def push(stage: LocalStage, counter: CallCounter, records: Table, archive: Path, key: str) -> Push:
    """
    Upload *archive* under *key*, wait until the image is available everywhere, and return what moving it took.

    The object is deleted again: what lies on the disk would be written to it while the next case runs.
    *records* is looked at when the image has been put: this process is the local AWS too, and what a look takes of it
    (20 ms; with a new client 250) would be missing to what is measured. No peer is watched in that way.

    Raises:
        BenchError: It did not become available.
    """
    before = _cpu(stage)
    counter.take()
    began = time.time()
    sent = send(stage.client("s3"), archive, stage.deployment.bucket, key, lambda _: None)
    _await_put(stage, began)
    number = upload_id(sent, PREFIX)
    seen = follow(lambda: observe(records, number), lambda _: None, patience=_PATIENCE)
    document = upload_document(seen)
    if document["status"] != "available":
        raise BenchError(f"{archive.name}: {document['status']} {document['code']} {document.get('detail')}")
    after = _cpu(stage)
    calls, capacity = counter.take()
    stage.client("s3").delete_object(Bucket=sent.bucket, Key=sent.key, VersionId=sent.version_id)
    return Push(
        taken=_taken(stage, began, sum(after[name] - before[name] for name in _MOVING)),
        cold=sum(one.outcome.usage.init_seconds is not None for one in _invocations(stage, began, _MOVING)),
        confirm_cpu_seconds=after[CONFIRM] - before[CONFIRM],
        metrics=document["metrics"],
        calls=calls,
        capacity=capacity,
        layer_bytes=sum(layer.size or 0 for layer in seen.layers),
    )


def forget(stage: LocalStage, repository: str) -> None:
    """
    Delete *repository* wherever it is.

    Every case then finds as much memory free that was used before as a registry that was just started and stopped
    leaves; on a virtual machine memory that was never used costs 2.5 ms for each MiB (measured).
    """
    for registry in stage.aws.registries:
        ecr = stage.client("ecr", registry.account, registry.region)
        with suppress(ecr.exceptions.RepositoryNotFoundException):
            ecr.delete_repository(repositoryName=repository, force=True)


def settle(stage: LocalStage) -> None:
    """Wait until no function has run for a while: a deployment sends test events, which start some."""
    _await(stage, lambda: False)


def _await_put(stage: LocalStage, since: float) -> None:
    """Wait until publish has ended or nothing happens any more, without a call of AWS."""
    publish = function_name(STAGE, PUBLISH)
    _await(stage, lambda: bool(stage.aws.functions.invocations(since, publish)))


def _await(stage: LocalStage, over: Callable[[], bool]) -> None:
    names = [function_name(STAGE, name) for name in _MOVING]
    ran = time.monotonic()
    while not over() and time.monotonic() - ran < _QUIET:
        if any(stage.aws.functions.pool.count(name)[0] for name in names):
            ran = time.monotonic()
        time.sleep(_GLANCE)


def _cpu(stage: LocalStage) -> dict[str, float]:
    functions = stage.aws.functions
    return {name: functions.usage(function_name(STAGE, name)).cpu_seconds for name in (*_MOVING, CONFIRM)}


def _invocations(stage: LocalStage, since: float, names: Iterable[str]) -> list[Any]:
    wanted = {function_name(STAGE, name) for name in names}
    return [one for one in stage.aws.functions.invocations(since=since) if one.function in wanted]


def _taken(stage: LocalStage, since: float, cpu_seconds: float) -> Taken:
    """Wall time runs from receive's first to publish's last moment."""
    moving = _invocations(stage, since, _MOVING)
    begun = min(one.ended - one.outcome.usage.seconds for one in moving)
    return Taken(
        seconds=max(one.ended for one in moving) - begun,
        cpu_seconds=cpu_seconds,
        peak_rss_mib=max(one.outcome.usage.peak_rss_mib for one in moving),
    )
