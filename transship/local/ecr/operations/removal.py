"""Images deleted, archived and restored."""

from __future__ import annotations

from transship.local.ecr.call import JSON, Call
from transship.local.ecr.content import Image
from transship.local.ecr.deletion import replicate_deletion
from transship.local.ecr.errors import EcrError
from transship.local.ecr.events import image_action
from transship.local.ecr.lookup import ImageFailure, ImageId, find_image, require_image
from transship.local.ecr.replication import replicate
from transship.local.ecr.repository import Repository


def batch_delete_image(call: Call) -> JSON:
    """Remove tags and images, in the order given; what cannot be removed stands in failures."""
    deleted: list[JSON] = []
    failures: list[JSON] = []
    for image_id in call.parameters["imageIds"]:
        try:
            deleted += delete_image(call, call.repository, image_id)
        except ImageFailure as failure:
            failures.append(failure.entry(image_id))
    return {"imageIds": deleted, "failures": failures}


def delete_image(call: Call, repository: Repository, image_id: ImageId) -> list[JSON]:
    """
    Remove one tag, and the image with its last tag; or by digest alone the image with all its tags (ecr.md 1.6).

    Raises:
        ImageFailure: It is not there, or an index names it.
    """
    with repository.lock:
        image = find_image(repository, image_id, call.now)
        tags = [image_id["imageTag"]] if "imageTag" in image_id else list(image.tags)
        if len(tags) == len(image.tags):
            if repository.is_child(image.digest):
                raise ImageFailure("ImageReferencedByManifestList")
            repository.remove_image(image)
        else:
            repository.remove_tag(tags[0])
    _announce_deletion(call, repository, image, tags)
    return [image.image_id(tag) for tag in tags] or [image.image_id()]


def _announce_deletion(call: Call, repository: Repository, image: Image, tags: list[str]) -> None:
    named: list[str | None] = [*tags] or [None]
    for tag in named:
        _announce(call, repository, image, "DELETE", tag)
    replicate_deletion(call.engine, call.registry, repository, image, tags)


def _announce(call: Call, repository: Repository, image: Image, action: str, tag: str | None, **more: str) -> None:
    event = image_action(
        repository.registry, call.now, repository=repository.name, image=image, action=action, tag=tag, **more
    )
    call.engine.emit(event)


def update_image_storage_class(call: Call) -> JSON:
    """Archive an image, or begin to restore it; a restored image is replicated as a pushed one is (ecr.md 3, 4)."""
    repository, target = call.repository, call.parameters["targetStorageClass"]
    with repository.lock:
        image = require_image(call, repository, call.parameters["imageId"])
        current = "ARCHIVE" if image.status_at(call.now) == "ARCHIVED" else "STANDARD"
        if current == target:
            text = f"The image is in the storage class {target} already"
            raise EcrError("ImageStorageClassUpdateNotSupportedException", text)
        if target == "ARCHIVE":
            image.status, image.archived_at = "ARCHIVED", call.now
        else:
            image.status, image.active_from = "ACTIVATING", call.now + call.options.restore_seconds
            image.activated_at = call.now
    _announce(call, repository, image, "UPDATE_STORAGE_CLASS", None, **{"target-storage-class": target})
    if target == "STANDARD":
        _replicate_restored(call, repository, image)
    return call.where | {"imageId": image.image_id(), "imageStatus": image.status}


def _replicate_restored(call: Call, repository: Repository, image: Image) -> None:
    tags: list[str | None] = [*image.tags] or [None]

    def act() -> None:
        for tag in tags:
            replicate(call.engine, call.registry, repository, image, tag)

    call.engine.agenda.at(image.active_from, act)
