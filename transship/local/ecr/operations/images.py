"""Images read back: by id, as details, as a list, as referrers, and the addresses of their layers."""

from __future__ import annotations

from collections.abc import Iterator

from transship.local.ecr.call import JSON, Call
from transship.local.ecr.content import Image
from transship.local.ecr.conversion import converted
from transship.local.ecr.errors import EcrError, invalid_parameter, missing_content
from transship.local.ecr.lookup import ImageFailure, ImageId, find_image, require_image
from transship.local.ecr.manifests import digest_of
from transship.local.ecr.names import is_digest
from transship.local.ecr.operations.layers import layer_is_archived
from transship.local.ecr.operations.put_image import image_document
from transship.local.ecr.paging import page
from transship.local.ecr.repository import Repository

# lastRecordedPullTime is written at most once a day (ecr.md 1.6).
_PULL_TIME_SECONDS = 86_400


def batch_get_image(call: Call) -> JSON:
    """Return manifests; what cannot be returned stands in failures."""
    images: list[JSON] = []
    failures: list[JSON] = []
    repository = call.repository
    for image_id in call.parameters["imageIds"]:
        try:
            with repository.lock:
                images.append(_pulled(call, repository, image_id))
        except ImageFailure as failure:
            failures.append(failure.entry(image_id))
    return {"images": images, "failures": failures}


def _pulled(call: Call, repository: Repository, image_id: ImageId) -> JSON:
    image = find_image(repository, image_id, call.now)
    if image.status_at(call.now) != "ACTIVE":
        raise ImageFailure("ImageInaccessible")
    _record_pull(call, image)
    return _translated(call, image, image_id) | call.where


def _translated(call: Call, image: Image, image_id: ImageId) -> JSON:
    document = image_document(call, image, image_id.get("imageTag"))
    accepted = frozenset(call.parameters.get("acceptedMediaTypes", ()))
    by_tag = "imageDigest" not in image_id
    if not call.options.converts_manifests or not accepted or not by_tag or image.manifest.media_type in accepted:
        return document
    other = converted(image.text, image.manifest.media_type, accepted)
    if other is None:
        return document
    text, media_type = other
    return document | {
        "imageId": {"imageDigest": digest_of(text), "imageTag": image_id["imageTag"]},
        "imageManifest": text.decode(),
        "imageManifestMediaType": media_type,
    }


def _record_pull(call: Call, image: Image) -> None:
    if call.caller.arn in call.registry.pull_time_exclusions:
        return
    if image.pulled_at is None or call.now - image.pulled_at >= _PULL_TIME_SECONDS:
        image.pulled_at = call.now


def describe_images(call: Call) -> JSON:
    """Return details of the given images (all must exist), or of a page of all."""
    repository, parameters = call.repository, call.parameters
    with repository.lock:
        if "imageIds" in parameters:
            if "maxResults" in parameters or "nextToken" in parameters:
                raise invalid_parameter("imageIds", "must not be combined with maxResults or nextToken")
            images = [require_image(call, repository, image_id) for image_id in parameters["imageIds"]]
            return {"imageDetails": [_detail(call, repository, image) for image in _once(images)]}
        chosen, more = page(_listed(call, repository), lambda image: image.digest, parameters, 100)
        return {"imageDetails": [_detail(call, repository, image) for image in chosen]} | more


def _once(images: list[Image]) -> list[Image]:
    return list({image.digest: image for image in images}.values())


def _listed(call: Call, repository: Repository) -> Iterator[Image]:
    # Only ACTIVE images are listed unless the filter says otherwise (ecr.md 0).
    filters = call.parameters.get("filter", {})
    status, tagged = filters.get("imageStatus", "ACTIVE"), filters.get("tagStatus", "ANY")
    for image in repository.images.values():
        if image.visible_from > call.now or status not in ("ANY", image.status_at(call.now)):
            continue
        if tagged in ("ANY", "TAGGED" if image.tags else "UNTAGGED"):
            yield image


def _detail(call: Call, repository: Repository, image: Image) -> JSON:
    optional = {
        "imageTags": list(image.tags) or None,
        "artifactMediaType": image.manifest.artifact_type,
        "subjectManifestDigest": image.manifest.subject.digest if image.manifest.subject else None,
        "lastRecordedPullTime": image.pulled_at,
        "lastArchivedAt": image.archived_at,
        "lastActivatedAt": image.activated_at,
    }
    return {
        "registryId": repository.registry.account,
        "repositoryName": repository.name,
        "imageDigest": image.digest,
        "imageSizeInBytes": image.size,
        "imagePushedAt": image.pushed_at,
        "imageManifestMediaType": image.manifest.media_type,
        "imageStatus": image.status_at(call.now),
    } | {key: value for key, value in optional.items() if value is not None}


def list_images(call: Call) -> JSON:
    """Return image ids: one for each tag, and one for each untagged image."""
    repository = call.repository
    with repository.lock:
        ids = [entry for image in _listed(call, repository) for entry in image.image_ids()]
    chosen, more = page(ids, lambda entry: f"{entry['imageDigest']}/{entry.get('imageTag', '')}", call.parameters, 100)
    return {"imageIds": chosen} | more


def list_image_referrers(call: Call) -> JSON:
    """Return the artifacts whose subject is the given image, which need not exist."""
    repository, subject = call.repository, call.parameters["subjectId"]["imageDigest"]
    if not is_digest(subject):
        raise invalid_parameter("imageDigest", "must be a sha256 digest")
    filters = call.parameters.get("filter", {})
    status, types = filters.get("artifactStatus", "ACTIVE"), filters.get("artifactTypes")
    with repository.lock:
        found = [
            _referrer(call, image)
            for image in repository.referrers(subject)
            if image.visible_from <= call.now
            and status in ("ANY", image.status_at(call.now))
            and (not types or image.manifest.artifact_type in types)
        ]
    chosen, more = page(found, lambda entry: str(entry["digest"]), call.parameters, 20)
    return {"referrers": chosen} | more


def _referrer(call: Call, image: Image) -> JSON:
    document: JSON = {
        "digest": image.digest,
        "mediaType": image.manifest.media_type,
        "size": len(image.text),
        "annotations": dict(image.manifest.annotations),
        "artifactStatus": image.status_at(call.now),
    }
    if image.manifest.artifact_type:
        document["artifactType"] = image.manifest.artifact_type
    return document


def get_download_url_for_layer(call: Call) -> JSON:
    """Return an address of a layer that some image names."""
    repository, digest = call.repository, call.parameters["layerDigest"]
    layer = repository.layer(digest)
    if layer is None or layer.visible_from > call.now:
        raise missing_content("LayersNotFoundException", "Layers", [digest], repository.registry, repository.name)
    with repository.lock:
        referenced = bool(repository.images_with_layer(digest))
    if not referenced or layer_is_archived(call, repository, digest):
        text = f"The layer with digest '{digest}' is not available because it is not associated with an image"
        raise EcrError("LayerInaccessibleException", text)
    return {"downloadUrl": call.registry.url + call.engine.downloads.path(digest), "layerDigest": digest}
