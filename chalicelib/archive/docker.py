"""
Docker's `manifest.json` (`docker save` of every age, and the many tools that write the same).

It lists images by the members that hold their config and layers, uncompressed as a rule. It has no digests, but names
often are some: a member named after a digest must be what it is named.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from chalicelib.archive import recognise
from chalicelib.archive.contents import Blob, GeneratedManifest, PackedLayer, RawLayer
from chalicelib.archive.graph import check_count
from chalicelib.archive.limits import ArchiveLimits
from chalicelib.archive.member_name import clean_name
from chalicelib.archive.members import Member, Members, blaming
from chalicelib.errors import Code, RefusedError
from chalicelib.oci import media_type as types
from chalicelib.oci.config import ImageConfig, parse_config
from chalicelib.oci.descriptor import Descriptor
from chalicelib.oci.digest import Digest
from chalicelib.oci.strict_json import Fields, parse_json

MANIFEST: Final = "manifest.json"

_NAMED_CONFIG: Final = re.compile(r"(?:.*/)?(?:sha256:)?([0-9a-f]{64})(?:\.json)?")
_NAMED_BLOB: Final = re.compile(r"(?:.*/)?blobs/sha256/([0-9a-f]{64})")
_NAMED_PACKED: Final = re.compile(r"(?:.*/)?(?:sha256:)?([0-9a-f]{64})\.tar\.(?:gz|zst)")


class DockerImage(Struct, frozen=True, kw_only=True):
    """
    One entry of `manifest.json`.

    *layers* are the files behind its layers, links followed, lowest first; *names* its `RepoTags`.
    """

    config: Blob
    image: ImageConfig
    layers: tuple[Member, ...]
    names: tuple[str, ...]


def read_docker(members: Members, folder: str, limits: ArchiveLimits, *, alone: bool) -> tuple[DockerImage, ...]:
    """
    Return the images of `manifest.json`, none if there is no such member.

    Nor if it lists none and is not the *alone* table: Hauler writes one beside an `index.json` of charts and files.

    Raises:
        RefusedError: NO_IMAGE if it lists nothing and is alone; MANIFEST_FORM, TOO_LARGE, MISSING_BLOB, CONFIG_DIGEST,
            COUNT, LAYER_COUNT, LAYER_LIMIT, INDEX_LIMIT, LINK and all codes of JSON documents.
    """
    member = members.find(folder + MANIFEST)
    if member is None:
        return ()
    with blaming(member):
        entries = parse_json(members.read(member, limits.docker_manifest))
        if entries is None or entries == []:
            if alone:
                raise RefusedError(Code.NO_IMAGE, "manifest.json lists no image")
            return ()
        if not isinstance(entries, list):
            raise RefusedError(Code.MANIFEST_FORM, "manifest.json is not Docker's: it is no list")
        if len(entries) > limits.index_nodes:
            raise RefusedError(Code.INDEX_LIMIT, f"manifest.json lists more than {limits.index_nodes} images")
        reader = _Reader(members, folder, limits)
        return tuple(reader.image(Fields(entry, "an image of manifest.json")) for entry in entries)


class _Reader(Struct, frozen=True):
    members: Members
    folder: str
    limits: ArchiveLimits

    def image(self, entry: Fields) -> DockerImage:
        names = entry.texts("RepoTags")
        layers = entry.texts("Layers")
        if len(layers) > self.limits.layers:
            raise RefusedError(Code.LAYER_COUNT, f"an image has more than {self.limits.layers} layers")
        config, image = self._config(entry.text("Config"))
        check_count(image, len(layers))
        return DockerImage(
            config=config,
            image=image,
            layers=tuple(self._layer(name) for name in layers),
            names=tuple(_with_tag(name) for name in names),
        )

    def _config(self, name: str) -> tuple[Blob, ImageConfig]:
        member = self._file(name, "a config")
        raw = self.members.read(member, self.limits.document)
        digest = Digest.of(raw)
        claimed = _NAMED_CONFIG.fullmatch(member.name)
        if claimed and claimed[1] != digest.hex:
            detail = f"a config is named after a digest, but its own is {digest}"
            raise RefusedError(Code.CONFIG_DIGEST, detail, member=member.name, offset=member.offset)
        descriptor = Descriptor(media_type=types.DOCKER_CONFIG, digest=digest, size=len(raw))
        with blaming(member):
            return Blob(descriptor=descriptor, content=self.members.content(member, raw)), parse_config(raw)

    def _layer(self, name: str) -> Member:
        member = self._file(name, "a layer")
        if member.content.length > self.limits.layer:
            detail = f"a layer has more than {self.limits.layer} bytes"
            raise RefusedError(Code.LAYER_LIMIT, detail, member=member.name, offset=member.offset)
        return member

    def _file(self, name: str, what: str) -> Member:
        if not name:
            raise RefusedError(Code.MANIFEST_FORM, f"an image of manifest.json names {what} by an empty name")
        limits = self.limits
        clean = clean_name(name.encode("utf-8"), longest=limits.name, parts=limits.name_parts, offset=0)
        member = self.members.find(self.folder + clean)
        if member is None:
            raise RefusedError(Code.MISSING_BLOB, f"the archive lacks {what} that manifest.json names", member=clean)
        return member


def _with_tag(name: str) -> str:
    """Return a name with its tag; `latest` is what every reader of `RepoTags` takes for a missing one."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def generate(image: DockerImage, members: Members) -> GeneratedManifest:
    """
    Return *image* as one whose manifest is yet to be written.

    Raises:
        RefusedError: LAYER_COMPRESSION, EMPTY_BLOB, DIGEST_MISMATCH.
    """
    layers = tuple(
        _layer(member, diff_id, members) for member, diff_id in zip(image.layers, image.image.diff_ids, strict=True)
    )
    return GeneratedManifest(config=image.config, layers=layers, platform=image.image.platform)


def _layer(member: Member, diff_id: Digest, members: Members) -> RawLayer | PackedLayer:
    if member.content.length == 0:
        raise RefusedError(
            Code.EMPTY_BLOB, "a layer has no bytes, not even a tar's end mark", member=member.name, offset=member.offset
        )
    compression = recognise.compression_of(members.head(member))
    if compression is None:
        _check_named(member, diff_id)
        return RawLayer(diff_id=diff_id, content=member.content)
    if compression not in (recognise.GZIP, recognise.ZSTD):
        detail = f"a layer is compressed with {compression}, for which there is no media type"
        raise RefusedError(Code.LAYER_COMPRESSION, detail, member=member.name, offset=member.offset)
    claimed = _NAMED_BLOB.fullmatch(member.name) or _NAMED_PACKED.fullmatch(member.name)
    digest = Digest(claimed[1]) if claimed and claimed[1] != diff_id.hex else None
    return PackedLayer(diff_id=diff_id, content=member.content, compression=compression, digest=digest)


def _check_named(member: Member, diff_id: Digest) -> None:
    claimed = _NAMED_BLOB.fullmatch(member.name)
    if claimed and claimed[1] != diff_id.hex:
        detail = "a layer is named after another digest than the config's diff_id for it"
        raise RefusedError(Code.DIGEST_MISMATCH, detail, member=member.name, offset=member.offset)
