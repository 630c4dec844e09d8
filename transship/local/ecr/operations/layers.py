"""The four operations that store a layer, in the order of checks of ecr.md section 8."""

from __future__ import annotations

from transship.local.ecr.call import JSON, Call
from transship.local.ecr.creation import pushed_to
from transship.local.ecr.errors import EcrError, limit_exceeded, upload_not_found
from transship.local.ecr.names import is_digest
from transship.local.ecr.options import MIB
from transship.local.ecr.repository import Repository
from transship.local.ecr.uploads import LayerUpload

# The shape of layerPartBlob allows 20 MiB, the quota table 10 MiB (ecr.md 1.3).
_PART_SHAPE_LIMIT = 20 * MIB
_PART_QUOTA_LIMIT = 10 * MIB


def batch_check_layer_availability(call: Call) -> JSON:
    """Say of each digest whether the repository has it."""
    repository = call.repository
    sweep_unreferenced_layers(call, repository)
    layers: list[JSON] = []
    failures: list[JSON] = []
    for digest in call.parameters["layerDigests"]:
        if not digest:
            failures.append(_failure(digest, "MissingLayerDigest", "No layer digest was given"))
        elif not is_digest(digest):
            failures.append(_failure(digest, "InvalidLayerDigest", "Invalid layer digest"))
        else:
            layers.append(_availability(call, repository, digest))
    return {"layers": layers, "failures": failures}


def _failure(digest: str, code: str, reason: str) -> JSON:
    return {"layerDigest": digest, "failureCode": code, "failureReason": reason}


def _availability(call: Call, repository: Repository, digest: str) -> JSON:
    layer = repository.layer(digest)
    if layer is None or layer.visible_from > call.now:
        return {"layerDigest": digest, "layerAvailability": "UNAVAILABLE"}
    document: JSON = {"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": layer.size}
    if layer_is_archived(call, repository, digest):
        document["layerAvailability"] = "ARCHIVED"
    if layer.media_type:
        document["mediaType"] = layer.media_type
    return document


def layer_is_archived(call: Call, repository: Repository, digest: str) -> bool:
    """Tell whether the layer belongs to images, none of which is ACTIVE."""
    with repository.lock:
        statuses = {image.status_at(call.now) for image in repository.images_with_layer(digest)}
    return bool(statuses) and "ACTIVE" not in statuses


def sweep_unreferenced_layers(call: Call, repository: Repository) -> None:
    """Clean up layers that no image has named for as long as the switch allows."""
    lifetime = call.options.unreferenced_layer_lifetime_seconds
    if lifetime is not None:
        repository.drop_layers_stored_before(call.now - lifetime)


def initiate_layer_upload(call: Call) -> JSON:
    """Begin a layer."""
    repository = pushed_to(call)
    repository.forget_uploads_started_before(_oldest_start(call))
    upload = repository.start_upload(call.now)
    return {"uploadId": upload.upload_id, "partSize": call.options.part_size}


def upload_layer_part(call: Call) -> JSON:
    """Add a part, if it begins where the last one ended."""
    repository = call.repository
    upload = find_upload(call, repository)
    first, last, blob = (call.parameters[name] for name in ("partFirstByte", "partLastByte", "layerPartBlob"))
    with upload.lock:
        if not upload.open:
            raise upload_not_found(repository.registry, repository.name, upload.upload_id)
        if not 0 < len(blob) <= _part_limit(call) or len(blob) != last - first + 1 or first != upload.received:
            raise _invalid_part(call, upload, first)
        check_layer_limits(call, upload, len(blob))
        upload.append_part(blob)
        received = upload.received
    return call.where | {"uploadId": upload.upload_id, "lastByteReceived": received - 1}


def _part_limit(call: Call) -> int:
    return _PART_SHAPE_LIMIT if call.options.accepts_parts_above_part_limit else _PART_QUOTA_LIMIT


def _invalid_part(call: Call, upload: LayerUpload, first: int) -> EcrError:
    last_valid = upload.received - 1 if upload.received else call.options.last_valid_byte_of_empty_upload
    text = (
        f"Part with first byte {first} is not valid: its size is not valid, or its first byte is not consecutive to "
        f"the last byte of the previous part of the upload with id '{upload.upload_id}'"
    )
    members = call.where | {"uploadId": upload.upload_id}
    if last_valid is not None:
        members["lastValidByteReceived"] = last_valid
    return EcrError("InvalidLayerPartException", text, **members)


def check_layer_limits(call: Call, upload: LayerUpload, more: int) -> None:
    """
    Raise if the upload has all its parts, or *more* bytes would make the layer too large.

    Raises:
        EcrError: LimitExceededException.
    """
    if upload.parts >= call.options.parts_per_layer:
        raise limit_exceeded("parts in a layer", call.options.parts_per_layer)
    if upload.received + more > call.options.layer_size_limit:
        raise limit_exceeded("bytes in a layer", call.options.layer_size_limit)


def find_upload(call: Call, repository: Repository) -> LayerUpload:
    """
    Return the upload that `uploadId` names in *repository*.

    Raises:
        EcrError: UploadNotFoundException.
    """
    upload_id = call.parameters["uploadId"]
    if any(rule.kind == "stale-upload" for rule in call.faults):
        repository.forget_upload(upload_id)
    upload = repository.upload(upload_id, _oldest_start(call))
    if upload is None:
        raise upload_not_found(repository.registry, repository.name, upload_id)
    return upload


def _oldest_start(call: Call) -> float:
    lifetime = call.options.upload_lifetime_seconds
    return call.now - lifetime if lifetime is not None else float("-inf")


def complete_layer_upload(call: Call) -> JSON:
    """Make the parts a layer, if they are what the caller says."""
    repository = call.repository
    upload = find_upload(call, repository)
    with upload.lock:
        _check_parts(call, upload)
        digest = upload.digest()
        given = call.parameters["layerDigests"]
        if set(given) != {digest}:
            text = f"Layer digest computed '{digest}' does not match the given digests '[{', '.join(given)}]'"
            raise EcrError("InvalidLayerException", text)
        if repository.layer(digest) is not None:
            # The bytes are not needed; the id stays known, so that a repeated call gets the same answer.
            upload.discard()
            text = f"Layer with digest '{digest}' already exists in the repository with name '{repository.name}'"
            raise EcrError("LayerAlreadyExistsException", text)
        if not upload.open:
            # Completed before, and its layer deleted since; or dropped with its repository just now.
            raise upload_not_found(repository.registry, repository.name, upload.upload_id)
        repository.finish_upload(upload, call.now, call.visible_from())
    return call.where | {"uploadId": upload.upload_id, "layerDigest": digest}


def _check_parts(call: Call, upload: LayerUpload) -> None:
    if not upload.received:
        raise EcrError("EmptyUploadException", f"The upload with id '{upload.upload_id}' does not contain any parts")
    smallest = upload.smallest_inner_part
    if smallest is not None and smallest < call.options.min_part_size:
        text = f"Layer parts must be at least {call.options.min_part_size} bytes, but one has {smallest} bytes"
        raise EcrError("LayerPartTooSmallException", text)
