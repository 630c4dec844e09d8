"""
Archives of realistic content, made of files that every Debian machine has: its own `/usr` and this project's Python.

Neither random bytes nor zeros: compressors and hashes meet what they meet in real images. The same image is written
three times: as `docker save` writes it (layers uncompressed), as an OCI layout (layers compressed by zlib at its
default level, as docker and buildkit do), and as a rebuilt image whose last and smallest layer differs.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import sysconfig
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from chalicelib.oci.media_type import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST
from transship.demo import Layer, write_docker_archive

MIB: Final = 1 << 20
SHARES: Final = (40, 25, 15, 10, 7, 3)
"""Sizes of the layers, per cent: real images have one large layer, some middling ones and small change."""
_ROOTS: Final = ("/usr/lib", "/usr/share", "/usr/bin", "/usr/include", sysconfig.get_path("stdlib"))


@dataclass(frozen=True, slots=True)
class Archives:
    """Where the archives are: one image in each form that there is of it, and the image rebuilt."""

    docker: Path | None = None
    oci: Path | None = None
    rebuilt: Path | None = None

    def forms(self) -> Iterator[tuple[str, Path]]:
        """Yield each form, as skopeo calls it, with its archive."""
        if self.docker:
            yield "docker", self.docker
        if self.oci:
            yield "oci", self.oci


def existing(path: Path) -> Archives:
    """Return *path* under the form that it has."""
    with tarfile.open(path) as archive:
        names = set(archive.getnames())
    return Archives(docker=path) if "manifest.json" in names else Archives(oci=path)


def build(folder: Path, mib: int, shares: Sequence[int] = SHARES) -> Archives:
    """
    Write the archives of an image into *folder*, unless they are there as this module makes them.

    *mib*: About how many MiB its layers have together; *shares*: what each of them has of that, per cent.
    """
    docker, oci, rebuilt = (folder / name for name in ("docker.tar", "oci.tar", "rebuilt.tar"))
    stamp = folder / f"built-{mib}-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest():.12}"
    if not stamp.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        layers = _layers(mib * MIB, shares)
        _write(docker, layers)
        _write(rebuilt, [*layers[:-1], _changed(layers[-1])])
        _write_oci(docker, oci)
        stamp.touch()
    return Archives(docker, oci, rebuilt)


def _write(path: Path, layers: list[Layer]) -> None:
    with path.open("w+b") as file:
        write_docker_archive(file, layers, "bench/image:1")


def _layers(total: int, shares: Sequence[int]) -> list[Layer]:
    """Fill the layers one after the other; a file goes into one layer."""
    found = _files()
    layers = []
    for share in shares:
        wanted, files = total * share // 100, []
        for path, size in found:
            files.append((str(path).lstrip("/"), path))
            wanted -= _in_tar(size)
            if wanted <= 0:
                break
        layers.append(Layer(f"{share} per cent", tuple(files)))
    return layers


def _in_tar(size: int) -> int:
    """Return what a file of *size* bytes takes in a tar: its header, and its content in whole blocks."""
    return tarfile.BLOCKSIZE + -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _files() -> Iterator[tuple[Path, int]]:
    """
    Walk what there is in turns, so that every layer has libraries as well as text.

    A distribution's Python lies below another root. Its files come once all the same: from equal files two layers
    could become equal, which no archive holds twice.
    """
    seen: set[Path] = set()
    walks = [_walk(Path(root), seen) for root in _ROOTS if Path(root).is_dir()]
    while walks:
        for walk in list(walks):
            for _ in range(20):
                found = next(walk, None)
                if found is None:
                    walks.remove(walk)
                    break
                yield found


def _walk(root: Path, seen: set[Path]) -> Iterator[tuple[Path, int]]:
    """Yield the files below *root* that are not *seen* yet, with their sizes."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path in seen:
                continue
            seen.add(path)
            if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK) and path.suffix != ".pyc":
                size = path.stat().st_size
                if 0 < size <= 24 * MIB:
                    yield path, size


def _changed(layer: Layer) -> Layer:
    """Return *layer* with one more file: a rebuilt image."""
    return Layer(layer.comment, (*layer.files, ("etc/rebuilt", Path(__file__))))


def _write_oci(docker: Path, oci: Path) -> None:
    with tarfile.open(docker) as source, tarfile.open(oci, "w", format=tarfile.USTAR_FORMAT) as target:
        (described,) = json.load(_member(source, "manifest.json"))
        layers = [_add_blob(target, OCI_LAYER_GZIP, _gzipped(_member(source, name))) for name in described["Layers"]]
        config = _add_blob(target, OCI_CONFIG, _member(source, described["Config"]).read())
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
        entry = _add_blob(target, OCI_MANIFEST, json.dumps(manifest).encode())
        entry["annotations"] = {"org.opencontainers.image.ref.name": "1"}
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
        _add(target, "index.json", json.dumps(index).encode())
        _add(target, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')


def _member(archive: tarfile.TarFile, name: str) -> BinaryIO:
    member: Any = archive.extractfile(name)
    found: BinaryIO = member
    return found


def _gzipped(content: BinaryIO) -> bytes:
    """Compress at zlib's default level; slow, which is why it is done once."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=6, mtime=0) as compressing:
        shutil.copyfileobj(content, compressing, MIB)
    return buffer.getvalue()


def _add_blob(archive: tarfile.TarFile, media_type: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    _add(archive, f"blobs/sha256/{digest}", content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
