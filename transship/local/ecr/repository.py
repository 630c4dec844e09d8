"""
One repository: its settings, layers, uploads, images and tags, and the rules that tie them together.

Rules: a tag names one image; moving a tag leaves the old image, perhaps untagged (ecr.md 8.5); an image keeps the
layers that its manifest names; a child of an index goes only after the index (1.6).
Callers hold `lock` while they look at or change the contents. No lock of another repository is ever taken under it.
Left out: who may do it, replication, and the wording of answers.
"""

from __future__ import annotations

import fnmatch
import itertools
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from transship.local.ecr.content import Image, Layer
from transship.local.ecr.errors import repository_not_found
from transship.local.ecr.links import Links
from transship.local.ecr.manifests import Manifest
from transship.local.ecr.names import RegistryId, repository_arn
from transship.local.ecr.store import BlobStore
from transship.local.ecr.uploads import LayerUpload


@dataclass(slots=True)
class RepositorySettings:
    """What CreateRepository, a creation template and the Put operations set."""

    mutability: str = "MUTABLE"
    exclusion_filters: Sequence[dict[str, str]] = ()
    scan_on_push: bool = False
    encryption: dict[str, str] = field(default_factory=lambda: {"encryptionType": "AES256"})
    tags: dict[str, str] = field(default_factory=dict)
    policy: str | None = None
    lifecycle_policy: str | None = None

    def is_immutable(self, tag: str) -> bool:
        """Tell whether *tag* may not move; exclusion filters turn the setting round (ecr.md 1.7)."""
        excluded = any(fnmatch.fnmatchcase(tag, entry["filter"]) for entry in self.exclusion_filters)
        return self.mutability.startswith("IMMUTABLE") != (excluded and self.mutability.endswith("WITH_EXCLUSION"))


class Repository:
    """Contents and settings of one repository."""

    def __init__(self, registry: RegistryId, name: str, store: BlobStore, created_at: float) -> None:
        self.registry = registry
        self.name = name
        self.created_at = created_at
        self.settings = RepositorySettings()
        self.lock = threading.RLock()
        self.images: dict[str, Image] = {}
        self.tags: dict[str, str] = {}
        self._layers: dict[str, Layer] = {}
        self._uploads: dict[str, LayerUpload] = {}
        self._store = store
        self._links = Links()
        self.gone = False

    @property
    def arn(self) -> str:
        """ARN of the repository."""
        return repository_arn(self.registry, self.name)

    def check_present(self) -> None:
        """
        Return if the repository is still there; the caller holds the lock and goes on holding it.

        Raises:
            EcrError: RepositoryNotFoundException, where it was deleted after the caller had found it.
        """
        if self.gone:
            raise repository_not_found(self.registry, self.name)

    # Uploads.

    def start_upload(self, now: float) -> LayerUpload:
        """
        Begin a layer.

        Raises:
            EcrError: RepositoryNotFoundException.
        """
        with self.lock:
            self.check_present()
            upload = LayerUpload(str(uuid.uuid4()), self._store.new_file(), now)
            self._uploads[upload.upload_id] = upload
        return upload

    def upload(self, upload_id: str, oldest_start: float) -> LayerUpload | None:
        """Return the upload, or None if it is unknown or began before *oldest_start*."""
        self.forget_uploads_started_before(oldest_start)
        return self._uploads.get(upload_id.lower())

    def forget_uploads_started_before(self, time: float) -> None:
        """Drop the uploads that are too old; they lie in the order of their start."""
        with self.lock:
            old = list(itertools.takewhile(lambda upload: upload.started_at < time, self._uploads.values()))
        for upload in old:
            self.forget_upload(upload.upload_id)

    def forget_upload(self, upload_id: str) -> None:
        """Drop an upload and its bytes, if it is there."""
        with self.lock:
            upload = self._uploads.pop(upload_id.lower(), None)
        if upload is not None:
            with upload.lock:
                upload.discard()

    def finish_upload(self, upload: LayerUpload, now: float, visible_from: float) -> None:
        """
        Make the upload's bytes a layer; the caller holds the upload's lock and has checked it.

        The id stays known, so that a repeated CompleteLayerUpload hears that the layer already exists.
        """
        layer = Layer(upload.digest(), upload.received, now, visible_from)
        self._store.adopt(upload.finish(), layer.digest)
        with self.lock:
            if self.gone or layer.digest in self._layers:
                self._store.release(layer.digest)
            else:
                self._layers[layer.digest] = layer

    # Layers.

    def layer(self, digest: str) -> Layer | None:
        """Return the layer that this repository sees under *digest*."""
        return self._layers.get(digest)

    def add_layer(self, layer: Layer) -> bool:
        """Hold a blob that another repository holds too; return False if it is gone by now."""
        with self.lock:
            if self.gone or layer.digest in self._layers:
                return True
            if not self._store.retain(layer.digest):
                return False
            self._layers[layer.digest] = layer
            return True

    def drop_layers_stored_before(self, time: float) -> None:
        """Clean up layers of no image (ecr.md 1.4: 'may be cleaned up at any time')."""
        with self.lock:
            for layer in tuple(self._layers.values()):
                if layer.stored_at < time and not self._links.users(layer.digest):
                    self._drop_layer(layer.digest)

    def images_with_layer(self, digest: str) -> list[Image]:
        """Return the images whose manifest names the layer."""
        return [self.images[user] for user in self._links.users(digest)]

    def _drop_layer(self, digest: str) -> None:
        del self._layers[digest]
        self._store.release(digest)

    # Images.

    def image_size(self, manifest: Manifest) -> int:
        """Return imageSizeInBytes: the sum of the layers, or for an index the largest child (ecr.md 1.6)."""
        if manifest.manifests:
            children = (self.images.get(child.digest) for child in manifest.manifests)
            return max((child.size for child in children if child), default=0)
        layers = (self._layers.get(layer.digest) for layer in manifest.layers)
        return sum(layer.size for layer in layers if layer)

    def add_image(self, image: Image) -> None:
        """Store an image, and what its manifest calls its layers."""
        self.images[image.digest] = image
        self._links.add(image)
        for blob in image.manifest.blobs():
            layer = self._layers.get(blob.digest)
            if layer is not None and layer.media_type is None:
                layer.media_type = blob.media_type or None

    def tagged(self, tag: str) -> Image | None:
        """Return the image that *tag* names."""
        digest = self.tags.get(tag)
        return self.images[digest] if digest else None

    def set_tag(self, tag: str, image: Image) -> None:
        """Point *tag* at *image*, taking it from the image that had it."""
        self.remove_tag(tag)
        self.tags[tag] = image.digest
        image.tags.append(tag)

    def remove_tag(self, tag: str) -> None:
        """Take *tag* from its image, if it has one; the image stays."""
        image = self.tagged(tag)
        if image is not None:
            image.tags.remove(tag)
            del self.tags[tag]

    def remove_image(self, image: Image) -> None:
        """Delete an image with all its tags, and the layers that no other image names."""
        for tag in tuple(image.tags):
            self.remove_tag(tag)
        del self.images[image.digest]
        self._links.remove(image)
        for blob in {blob.digest for blob in image.manifest.blobs()}:
            if not self._links.users(blob) and blob in self._layers:
                self._drop_layer(blob)

    def is_child(self, digest: str) -> bool:
        """Tell whether an index in this repository lists *digest*."""
        return bool(self._links.parents(digest))

    def referrers(self, subject: str) -> list[Image]:
        """Return the images whose subject is *subject*, oldest first."""
        return [self.images[digest] for digest in self._links.referrers(subject)]

    def clear(self) -> None:
        """Let go of all that a deleted repository holds; what still arrives is let go too."""
        with self.lock:
            uploads = tuple(self._uploads.values())
            self._uploads.clear()
            self.images.clear()
            self.tags.clear()
            self._links = Links()
            for digest in tuple(self._layers):
                self._drop_layer(digest)
        # Outside the lock: whoever completes an upload holds that upload's lock and then wants this one.
        for upload in uploads:
            with upload.lock:
                upload.discard()
