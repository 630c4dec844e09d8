"""Images by digest or tag, as the read operations find them."""

from __future__ import annotations

from collections.abc import Mapping

from transship.local.ecr.call import JSON, Call
from transship.local.ecr.content import Image
from transship.local.ecr.errors import image_not_found
from transship.local.ecr.names import is_digest, is_tag
from transship.local.ecr.repository import Repository

ImageId = Mapping[str, str]

_REASONS = {
    "MissingDigestAndTag": "Invalid request parameters: both tag and digest are missing",
    "InvalidImageDigest": "Invalid request parameters: invalid image digest",
    "InvalidImageTag": "Invalid request parameters: invalid image tag",
    "ImageNotFound": "Requested image not found",
    "ImageTagDoesNotMatchDigest": "Requested image tag does not match the given digest",
    "ImageReferencedByManifestList": "Requested image referenced by manifest list",
    "ImageInaccessible": "Requested image is archived",
}


class ImageFailure(Exception):  # noqa: N818 - an entry of failures[], not an error of the call
    """An image id that cannot be served; `code` is an ImageFailureCode."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    def entry(self, image_id: ImageId) -> JSON:
        """Return the entry of failures[]."""
        return {"imageId": dict(image_id), "failureCode": self.code, "failureReason": _REASONS[self.code]}


def find_image(repository: Repository, image_id: ImageId, now: float) -> Image:
    """
    Return the image that *image_id* names by digest, by tag, or by both; the caller holds the repository's lock.

    Raises:
        ImageFailure: There is none, or the id is wrong.
    """
    digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
    if digest is None and tag is None:
        raise ImageFailure("MissingDigestAndTag")
    if digest is not None and not is_digest(digest):
        raise ImageFailure("InvalidImageDigest")
    if tag is not None and not is_tag(tag):
        raise ImageFailure("InvalidImageTag")
    image = repository.images.get(digest) if digest is not None else repository.tagged(tag or "")
    if image is None or image.visible_from > now:
        raise ImageFailure("ImageNotFound")
    if tag is not None and repository.tags.get(tag) != image.digest:
        raise ImageFailure("ImageTagDoesNotMatchDigest" if tag in repository.tags else "ImageNotFound")
    return image


def require_image(call: Call, repository: Repository, image_id: ImageId) -> Image:
    """
    Return the image, for an operation that has no failures list.

    Raises:
        EcrError: ImageNotFoundException.
    """
    try:
        return find_image(repository, image_id, call.now)
    except ImageFailure as failure:
        raise image_not_found(repository.registry, repository.name, dict(image_id)) from failure
