"""
The parts of an upload, as they are kept in the table beside it: images, layers, replicas; and what leads to them.

Layers are not stored, nor are manifests where a range of the object holds them: then that range is (`documents`).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from msgspec import Struct, field

from chalicelib.byte_range import ByteRange
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, Repository, RepositoryName, Tag
from chalicelib.ports.table import Item, Key
from chalicelib.state.upload import SHAPE

Content = ByteRange | bytes | Digest
"""Where a document's bytes are: a range of the object, the bytes, or kept in the table under this digest."""


def content_item(content: Content | None) -> Any:
    """Return how the whereabouts of a document's bytes are stored; the bytes themselves as base64."""
    if content is None:
        return None
    if isinstance(content, Digest):
        return {"document": str(content)}
    if isinstance(content, bytes):
        return {"inline": base64.b64encode(content).decode()}
    return {"start": content.start, "length": content.length}


def content_from(item: Any) -> Content | None:
    """Read what `content_item` returned."""
    if item is None:
        return None
    if "document" in item:
        return Digest.parse(item["document"])
    if "inline" in item:
        return base64.b64decode(item["inline"])
    return ByteRange(item["start"], item["length"])


class ConfigPlan(Struct, frozen=True, kw_only=True):
    """The config of a manifest: a blob that `publish` stores."""

    digest: Digest
    size: int
    media_type: str
    content: Content

    def to_item(self) -> Item:
        """Return what is stored."""
        return {
            "digest": str(self.digest),
            "size": self.size,
            "media_type": self.media_type,
            "content": content_item(self.content),
        }

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read what was stored."""
        content = content_from(item["content"])
        if content is None:
            raise ValueError("a config without content was stored")
        return cls(
            digest=Digest.parse(item["digest"]), size=item["size"], media_type=item["media_type"], content=content
        )


class ImageRecord(Struct, frozen=True, kw_only=True):
    """
    One manifest or index to put, in the order of *number*: children before their index.

    Attributes:
        number: Place in the order, from 0.
        repository: Where it goes.
        root: Whether it is an image of the archive, and not a child of an index; only roots are tagged and announced.
        tags: For a root, in order.
        digest: Of the manifest; None until a generated one was put.
        media_type: Of the manifest; "" until a generated one was put.
        content: Where its bytes are; None for a generated one.
        config: Its config, if it has one that must be stored.
        layers: For a generated one, the diff_ids of its layers in order.
        children: For an index, the digests of the entries that were put with it.
        put: Whether it is in the registry under all its tags.
    """

    number: int
    repository: RepositoryName
    root: bool
    tags: tuple[Tag, ...] = ()
    digest: Digest | None = None
    size: int = 0
    media_type: str = ""
    content: Content | None = None
    config: ConfigPlan | None = None
    layers: tuple[Digest, ...] = ()
    children: tuple[Digest, ...] = ()
    put: bool = False

    @property
    def sk(self) -> str:
        """Its name in the collection; sorts by number."""
        return f"image#{self.number:05d}"

    def to_item(self) -> Item:
        """Return what is stored."""
        return {
            "v": SHAPE,
            "number": self.number,
            "repository": str(self.repository),
            "root": self.root,
            "tags": [str(tag) for tag in self.tags],
            "digest": str(self.digest) if self.digest else None,
            "size": self.size,
            "media_type": self.media_type,
            "content": content_item(self.content),
            "config": self.config.to_item() if self.config else None,
            "layers": [str(layer) for layer in self.layers],
            "children": [str(child) for child in self.children],
            "put": self.put,
        }

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read what was stored."""
        return cls(
            number=item["number"],
            repository=RepositoryName(item["repository"]),
            root=item["root"],
            tags=tuple(Tag(tag) for tag in item["tags"]),
            digest=Digest.parse(item["digest"]) if item["digest"] else None,
            size=item["size"],
            media_type=item["media_type"],
            content=content_from(item["content"]),
            config=ConfigPlan.from_item(item["config"]) if item["config"] else None,
            layers=tuple(Digest.parse(layer) for layer in item["layers"]),
            children=tuple(Digest.parse(child) for child in item["children"]),
            put=item["put"],
        )


class LayerRecord(Struct, frozen=True, kw_only=True):
    """
    One layer to store in one repository, once however many images name it.

    Attributes:
        repository: Where it goes.
        name: Its digest if that is known beforehand, else its diff_id (`compress` is then set).
        content: The range of the object that holds it (of the inflated bytes, if that is sealed); or its bytes, where
            the object does not hold them (a chart's provenance).
        compress: Whether `push` compresses it; its digest and size are then known only when it is stored.
        bundle: Number of the push message that it belongs to.
        digest, size, media_type: Of what is stored in the registry.
        stored: Whether the registry has it.
        progress: Where its upload stood when that was last noted, in the engine's own shape; None for a layer that was
            not moved.
        checked: Epoch seconds at which the registry was last asked for it.
    """

    repository: RepositoryName
    name: Digest
    content: ByteRange | bytes
    compress: bool
    bundle: int
    digest: Digest | None = None
    size: int = 0
    media_type: str = ""
    stored: bool = False
    progress: Mapping[str, Any] | None = None
    checked: float = 0.0

    @property
    def length(self) -> int:
        """Bytes of it in the archive."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.length

    @property
    def sk(self) -> str:
        """Its name in the collection."""
        return f"layer#{self.repository}@{self.name}"

    def to_item(self) -> Item:
        """Return what is stored."""
        return {
            "v": SHAPE,
            "repository": str(self.repository),
            "name": str(self.name),
            "content": content_item(self.content),
            "compress": self.compress,
            "bundle": self.bundle,
            "digest": str(self.digest) if self.digest else None,
            "size": self.size,
            "media_type": self.media_type,
            "stored": self.stored,
            "progress": self.progress,
            "checked": self.checked,
        }

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read what was stored."""
        content = content_from(item["content"])
        if not isinstance(content, (ByteRange, bytes)):
            raise TypeError("a layer without content was stored")
        return cls(
            repository=RepositoryName(item["repository"]),
            name=Digest.parse(item["name"]),
            content=content,
            compress=item["compress"],
            bundle=item["bundle"],
            digest=Digest.parse(item["digest"]) if item["digest"] else None,
            size=item["size"],
            media_type=item["media_type"],
            stored=item["stored"],
            progress=item["progress"],
            checked=item["checked"],
        )


class Arrival(StrEnum):
    """Where a destination stands for one image."""

    WAITING = "waiting"
    REPORTED = "reported"
    VERIFIED = "verified"
    FAILED = "failed"


class ReplicaRecord(Struct, frozen=True, kw_only=True):
    """
    One image in one destination.

    Attributes:
        image: Number of the image's record.
        repository, digest: Which image.
        registry: The destination.
        status: See `Arrival`; only *verified* was read back by us.
        failure: ECR's failureCode verbatim, or our own word for what the read-back found.
        digest_verified, tags_verified: What was read back.
        seconds: From the PutImage to the verdict.
        healed: Whether `heal` has done something about it: ECR's status is then no longer the whole story.
        checks: What was looked at: ECR's status, and how many manifests, blobs and tags were read back.
        told: Whether the attempt has announced that the image is there; it may have been lost and found since.
        silent: Looks after the deadline at which the destination did not answer, in a row.
    """

    image: int
    repository: RepositoryName
    digest: Digest
    registry: Registry
    status: Arrival = Arrival.WAITING
    failure: str = ""
    digest_verified: bool = False
    tags_verified: bool = False
    seconds: float = 0.0
    healed: bool = False
    checks: Mapping[str, Any] = field(default_factory=dict)
    told: bool = False
    silent: int = 0

    @property
    def sk(self) -> str:
        """Its name in the collection."""
        return f"replica#{self.image:05d}#{self.registry.account}#{self.registry.region}"

    def to_item(self) -> Item:
        """Return what is stored."""
        return {
            "v": SHAPE,
            "image": self.image,
            "repository": str(self.repository),
            "digest": str(self.digest),
            "registry": str(self.registry),
            "status": self.status.value,
            "failure": self.failure,
            "digest_verified": self.digest_verified,
            "tags_verified": self.tags_verified,
            "seconds": self.seconds,
            "healed": self.healed,
            "checks": dict(self.checks),
            "told": self.told,
            "silent": self.silent,
        }

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read what was stored."""
        return cls(
            image=item["image"],
            repository=RepositoryName(item["repository"]),
            digest=Digest.parse(item["digest"]),
            registry=Registry.parse(item["registry"]),
            status=Arrival(item["status"]),
            failure=item["failure"],
            digest_verified=item["digest_verified"],
            tags_verified=item["tags_verified"],
            seconds=item["seconds"],
            healed=item.get("healed", False),
            checks=item.get("checks", {}),
            told=item.get("told", item["status"] in {Arrival.VERIFIED, Arrival.REPORTED}),
            silent=item.get("silent", 0),
        )


def pointer_key(repository: Repository, digest: Digest, upload: str) -> Key:
    """Return the place of the pointer that leads from an image to the uploads that wait for it."""
    return Key(f"digest#{repository}@{digest}", upload)
