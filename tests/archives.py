"""
Builders of archives in every form, sound and hostile.

Sound tars are written by Python's `tarfile`, which is not the project's: our reader must agree with it. Hostile ones
are put together from single headers, because no sound writer would write them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import zstandard

from chalicelib.byte_range import ByteRange

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"

END = bytes(1024)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass
class MemorySource:
    """An `ObjectSource` over bytes that counts what is asked of it."""

    content: bytes
    reads: list[ByteRange] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, span: ByteRange) -> bytes:
        assert 0 <= span.start < span.end <= self.size, f"{span} is not inside {self.size} bytes"
        self.reads.append(span)
        return self.content[span.start : span.end]

    def open(self, span: ByteRange) -> io.BytesIO:
        return io.BytesIO(self.read(span))

    @property
    def fetched(self) -> int:
        return sum(span.length for span in self.reads)


# --- tars --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Link:
    """A symbolic link, or a hard one."""

    target: str
    hard: bool = False


FOLDER = None
Descriptor = dict[str, Any]
Content = bytes | Link | None


def tar(members: Mapping[str, Content] | Iterable[tuple[str, Content]], style: int = tarfile.USTAR_FORMAT) -> bytes:
    """Write a sound tar: bytes make a file, a `Link` a link, None a directory."""
    items = members.items() if isinstance(members, Mapping) else members
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=style) as archive:
        for name, content in items:
            archive.addfile(_info(name, content), io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def _info(name: str, content: Content) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    if isinstance(content, bytes):
        info.size = len(content)
    elif isinstance(content, Link):
        info.type = tarfile.LNKTYPE if content.hard else tarfile.SYMTYPE
        info.linkname = content.target
    else:
        info.type = tarfile.DIRTYPE
    return info


def unpacked(content: bytes) -> list[tuple[str, Content]]:
    """Take a sound tar apart again; what `tar` was given."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return [(info.name, _content(archive, info)) for info in archive]


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Content:
    if info.issym():
        return Link(info.linkname)
    stream = archive.extractfile(info)
    return None if stream is None else stream.read()


def header(  # noqa: PLR0917 - a header has these fields
    name: bytes = b"file",
    size: int | bytes = 0,
    kind: bytes = b"0",
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    behind: bytes = b"",
    checksum: bytes | None = None,
) -> bytes:
    """Write one header, as wrong as asked for; its checksum is right unless given."""
    length = size if isinstance(size, bytes) else b"%011o\0" % size
    block = bytearray(512)
    for start, value in (
        (0, name),
        (100, b"0000644\0"),
        (108, b"0000000\0"),
        (116, b"0000000\0"),
        (124, length),
        (136, b"00000000000\0"),
        (148, b" " * 8),
        (156, kind),
        (157, link),
        (257, magic),
        (345, behind),
    ):
        block[start : start + len(value)] = value
    assert len(block) == 512
    block[148:156] = checksum if checksum is not None else b"%06o\0 " % sum(block)
    return bytes(block)


def mended(content: bytes) -> bytes:
    """Set the checksums of all headers right, so that damage gets past them."""
    blocks = [content[start : start + 512] for start in range(0, len(content), 512)]
    return b"".join(map(_checked, blocks))


def _checked(block: bytes) -> bytes:
    if block[257:262] != b"ustar" or len(block) < 512:
        return block
    blank = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(blank) + block[156:]


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def entry(name: bytes, content: bytes = b"", **fields: Any) -> bytes:
    """Write a header and the content behind it."""
    return header(name, **{"size": len(content), **fields}) + padded(content)


def pax(records: Mapping[str, str] | bytes, kind: bytes = b"x") -> bytes:
    """Write a PAX extension header, or one with the given body."""
    body = records if isinstance(records, bytes) else b"".join(_record(*record) for record in records.items())
    return entry(b"PaxHeaders/x", body, kind=kind)


def _record(key: str, value: str) -> bytes:
    text = f" {key}={value}\n".encode()
    length = len(text) + len(str(len(text)))
    length += len(str(length)) - len(str(len(text)))
    return str(length).encode() + text


# --- images ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Image:
    """An image before it is packed: uncompressed layers and a config that fits them."""

    layers: tuple[bytes, ...]
    architecture: str = "amd64"
    tags: tuple[str, ...] = ("example/app:1.0",)
    os: str = "linux"

    @property
    def config(self) -> bytes:
        return dump(
            {
                "architecture": self.architecture,
                "os": self.os,
                "config": {"Cmd": ["/bin/app"]},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}" for layer in self.layers]},
            }
        )


def layer(text: str = "hello", size: int = 0) -> bytes:
    """Return an uncompressed layer with one file; *size* pads it."""
    return tar({f"{text}.txt": text.encode() + bytes(size)})


def image(*texts: str, **fields: Any) -> Image:
    return Image(tuple(layer(text) for text in texts or ("base", "app")), **fields)


def docker_save(*images: Image, links: bool = False, link_first: bool = False) -> bytes:
    """
    Write what `docker save` wrote before Docker 25: a folder with `layer.tar` for each layer.

    With *links*, a layer that came before is a link to its first copy; with *link_first*, links stand before it.
    """
    first: dict[bytes, str] = {}
    files: list[tuple[str, Content]] = []
    listed = []
    for number, one in enumerate(images):
        paths = []
        for depth, content in enumerate(one.layers):
            folder = sha256(f"{number}/{depth}".encode())
            path = f"{folder}/layer.tar"
            known = first.setdefault(content, path)
            repeated = links and known != path
            files += [(f"{folder}/", FOLDER), (f"{folder}/VERSION", b"1.0"), (f"{folder}/json", b"{}")]
            files.append((path, Link(f"../{known}") if repeated else content))
            paths.append(path)
        config_name = f"{sha256(one.config)}.json"
        files.append((config_name, one.config))
        listed.append({"Config": config_name, "RepoTags": list(one.tags), "Layers": paths})
    files.append(("manifest.json", dump(listed)))
    if link_first:
        files.sort(key=lambda item: not isinstance(item[1], Link))
    return tar(dict(files))


def packed_save(one: Image, name: str = "{digest}.tar.gz", pack: Any = None) -> bytes:
    """Write what tools without a daemon write: a `manifest.json` over layers that are compressed already."""
    files: dict[str, Content] = {"config.json": one.config}
    paths = []
    for content in one.layers:
        compressed = (pack or gzipped)(content)
        path = name.format(digest=sha256(compressed), diff_id=sha256(content))
        files[path] = compressed
        paths.append(path)
    files["manifest.json"] = dump([{"Config": "config.json", "RepoTags": list(one.tags), "Layers": paths}])
    return tar(files)


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zstandarded(content: bytes) -> bytes:
    return zstandard.compress(content)


_PACKERS = {"": lambda content: content, "+gzip": gzipped, "+zstd": zstandarded}


@dataclass
class Layout:
    """
    An OCI layout in the making: blobs are added and give descriptors, the descriptors go into other blobs.

        layout = Layout()
        layout.list(layout.image(image()), ref="1.0")
        layout.tar()
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)
    extra: dict[str, Content] = field(default_factory=dict)

    def add(self, content: bytes, media_type: str, **fields: Any) -> dict[str, Any]:
        """Store a blob and return its descriptor."""
        self.blobs[sha256(content)] = content
        return {"mediaType": media_type, "digest": f"sha256:{sha256(content)}", "size": len(content), **fields}

    def image(
        self, one: Image, compression: str = "+gzip", media_type: str = OCI_MANIFEST, **more: Any
    ) -> dict[str, Any]:
        """Store an image and return the descriptor of its manifest."""
        layers = [self.add(_PACKERS[compression](content), OCI_LAYER + compression) for content in one.layers]
        return self.manifest(self.add(one.config, OCI_CONFIG), layers, media_type, **more)

    def manifest(
        self,
        config: dict[str, Any],
        layers: Sequence[dict[str, Any]] | None,
        media_type: str = OCI_MANIFEST,
        **more: Any,
    ) -> dict[str, Any]:
        document = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers, **more}
        return self.add(dump(document), media_type)

    def index(self, *children: Descriptor, media_type: str = OCI_INDEX, **more: Any) -> Descriptor:
        document = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(children), **more}
        return self.add(dump(document), media_type)

    def referrer(self, subject: Descriptor, artifact_type: str = "application/spdx+json") -> Descriptor:
        """Store an artifact that speaks of *subject*."""
        about = {key: subject[key] for key in ("mediaType", "digest", "size")}
        blob = self.add(f"about {subject['digest']}".encode(), artifact_type)
        return self.manifest(self.add(b"{}", OCI_EMPTY), [blob], artifactType=artifact_type, subject=about)

    def list(self, descriptor: Descriptor, ref: str = "", **annotations: str) -> Descriptor:
        """List a descriptor in index.json, with a reference name and other annotations (`_` stands for `.`)."""
        notes = {name.replace("_", "."): value for name, value in annotations.items()}
        if ref:
            notes["org.opencontainers.image.ref.name"] = ref
        self.entries.append({**descriptor, **({"annotations": notes} if notes else {})})
        return descriptor

    def files(self) -> dict[str, Content]:
        """Return the layout's files by name."""
        return {
            "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
            "index.json": dump({"schemaVersion": 2, "manifests": self.entries}),
            **{f"blobs/sha256/{digest}": content for digest, content in self.blobs.items()},
            **self.extra,
        }

    def tar(self, folder: str = "", *, backwards: bool = False, style: int = tarfile.USTAR_FORMAT) -> bytes:
        items = [(folder + name, content) for name, content in self.files().items()]
        return tar(items[::-1] if backwards else items, style)


def hybrid(*images: Image, compression: str = "", repo_tags: bool = True) -> bytes:
    """Write what `docker save` writes since Docker 25: a layout with a `manifest.json` over the same blobs."""
    return hybrid_layout(*images, compression=compression, repo_tags=repo_tags).tar()


def hybrid_layout(*images: Image, compression: str = "", repo_tags: bool = True) -> Layout:
    layout = Layout()
    listed = []
    for one in images:
        descriptor = layout.image(one, compression)
        for tag in one.tags:
            layout.list(descriptor, ref=tag.rpartition(":")[2], io_containerd_image_name=f"docker.io/{tag}")
        listed.append(docker_entry(layout, descriptor, one.tags if repo_tags else None))
    layout.extra["manifest.json"] = dump(listed)
    return layout


def docker_entry(layout: Layout, descriptor: dict[str, Any], tags: Sequence[str] | None) -> dict[str, Any]:
    """Return the entry of `manifest.json` for a manifest of *layout*."""
    document = json.loads(layout.blobs[descriptor["digest"].removeprefix("sha256:")])
    return {
        "Config": _blob_path(document["config"]),
        "RepoTags": tags and list(tags),
        "Layers": [_blob_path(one) for one in document["layers"] or ()],
    }


def _blob_path(descriptor: Mapping[str, Any]) -> str:
    return "blobs/sha256/" + str(descriptor["digest"]).removeprefix("sha256:")


def platform(one: Image) -> dict[str, str]:
    return {"os": one.os, "architecture": one.architecture}


def multi_platform(layout: Layout, *architectures: str, present: Sequence[str] | None = None) -> dict[str, Any]:
    """Store an index over images of several architectures, of which only those in *present* are there."""
    children = []
    for architecture in architectures:
        one = image(architecture, architecture=architecture)
        kept = dict(layout.blobs)
        children.append({**layout.image(one), "platform": platform(one)})
        if present is not None and architecture not in present:
            layout.blobs = kept
    return layout.index(*children)


# --- charts ------------------------------------------------------------------------------------------------------

CHART_YAML = b"apiVersion: v2\nname: webapp\nversion: 1.2.3+build.5\ndescription: A web application\n"


def chart(metadata: bytes | None = CHART_YAML, folder: str = "webapp", **files: Content) -> bytes:
    """Write what `helm package` writes."""
    members: dict[str, Content] = {} if metadata is None else {f"{folder}/Chart.yaml": metadata}
    members[f"{folder}/values.yaml"] = b"replicas: 1\n"
    members |= {f"{folder}/{name}": content for name, content in files.items()}
    return gzipped(tar(members))
