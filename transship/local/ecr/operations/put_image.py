"""
PutImage: a manifest becomes an image, if all that it needs is there.

The order of its checks is UNKNOWN (ecr.md 1.5), so each is a function of its own and the switch names their order;
syntax and media type come first, since nothing can be judged without them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from transship.local.ecr.call import JSON, Call
from transship.local.ecr.content import Image
from transship.local.ecr.creation import pushed_to
from transship.local.ecr.errors import EcrError, invalid_parameter, limit_exceeded, missing_content
from transship.local.ecr.events import image_action
from transship.local.ecr.manifests import Manifest, ManifestError, digest_of, parse_manifest
from transship.local.ecr.names import is_tag
from transship.local.ecr.operations.layers import sweep_unreferenced_layers
from transship.local.ecr.options import PutImageCheck
from transship.local.ecr.replication import replicate
from transship.local.ecr.repository import Repository


@dataclass(frozen=True, slots=True)
class Push:
    """A manifest on its way into a repository."""

    call: Call
    repository: Repository
    text: bytes
    manifest: Manifest
    digest: str
    tag: str | None

    @property
    def stored(self) -> Image | None:
        """The image with this digest, if the repository has it already."""
        return self.repository.images.get(self.digest)


def put_image(call: Call) -> JSON:
    """Store a manifest, a tag, or both; announce and replicate it."""
    push = _read(call)
    repository = push.repository
    sweep_unreferenced_layers(call, repository)
    with repository.lock:
        repository.check_present()
        for check in call.options.put_image_checks:
            _CHECKS[check](push)
        image = _store(push)
    engine, registry = call.engine, call.registry
    engine.emit(
        image_action(registry.id, call.now, repository=repository.name, image=image, action="PUSH", tag=push.tag)
    )
    replicate(engine, registry, repository, image, push.tag)
    return {"image": image_document(call, image, push.tag)}


def image_document(call: Call, image: Image, tag: str | None) -> JSON:
    """Return the Image shape."""
    return call.where | {
        "imageId": image.image_id(tag),
        "imageManifest": image.text.decode(),
        "imageManifestMediaType": image.manifest.media_type,
    }


def _read(call: Call) -> Push:
    repository = pushed_to(call)
    text = call.parameters["imageManifest"].encode()
    tag = call.parameters.get("imageTag")
    if tag is not None and not is_tag(tag):
        raise invalid_parameter("imageTag", "must satisfy regular expression '[a-zA-Z0-9_][a-zA-Z0-9._-]*'")
    try:
        manifest = parse_manifest(text, call.parameters.get("imageManifestMediaType"))
    except ManifestError as error:
        raise invalid_parameter("ImageManifest", str(error)) from error
    return Push(call, repository, text, manifest, digest_of(text), tag)


def _store(push: Push) -> Image:
    repository, now = push.repository, push.call.now
    image = push.stored
    if image is None:
        size = repository.image_size(push.manifest)
        image = Image(push.digest, push.text, push.manifest, size, now, push.call.visible_from())
        if repository.settings.scan_on_push and not image.is_index:
            image.scanned_from = now
        repository.add_image(image)
    elif image.status_at(now) != "ACTIVE":
        # Pushing an archived image again restores it (ecr.md 1.5).
        image.status, image.activated_at = "ACTIVE", now
    if push.tag is not None:
        repository.set_tag(push.tag, image)
    return image


def _check_digest(push: Push) -> None:
    given = push.call.parameters.get("imageDigest")
    if given is not None and given != push.digest:
        text = f"Image digest '{given}' does not match the digest '{push.digest}' that was calculated"
        raise EcrError("ImageDigestDoesNotMatchException", text)


def _check_layers(push: Push) -> None:
    if push.manifest.config and not push.manifest.layers and not push.call.options.accepts_empty_layer_list:
        raise invalid_parameter("ImageManifest", "The manifest has no layers")
    absent = [blob.digest for blob in push.manifest.blobs() if push.repository.layer(blob.digest) is None]
    if absent:
        raise _missing(push, "LayersNotFoundException", "Layers", absent)


def _check_children(push: Push) -> None:
    absent = [child.digest for child in push.manifest.manifests if child.digest not in push.repository.images]
    if absent:
        raise _missing(push, "ReferencedImagesNotFoundException", "Images", absent)


def _check_subject(push: Push) -> None:
    subject = push.manifest.subject
    if push.call.options.subject_must_exist and subject and subject.digest not in push.repository.images:
        raise _missing(push, "ReferencedImagesNotFoundException", "Images", [subject.digest])


def _missing(push: Push, code: str, what: str, digests: list[str]) -> EcrError:
    return missing_content(code, what, dict.fromkeys(digests), push.repository.registry, push.repository.name)


def _check_tag(push: Push) -> None:
    tag, repository = push.tag, push.repository
    # Raised even if the tag names this very digest (ecr.md 1.5).
    if tag in repository.tags and repository.settings.is_immutable(tag):
        text = (
            f"The image tag '{tag}' already exists in the '{repository.name}' repository "
            "and cannot be overwritten because the tag is immutable."
        )
        raise EcrError("ImageTagAlreadyExistsException", text)


def _check_unchanged(push: Push) -> None:
    image, tag = push.stored, push.tag
    if image is None or image.status_at(push.call.now) != "ACTIVE" or (tag and tag not in image.tags):
        return
    tagged = f" and tag '{tag}'" if tag else ""
    text = (
        f"Image with digest '{push.digest}'{tagged} already exists in the repository with name "
        f"'{push.repository.name}' in registry with id '{push.repository.registry.account}'"
    )
    raise EcrError("ImageAlreadyExistsException", text)


def _check_limits(push: Push) -> None:
    options, image = push.call.options, push.stored
    if image is None and len(push.repository.images) >= options.images_per_repository:
        raise limit_exceeded("images in a repository", options.images_per_repository)
    if image is not None and push.tag not in image.tags and len(image.tags) >= options.tags_per_image:
        raise limit_exceeded("tags on an image", options.tags_per_image)


_CHECKS: dict[PutImageCheck, Callable[[Push], None]] = {
    "digest": _check_digest,
    "layers": _check_layers,
    "children": _check_children,
    "subject": _check_subject,
    "tag": _check_tag,
    "unchanged": _check_unchanged,
    "limits": _check_limits,
}
