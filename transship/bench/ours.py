"""
Our side: the whole pipeline as it is deployed, its functions in processes of their own, against the AWS on this machine.

What counts as ours is what a peer does too: receive (reading the archive), push and publish. Confirming replicas is
what no peer does, and is counted apart. Calls of AWS are counted at the door of the local AWS, not by ourselves.
"""  # noqa: E501

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chalicelib.names import CONFIRM, PUBLISH, PUSH, RECEIVE, function_name
from chalicelib.state.upload import upload_id
from transship.aws import table
from transship.bench.measure import Taken
from transship.document import upload_document
from transship.following import follow
from transship.local_stage import STAGE, LocalStage
from transship.observation import observe
from transship.sending import send

_MOVING: Final = (RECEIVE, PUSH, PUBLISH)
_PATIENCE: Final = 600.0
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
        layer_bytes: Compressed, as pushed.
    """

    taken: Taken
    cold: int
    confirm_cpu_seconds: float
    metrics: dict[str, Any]
    calls: dict[str, int]
    layer_bytes: int


class CallCounter:
    """Counts signed calls at the door of the local AWS, by service and, for JSON services, operation."""

    def __init__(self, stage: LocalStage) -> None:
        self._own = stage.environment["AWS_ACCESS_KEY_ID"]
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        server = stage.aws._server  # noqa: SLF001 - the one place where every call passes
        self._app = server.app
        server.app = self

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Count, and hand on."""
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        service = _SCOPE.search(authorization)
        if service and self._own not in authorization:
            operation = environ.get("HTTP_X_AMZ_TARGET", environ["REQUEST_METHOD"]).rpartition(".")[2]
            with self._lock:
                self._counts[f"{service[1]}:{operation}"] += 1
        answer: Iterable[bytes] = self._app(environ, start)
        return answer

    def take(self) -> dict[str, int]:
        """Return the counts since the last time, and begin anew."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return dict(sorted(counts.items()))


def push(stage: LocalStage, counter: CallCounter, archive: Path, key: str) -> Push:
    """
    Upload *archive* under *key*, wait until the image is available everywhere, and return what moving it took.

    Raises:
        BenchError: It did not become available.
    """
    before = _cpu(stage)
    counter.take()
    began = time.time()
    sent = send(stage.client("s3"), archive, stage.deployment.bucket, key, lambda _: None)
    records = table(stage.deployment)
    number = upload_id(sent.bucket, sent.key, sent.version_id)
    seen = follow(lambda: observe(records, number), lambda _: None, patience=_PATIENCE)
    document = upload_document(seen)
    if document["status"] != "available":
        raise BenchError(f"{archive.name}: {document['status']} {document['code']} {document.get('detail')}")
    after = _cpu(stage)
    return Push(
        taken=_taken(stage, began, sum(after[name] - before[name] for name in _MOVING)),
        cold=sum(one.outcome.usage.init_seconds is not None for one in _invocations(stage, began, _MOVING)),
        confirm_cpu_seconds=after[CONFIRM] - before[CONFIRM],
        metrics=document["metrics"],
        calls=counter.take(),
        layer_bytes=sum(layer.size or 0 for layer in seen.layers),
    )


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
