"""Blobs out: HEAD, GET by way of a presigned address, and that address itself with ranges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from werkzeug.wrappers import Request, Response

from transship.local.ecr.downloads import PATH
from transship.local.ecr.engine import Engine
from transship.local.ecr.errors import EcrError
from transship.local.ecr.names import is_digest
from transship.local.ecr.v2.errors import RegistryError, unknown_blob
from transship.local.ecr.v2.exchange import Exchange

_BLOCK = 256 * 1024


def head(exchange: Exchange) -> Response:
    """Say whether the repository has the blob, and its size."""
    digest = exchange.reference
    answer = exchange.perform("BatchCheckLayerAvailability", layerDigests=[digest])
    for layer in answer["layers"]:
        if layer["layerAvailability"] == "AVAILABLE":
            response = Response(status=200, content_type="application/octet-stream")
            response.headers["Docker-Content-Digest"] = digest
            response.content_length = layer["layerSize"]
            return response
    raise unknown_blob(digest)


def pull(exchange: Exchange) -> Response:
    """Send the client to the presigned address, as ECR does."""
    digest = exchange.reference
    try:
        answer = exchange.perform("GetDownloadUrlForLayer", layerDigest=digest)
    except EcrError as error:
        if error.code in ("LayersNotFoundException", "InvalidParameterException"):
            raise unknown_blob(digest) from error
        raise
    if not exchange.engine.options.redirects_blobs:
        return _file(exchange.engine.store.path(digest), digest, exchange.request)
    location = PATH + answer["downloadUrl"].partition(PATH)[2]
    return Response(status=307, headers={"Location": location, "Docker-Content-Digest": digest})


def download(engine: Engine, request: Request) -> Response:
    """Serve a presigned address; its signature is all the authority that it needs."""
    digest = request.path.removeprefix(PATH)
    expires, signature = (request.args.get(name, "") for name in ("expires", "signature"))
    if not is_digest(digest) or not engine.downloads.allows(digest, expires, signature):
        raise RegistryError(403, "DENIED", "The address has expired or is not signed")
    if request.method not in ("GET", "HEAD"):
        raise RegistryError(405, "UNSUPPORTED", "The operation is unsupported.")
    return _file(engine.store.path(digest), digest, request)


def _file(path: Path, digest: str, request: Request) -> Response:
    try:
        size = path.stat().st_size
        start, stop = _span(request, size)
        file = path.open("rb")
    except FileNotFoundError:
        raise unknown_blob(digest) from None
    response = Response(content_type="application/octet-stream")
    response.call_on_close(file.close)
    if (start, stop) != (0, size):
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Docker-Content-Digest"] = digest
    response.content_length = stop - start
    response.response = _blocks(file, start, stop)
    return response


def _span(request: Request, size: int) -> tuple[int, int]:
    """Return the first byte asked for and the one after the last; several ranges at once are answered by everything."""
    asked = request.range
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return 0, size
    span = asked.range_for_length(size)
    if span is None:
        raise RegistryError(
            416, "SIZE_INVALID", "The range is not within the blob", {"Content-Range": f"bytes */{size}"}
        )
    return span


def _blocks(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    file.seek(start)
    while start < stop and (block := file.read(min(_BLOCK, stop - start))):
        start += len(block)
        yield block
