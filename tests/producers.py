"""
Archives as tools write them that are not on this machine, built after what is known of real ones.

`corpus/producers.json` holds, for each, the members of a real file (name, type, size), what wrote it, and where that is
to be read: `repository@commit:path` or `repository#number`.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.archives import (
    DOCKER_MANIFEST,
    FOLDER,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    Content,
    Descriptor,
    Image,
    Layout,
    Link,
    docker_entry,
    dump,
    gzipped,
    sha256,
    tar,
)

RECORDS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "corpus" / "producers.json").read_text())
_HEX = re.compile(r"[0-9a-f]{64}")

Files = list[tuple[str, Content]]


def shape(members: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return names and types without what depends on the image: digests."""
    return [(_HEX.sub("<hex>", name), kind) for name, kind in members]


def listed(content: bytes) -> list[tuple[str, str]]:
    """Return the members of a tar as `tar -tv` would."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return [(one.name + "/" * one.isdir(), _kind(one)) for one in archive]


def _kind(one: tarfile.TarInfo) -> str:
    return "directory" if one.isdir() else "link" if one.issym() else "file"


def _unique(files: Files) -> Files:
    return list(dict(files).items())


def _manifest(one: Image, config: str, layers: list[str]) -> bytes:
    return dump([{"Config": config, "RepoTags": list(one.tags), "Layers": layers}])


def kaniko(one: Image) -> bytes:
    """Config first, each layer once, no folders: go-containerregistry's writer."""
    packed = [(f"{sha256(gzipped(layer))}.tar.gz", gzipped(layer)) for layer in one.layers]
    config = f"sha256:{sha256(one.config)}"
    manifest = _manifest(one, config, [name for name, _ in packed])
    return tar(_unique([(config, one.config), *packed, ("manifest.json", manifest)]))


def jib(one: Image) -> bytes:
    packed = [(f"{sha256(gzipped(layer))}.tar.gz", gzipped(layer)) for layer in one.layers]
    manifest = _manifest(one, "config.json", [name for name, _ in packed])
    return tar(_unique([*packed, ("config.json", one.config), ("manifest.json", manifest)]))


def jib_oci(one: Image) -> bytes:
    """Its `index.json` has a media type, and one name however many tags there are."""
    layout = Layout()
    layout.list(layout.image(one), ref=one.tags[0])
    blobs = [(name, body) for name, body in layout.files().items() if name.startswith("blobs/")]
    index = dump({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": layout.entries})
    return tar([*blobs, ("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), ("index.json", index)])


def _folders(one: Image) -> list[dict[str, bytes]]:
    """Return the files of each layer's folder, as `docker save` had them at first; each layer has one of its own."""
    folders = [sha256(f"{depth}".encode()) for depth in range(len(one.layers))]
    return [
        {f"{folder}/layer.tar": layer, f"{folder}/json": dump({"id": folder}), f"{folder}/VERSION": b"1.0"}
        for folder, layer in zip(folders, one.layers, strict=True)
    ]


def _first_format(one: Image) -> tuple[tuple[str, bytes], bytes, list[dict[str, bytes]]]:
    """Return the config with its name, `manifest.json` and the files of each layer's folder."""
    config, folders = f"{sha256(one.config)}.json", _folders(one)
    return (config, one.config), _manifest(one, config, [next(iter(files)) for files in folders]), folders


def legacy(one: Image) -> bytes:
    """Of each layer `layer.tar` first: go-containerregistry's writer of the first format."""
    config, manifest, folders = _first_format(one)
    files = [item for folder in folders for item in folder.items()]
    return tar([config, *files, ("manifest.json", manifest), ("repositories", b"{}")])


def rules_docker(one: Image) -> bytes:
    config, manifest, folders = _first_format(one)
    files = [(version, layer, details) for layer, details, version in (folder.items() for folder in folders)]
    return tar([config, *itertools.chain(*files), ("repositories", b"{}"), ("manifest.json", manifest)])


def _blobs(one: Image) -> tuple[Files, bytes]:
    """Return the config and the layers, these with an ending, and `manifest.json`."""
    packed = [(f"blobs/sha256/{sha256(gzipped(layer))}.tar.gz", gzipped(layer)) for layer in one.layers]
    config = f"blobs/sha256/{sha256(one.config)}"
    return _unique([(config, one.config), *packed]), _manifest(one, config, [name for name, _ in packed])


_BLOB_FOLDERS: Files = [("blobs/", FOLDER), ("blobs/sha256/", FOLDER)]


def rules_oci(one: Image) -> bytes:
    blobs, manifest = _blobs(one)
    return tar([("manifest.json", manifest), *_BLOB_FOLDERS, *blobs], tarfile.GNU_FORMAT)


def rules_oci_mtree(one: Image) -> bytes:
    blobs, manifest = _blobs(one)
    return tar([*blobs, ("manifest.json", manifest)])


def _index_layout(one: Image) -> tuple[Files, bytes]:
    """Return the blobs, and an `index.json` that has no schemaVersion."""
    layout = Layout()
    index = layout.index({**layout.image(one), "platform": {"os": one.os, "architecture": one.architecture}})
    for tag in one.tags:
        layout.list(index, ref=tag)
    blobs = [(name, body) for name, body in layout.files().items() if name.startswith("blobs/")]
    return blobs, dump({"manifests": layout.entries})


def rules_oci_index(one: Image) -> bytes:
    blobs, index = _index_layout(one)
    marker = ("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    return tar([("index.json", index), *_BLOB_FOLDERS, *blobs, marker], tarfile.GNU_FORMAT)


def rules_oci_mtree_index(one: Image) -> bytes:
    blobs, index = _index_layout(one)
    marker = ("oci-layout", b'{"imageLayoutVersion": "1.0.0"}\n')
    return tar([marker, *reversed(blobs), ("index.json", index)])


def nix_stream(one: Image) -> bytes:
    layers = [(f"{sha256(layer)}/layer.tar", layer) for layer in one.layers]
    config = f"{sha256(one.config)}.json"
    manifest = _manifest(one, config, [name for name, _ in layers])
    return tar(_unique([*layers, (config, one.config), ("manifest.json", manifest)]), tarfile.PAX_FORMAT)


def nix_build(one: Image) -> bytes:
    config, manifest, folders = _first_format(one)
    files: dict[str, Content] = {"./": FOLDER, "manifest.json": manifest, "repositories": b"{}", **dict([config])}
    for folder in folders:
        files |= {f"{next(iter(folder)).partition('/')[0]}/": FOLDER, **folder}
    return tar(sorted(files.items()), tarfile.GNU_FORMAT)


def _containerd(one: Image, layout: Layout, descriptor: Descriptor, tags: Sequence[str] | None) -> bytes:
    """Everything sorted by name: containerd's exporter, which BuildKit uses for both of its forms."""
    for tag in one.tags:
        layout.list(descriptor, ref=tag.rpartition(":")[2], io_containerd_image_name=f"docker.io/{tag}")
    layout.extra["manifest.json"] = dump([docker_entry(layout, descriptor, tags)])
    return tar(sorted({**layout.files(), **dict(_BLOB_FOLDERS)}.items()))


def buildx_docker(one: Image) -> bytes:
    layout = Layout()
    layers = [layout.add(gzipped(layer), "application/vnd.docker.image.rootfs.diff.tar.gzip") for layer in one.layers]
    config = layout.add(one.config, "application/vnd.docker.container.image.v1+json")
    return _containerd(one, layout, layout.manifest(config, layers, DOCKER_MANIFEST), one.tags)


def buildx_oci(one: Image) -> bytes:
    """Its `manifest.json` names nothing."""
    layout = Layout()
    return _containerd(one, layout, layout.image(one), None)


def _with_data(layout: Layout, descriptor: Descriptor) -> Descriptor:
    """Return a descriptor that has its blob in it (descriptor.md, `data`)."""
    blob = layout.blobs[descriptor["digest"].removeprefix("sha256:")]
    return {**descriptor, "data": base64.b64encode(blob).decode()}


def debuerreotype(one: Image) -> bytes:
    """Blobs are links to files of plain names, and both tables of contents name the links."""
    layout = Layout()
    layers = [layout.add(gzipped(layer), OCI_LAYER + "+gzip") for layer in one.layers]
    config = layout.add(one.config, OCI_CONFIG)
    descriptor = layout.manifest(_with_data(layout, config), layers)
    for tag in one.tags:
        layout.list(_with_data(layout, descriptor), ref=tag, io_containerd_image_name=tag)
    layout.extra["manifest.json"] = dump([docker_entry(layout, descriptor, one.tags)])
    plain = {config["digest"]: "image-config.json", descriptor["digest"]: "image-manifest.json"}
    plain |= {layer["digest"]: f"rootfs{depth or ''}.tar.gz" for depth, layer in enumerate(layers)}
    files: dict[str, Content] = {"./": FOLDER, **{f"./{name}": body for name, body in _BLOB_FOLDERS}}
    for digest, name in plain.items():
        link = f"./blobs/sha256/{digest.removeprefix('sha256:')}"
        files |= {link: Link(f"../{name}"), f"./blobs/{name}": layout.blobs[digest.removeprefix("sha256:")]}
    tables = {f"./{name}": layout.files()[name] for name in ("index.json", "manifest.json", "oci-layout")}
    return tar(sorted({**files, **tables}.items()), tarfile.GNU_FORMAT)


BUILDERS: dict[tuple[str, str], Callable[[Image], bytes]] = {
    ("kaniko, crane and ko", "tarball"): kaniko,
    ("crane", "legacy"): legacy,
    ("Jib", "docker"): jib,
    ("Jib", "oci"): jib_oci,
    ("Bazel rules_docker", "docker"): rules_docker,
    ("Bazel rules_docker", "joined layers"): legacy,
    ("Bazel rules_docker", "joined layers, compressed"): kaniko,
    ("Bazel rules_oci", "docker"): rules_oci,
    ("Bazel rules_oci", "oci"): rules_oci_index,
    ("Bazel rules_oci", "docker, by mtree"): rules_oci_mtree,
    ("Bazel rules_oci", "oci, by mtree"): rules_oci_mtree_index,
    ("Nix dockerTools", "streamLayeredImage"): nix_stream,
    ("Nix dockerTools", "buildImage"): nix_build,
    ("buildx", "type=docker"): buildx_docker,
    ("buildx", "type=oci"): buildx_oci,
    ("debuerreotype", "linked blobs"): debuerreotype,
}
