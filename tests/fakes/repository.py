"""One repository in memory, with ECR's rules for layers and images (ecr.md section 8)."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.errors import (
    Code,
    FailedError,
    ImagesAbsent,
    LayerRejected,
    LayersAbsent,
    LayerUploadGone,
    PartOutOfOrder,
    TagTaken,
)
from chalicelib.oci import media_type
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Tag

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class EcrRules:
    """
    Sizes in bytes; small ones let a test see every part.

    *first_byte_answer* is what a wrong first part is answered with: undocumented (ecr.md 1.3), so tests try each.
    """

    part_size: int = 10 * MIB
    smallest_part: int = 5 * MIB
    largest_part: int = 20_971_520
    most_parts: int = 4_200
    first_byte_answer: int | None = -1


@dataclass(slots=True)
class FakeUpload:
    """Parts that ECR holds: their sizes and their bytes."""

    sizes: list[int] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class FakeImage:
    """A manifest or index as it was put."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> Digest:
        return Digest.of(self.content)

    @property
    def document(self) -> Mapping[str, Any]:
        document: Mapping[str, Any] = json.loads(self.content)
        return document

    def blobs(self) -> Iterator[Digest]:
        """The config and every layer that is not foreign."""
        if "config" in self.document:
            yield Digest.parse(self.document["config"]["digest"])
        for layer in self.document.get("layers") or ():
            if not media_type.is_foreign(layer["mediaType"]):
                yield Digest.parse(layer["digest"])

    def children(self) -> Iterator[Digest]:
        for entry in self.document.get("manifests") or ():
            yield Digest.parse(entry["digest"])


@dataclass(slots=True, kw_only=True)
class FakeRepository:
    """
    Blobs, unfinished uploads, images and tags.

    Attributes:
        archived: Blobs that are there but archived.
        archived_images: Images that are there but archived.
        mutability: One of ECR's four words.
        arrived: What PutImage or replication brought, in order.
    """

    rules: EcrRules = field(default_factory=EcrRules)
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    archived: set[Digest] = field(default_factory=set)
    archived_images: set[Digest] = field(default_factory=set)
    lifecycle_policy: str | None = None
    kms_key: str = ""
    uploads: dict[str, FakeUpload] = field(default_factory=dict)
    images: dict[Digest, FakeImage] = field(default_factory=dict)
    tags: dict[Tag, Digest] = field(default_factory=dict)
    mutability: str = "MUTABLE"
    resource_tags: dict[str, str] = field(default_factory=dict)
    arrived: list[tuple[Digest, Tag | None]] = field(default_factory=list)

    @property
    def immutable(self) -> bool:
        return self.mutability.startswith("IMMUTABLE")

    def begin(self) -> str:
        upload_id = str(uuid.uuid4())
        self.uploads[upload_id] = FakeUpload()
        return upload_id

    def forget_uploads(self) -> None:
        """Make every upload id stale: their lifetime is documented nowhere (ecr.md 1.2)."""
        self.uploads.clear()

    def add_part(self, upload_id: str, first_byte: int, content: bytes) -> int:
        upload = self._upload(upload_id)
        held = len(upload.content)
        if len(content) > self.rules.largest_part or len(upload.sizes) >= self.rules.most_parts:
            raise FailedError(Code.REGISTRY_LIMIT, "UploadLayerPart: a part is too large, or there are too many")
        if first_byte != held:
            raise PartOutOfOrder(held - 1 if held else self.rules.first_byte_answer)
        upload.sizes.append(len(content))
        upload.content += content
        return len(upload.content) - 1

    def complete(self, upload_id: str, digest: Digest) -> None:
        upload = self._upload(upload_id)
        if not upload.sizes:
            raise LayerRejected("EmptyUploadException")
        if any(size < self.rules.smallest_part for size in upload.sizes[:-1]):
            raise LayerRejected("LayerPartTooSmallException")
        if hashlib.sha256(upload.content).hexdigest() != digest.hex:
            raise LayerRejected("InvalidLayerException")
        del self.uploads[upload_id]
        self.blobs.setdefault(digest, bytes(upload.content))

    def put(self, image: FakeImage, digest: Digest, tag: Tag | None) -> None:
        if image.digest != digest:
            raise FailedError(Code.REGISTRY_REFUSED, "ImageDigestDoesNotMatchException")
        if image.content == b"{}":
            raise FailedError(Code.REGISTRY_REFUSED, "InvalidParameterException")
        if not all(blob in self.blobs for blob in image.blobs()):
            raise LayersAbsent("LayersNotFoundException")
        if not all(child in self.images for child in image.children()):
            raise ImagesAbsent("ReferencedImagesNotFoundException")
        if tag is not None and tag in self.tags and self.immutable:
            raise TagTaken("ImageTagAlreadyExistsException")
        if digest in self.images and (tag is None or self.tags.get(tag) == digest):
            return
        self.receive(image, tag)

    def receive(self, image: FakeImage, tag: Tag | None) -> None:
        """Take an image whose parts are known to be there."""
        self.images[image.digest] = image
        if tag is not None:
            self.tags[tag] = image.digest
        self.arrived.append((image.digest, tag))

    def remove_tag(self, tag: Tag) -> None:
        """Remove a tag; with its last tag an image goes too, unless an index names it (ecr.md 1.6)."""
        if tag not in self.tags:
            return
        digest = self.tags.pop(tag)
        named = any(digest in image.children() for image in self.images.values())
        if digest not in self.tags.values() and not named:
            del self.images[digest]

    def _upload(self, upload_id: str) -> FakeUpload:
        if upload_id not in self.uploads:
            raise LayerUploadGone("UploadNotFoundException")
        return self.uploads[upload_id]
