"""Manifests in and out, by tag and by digest."""

from __future__ import annotations

from werkzeug.wrappers import Response

from transship.local.ecr.errors import EcrError
from transship.local.ecr.manifests import KNOWN, digest_of, parse_manifest
from transship.local.ecr.names import is_digest
from transship.local.ecr.v2.errors import RegistryError, unknown_manifest
from transship.local.ecr.v2.exchange import Exchange

# imageManifest is at most so many characters (ecr.md 1.5); a byte more is read so that the excess shows.
_MANIFEST_LIMIT = 4_194_304


def _image_id(reference: str) -> dict[str, str]:
    return {"imageDigest": reference} if ":" in reference else {"imageTag": reference}


def pull(exchange: Exchange) -> Response:
    """Return a manifest; by tag perhaps converted to what the client accepts."""
    accepted = [value for value, _ in exchange.request.accept_mimetypes if value in KNOWN]
    parameters = {"acceptedMediaTypes": accepted} if accepted else {}
    answer = exchange.perform("BatchGetImage", imageIds=[_image_id(exchange.reference)], **parameters)
    if answer["failures"]:
        raise unknown_manifest(answer["failures"][0]["failureReason"])
    image = answer["images"][0]
    body = image["imageManifest"].encode()
    response = Response(body, content_type=image["imageManifestMediaType"])
    response.headers["Docker-Content-Digest"] = image["imageId"]["imageDigest"]
    response.content_length = len(body)
    return response


def push(exchange: Exchange) -> Response:
    """Store a manifest; one that is there already is no error here."""
    text = _body(exchange)
    digest = digest_of(text)
    media_type = exchange.request.mimetype
    parameters: dict[str, str] = {"imageManifest": text.decode()}
    if media_type in KNOWN:
        parameters["imageManifestMediaType"] = media_type
    key = "imageDigest" if is_digest(exchange.reference) else "imageTag"
    try:
        exchange.perform("PutImage", **parameters, **{key: exchange.reference})
    except EcrError as error:
        if error.code != "ImageAlreadyExistsException":
            raise
    headers = {"Location": f"/v2/{exchange.name}/manifests/{digest}", "Docker-Content-Digest": digest}
    subject = parse_manifest(text, parameters.get("imageManifestMediaType")).subject
    if subject is not None:
        headers["OCI-Subject"] = subject.digest
    return Response(status=201, headers=headers)


def _body(exchange: Exchange) -> bytes:
    text = exchange.request.stream.read(_MANIFEST_LIMIT + 1)
    try:
        text.decode()
    except UnicodeDecodeError as error:
        message = "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
        raise RegistryError(405, "UNSUPPORTED", message) from error
    return text


def delete(exchange: Exchange) -> Response:
    """Delete an image by digest, or a tag."""
    answer = exchange.perform("BatchDeleteImage", imageIds=[_image_id(exchange.reference)])
    for failure in answer["failures"]:
        if failure["failureCode"] == "ImageReferencedByManifestList":
            raise RegistryError(403, "DENIED", failure["failureReason"])
        raise unknown_manifest(failure["failureReason"])
    return Response(status=202)
