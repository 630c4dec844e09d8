"""
Blobs in: one request, or POST then PATCHes then PUT.

ECR's known differences from the specification: PATCH answers 201 instead of 202; the Range it answers stays at the
end of the first chunk; a chunk that begins a used session again at byte 0 is 416. A blob of no bytes is accepted and
not kept (ecr.md 1.4: only PutImage then reports it missing). Whether ECR honours DELETE of a session, or a POST with
the whole blob, is not known; the specification's answers are given.
"""

from __future__ import annotations

import hashlib
import re

from werkzeug.wrappers import Response

from transship.local.ecr.access import authorize
from transship.local.ecr.call import Call
from transship.local.ecr.errors import EcrError
from transship.local.ecr.operations.layers import check_layer_limits, find_upload
from transship.local.ecr.uploads import LayerUpload
from transship.local.ecr.v2.errors import RegistryError
from transship.local.ecr.v2.exchange import Exchange

_BLOCK = 1024 * 1024
_CONTENT_RANGE = re.compile(r"(?:bytes )?(?P<first>[0-9]+)-(?P<last>[0-9]+)(?:/.*)?")
_EMPTY = f"sha256:{hashlib.sha256().hexdigest()}"


def start(exchange: Exchange) -> Response:
    """Open a session; mount a blob of another repository, or take the whole blob, if asked to and possible."""
    arguments = exchange.request.args
    mounted = arguments.get("mount", "")
    if mounted and _mount(exchange, mounted, arguments.get("from", "")):
        return _created(exchange, mounted)
    upload_id = exchange.perform("InitiateLayerUpload")["uploadId"]
    if "digest" in arguments:
        return _complete(exchange, upload_id, arguments["digest"])
    return _session(exchange, upload_id, 202, "0-0")


def _mount(exchange: Exchange, digest: str, origin: str) -> bool:
    registry = exchange.registry
    source, target = registry.find(origin), registry.find(exchange.name)
    if registry.account_settings["BLOB_MOUNTING"] != "ENABLED" or source is None or target is None:
        return False
    try:
        authorize(exchange.engine, exchange.caller, "GetDownloadUrlForLayer", registry, origin)
        authorize(exchange.engine, exchange.caller, "InitiateLayerUpload", registry, exchange.name)
    except EcrError:
        # The specification: a mount that may not be is an ordinary upload.
        return False
    layer = source.layer(digest)
    return layer is not None and target.add_layer(layer)


def progress(exchange: Exchange) -> Response:
    """Say how far a session has come."""
    with exchange.calling("UploadLayerPart", **_part(exchange.reference)) as call:
        upload = find_upload(call, call.repository)
        return _session(exchange, upload.upload_id, 204, _range(exchange, upload))


def add(exchange: Exchange) -> Response:
    """Take a chunk, or a stream of unknown length."""
    with exchange.calling("UploadLayerPart", **_part(exchange.reference)) as call:
        upload = find_upload(call, call.repository)
        _receive(exchange, call, upload)
        return _session(exchange, upload.upload_id, 201, _range(exchange, upload))


def finish(exchange: Exchange) -> Response:
    """Take what is left, and make it a blob."""
    digest = exchange.request.args.get("digest")
    if digest is None:
        raise RegistryError(400, "DIGEST_INVALID", "The digest parameter is missing")
    return _complete(exchange, exchange.reference, digest)


def cancel(exchange: Exchange) -> Response:
    """Drop a session."""
    with exchange.calling("UploadLayerPart", **_part(exchange.reference)) as call:
        call.repository.forget_upload(find_upload(call, call.repository).upload_id)
        return Response(status=204)


def _complete(exchange: Exchange, upload_id: str, digest: str) -> Response:
    if exchange.request.content_length or exchange.request.headers.get("Transfer-Encoding"):
        with exchange.calling("UploadLayerPart", **_part(upload_id)) as call:
            _receive(exchange, call, find_upload(call, call.repository))
    try:
        exchange.perform("CompleteLayerUpload", uploadId=upload_id, layerDigests=[digest])
    except EcrError as error:
        match error.code:
            case "LayerAlreadyExistsException":
                pass
            case "EmptyUploadException" if digest == _EMPTY:
                pass
            case "EmptyUploadException" | "InvalidParameterException":
                raise RegistryError(400, "DIGEST_INVALID", error.message) from error
            case _:
                raise
    return _created(exchange, digest)


def _part(upload_id: str) -> dict[str, object]:
    # What the shape of UploadLayerPart requires; the bytes themselves are streamed.
    return {"uploadId": upload_id, "partFirstByte": 0, "partLastByte": 0, "layerPartBlob": b""}


def _receive(exchange: Exchange, call: Call, upload: LayerUpload) -> None:
    with upload.lock:
        _check_position(exchange, upload)
        fresh = not upload.received
        while block := exchange.request.stream.read(_BLOCK):
            check_layer_limits(call, upload, len(block))
            upload.append(block)
        if fresh:
            upload.first_chunk = upload.received


def _check_position(exchange: Exchange, upload: LayerUpload) -> None:
    """Refuse a chunk that is not the next one; without Content-Range a PATCH begins at 0, a PUT goes on."""
    if not upload.open:
        raise RegistryError(404, "BLOB_UPLOAD_UNKNOWN", "The upload is finished")
    header = exchange.request.headers.get("Content-Range")
    match = _CONTENT_RANGE.fullmatch(header) if header else None
    if header and match is None:
        raise RegistryError(400, "BLOB_UPLOAD_INVALID", "Content-Range is not of the form FIRST-LAST")
    continues = exchange.request.method == "PUT"
    first = int(match["first"]) if match else (upload.received if continues else 0)
    length = exchange.request.content_length
    wrong_length = match is not None and length is not None and int(match["last"]) - first + 1 != length
    if first != upload.received or wrong_length:
        headers = {"Range": _range(exchange, upload), "Location": _location(exchange, upload.upload_id)}
        raise RegistryError(416, "BLOB_UPLOAD_INVALID", "The chunk is not the next one", headers)


def _range(exchange: Exchange, upload: LayerUpload) -> str:
    end = upload.received if exchange.engine.options.advances_chunk_range else upload.first_chunk
    return f"0-{max(end - 1, 0)}"


def _location(exchange: Exchange, upload_id: str) -> str:
    return f"/v2/{exchange.name}/blobs/uploads/{upload_id}"


def _session(exchange: Exchange, upload_id: str, status: int, received: str) -> Response:
    headers = {
        "Location": _location(exchange, upload_id),
        "Range": received,
        "Docker-Upload-UUID": upload_id,
    }
    return Response(status=status, headers=headers)


def _created(exchange: Exchange, digest: str) -> Response:
    headers = {"Location": f"/v2/{exchange.name}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Response(status=201, headers=headers)
