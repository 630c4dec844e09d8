"""
What a replication does at its destination.

Rules (ecr.md 4): another account's registry policy must allow ecr:ReplicateImage, and ecr:CreateRepository (with
template tags ecr:TagResource) where the repository is absent; a repository is created by the destination's template or
with default settings; an immutable tag that names another image stays, and the image arrives without it;
an archived copy is restored. What arrives is not replicated further.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from transship.local.ecr.content import Image
from transship.local.ecr.engine import Engine
from transship.local.ecr.names import RegistryId, repository_arn
from transship.local.ecr.policies import registry_policy_allows
from transship.local.ecr.registry import Registry
from transship.local.ecr.repository import Repository
from transship.local.ecr.templates import TemplateError, settings_from, template_for


class ReplicationFailure(Exception):  # noqa: N818 - a status, not an error of ours
    """
    A replication ends FAILED; `code` is its failureCode.

    The real codes are documented nowhere (ecr.md 4), so these are ours and nobody may depend on them.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SourceGone(Exception):  # noqa: N818 - nothing failed
    """The image was deleted before its replication began."""


def destination_repository(engine: Engine, source: RegistryId, destination: Registry, name: str) -> Repository:
    """
    Return the repository to replicate into, created if need be.

    Raises:
        ReplicationFailure: The destination's policy forbids it, or the creation fails.
    """
    _demand(source, destination, name, "ecr:ReplicateImage")
    found = destination.find(name)
    if found is not None:
        return found
    _demand(source, destination, name, "ecr:CreateRepository")
    try:
        settings = settings_from(template_for(destination, name, "REPLICATION"))
    except TemplateError as error:
        raise ReplicationFailure("RepositoryCreationFailed") from error
    if settings.tags:
        _demand(source, destination, name, "ecr:TagResource")
    with destination.lock:
        return destination.find(name) or destination.create(name, settings, engine.clock.now())


def _demand(source: RegistryId, destination: Registry, name: str, action: str) -> None:
    if source.account == destination.id.account:
        return
    arn = repository_arn(destination.id, name)
    policy = destination.policy
    if policy is None or not registry_policy_allows(policy, source.account, action, arn):
        raise ReplicationFailure("AccessDenied")


def copy_image(engine: Engine, source: Repository, target: Repository, image: Image) -> Image:
    """
    Make *image* exist in *target*, with its layers and, where the switch says so, its children.

    Raises:
        SourceGone: Some of it was deleted in the source meanwhile.
    """
    if engine.options.index_brings_children:
        for child in image.manifest.manifests:
            copy_image(engine, source, target, _image(source, child.digest))
    now = engine.clock.now()
    _copy_layers(source, target, [blob.digest for blob in image.manifest.blobs()], now)
    with target.lock:
        arrived = target.images.get(image.digest)
        if arrived is None:
            size = target.image_size(image.manifest) if image.manifest.manifests else image.size
            arrived = Image(image.digest, image.text, image.manifest, size, now, now)
            target.add_image(arrived)
        elif arrived.status_at(now) == "ARCHIVED":
            arrived.status, arrived.active_from = "ACTIVATING", now + engine.options.restore_seconds
            arrived.activated_at = now
        return arrived


def _image(repository: Repository, digest: str) -> Image:
    with repository.lock:
        try:
            return repository.images[digest]
        except KeyError:
            raise SourceGone from None


def _copy_layers(source: Repository, target: Repository, digests: Iterable[str], now: float) -> None:
    for digest in digests:
        layer = source.layer(digest)
        if layer is None or not target.add_layer(replace(layer, stored_at=now, visible_from=now)):
            raise SourceGone


def copy_tag(target: Repository, image: Image, tag: str) -> bool:
    """Give *image* the *tag*; return False where an immutable tag names another image and stays."""
    with target.lock:
        holder = target.tagged(tag)
        if holder is image:
            return True
        if holder is not None and target.settings.is_immutable(tag):
            return False
        target.set_tag(tag, image)
        return True
