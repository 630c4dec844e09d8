"""
The image that `make run` moves: built from this machine's own Python installation, in the form of `docker save`.

Four layers, as real images have them: what the interpreter is linked to, the standard library, the packages that the
pipeline runs on, and the pipeline itself. Equal files give an equal archive: names are sorted, times and owners fixed.
Each layer is written once, straight into the archive; its header follows when its length and digest are known.

Left out: that the image could run. It is bytes of a realistic kind, size and number.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import BinaryIO, Final

DEMO_REPOSITORY: Final = "vendor/demo"
NAME: Final = f"{DEMO_REPOSITORY}:1.0"
"""What the archive calls its image."""

_TIME: Final = 1_767_225_600  # 2026-01-01, of every member
_CREATED: Final = "2026-01-01T00:00:00Z"
_ZEROS: Final = bytes(tarfile.BLOCKSIZE)
_PACKAGES: Final = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "aws-lambda-powertools", "isal")
_SKIPPED: Final = frozenset({"__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib"})


@dataclass(frozen=True, slots=True)
class Layer:
    """What goes into one layer: pairs of the name in the image and the file on this machine, and why it is there."""

    comment: str
    files: tuple[tuple[str, Path], ...]


@dataclass(frozen=True, slots=True)
class DemoArchive:
    """The archive as it was written: its *path*, its *size* in bytes and how many *layers* it has."""

    path: Path
    size: int
    layers: int


def build_demo_archive(path: Path) -> DemoArchive:
    """
    Write the archive to *path*, whose folder is made if it is missing; takes about a second.

    Raises:
        OSError: The file cannot be written, or a file of this machine changed while it was read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    layers = demo_layers()
    with unfinished.open("w+b") as file:
        write_docker_archive(file, layers)
    unfinished.replace(path)
    return DemoArchive(path, path.stat().st_size, len(layers))


def demo_layers() -> tuple[Layer, ...]:
    """Return the layers, the one that changes least first."""
    return (
        Layer("the interpreter and the libraries that it is linked to", tuple(sorted(_runtime()))),
        Layer("the standard library", tuple(sorted(_standard_library()))),
        Layer("the packages that the pipeline runs on", tuple(sorted(_packages()))),
        Layer("the pipeline", tuple(sorted(_pipeline()))),
    )


def write_docker_archive(file: BinaryIO, layers: Iterable[Layer], name: str = NAME) -> None:
    """Write what `docker save NAME` writes (image specification v1.2) for an image of *layers* to a seekable *file*."""
    layers = tuple(layers)
    diff_ids = [_write_layer(file, layer) for layer in layers]
    config = _json(_config(layers, diff_ids))
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    _write_member(file, config_name, config)
    manifest = {
        "Config": config_name,
        "RepoTags": [name],
        "Layers": [_layer_name(diff_id) for diff_id in diff_ids],
    }
    _write_member(file, "manifest.json", _json([manifest]))
    file.write(_ZEROS * 2)


# --- what is in the layers -----------------------------------------------------------------------------------------


def _runtime() -> Iterator[tuple[str, Path]]:
    executable = Path(sys.executable).resolve()
    yield f"usr/bin/{executable.name}", executable
    for library in _mapped_libraries():
        yield f"usr/lib/{library.name}", library


def _mapped_libraries() -> set[Path]:
    maps = Path("/proc/self/maps")
    if not maps.exists():  # not a Linux: the image has one layer of one file then
        return set()
    mapped = {Path(line.split(maxsplit=5)[5]) for line in maps.read_text().splitlines() if ".so" in line}
    # Libraries of the system only: what else is mapped depends on what was imported before.
    system = {path for path in mapped if path.parts[1] in {"lib", "lib64", "usr"} and path.is_file()}
    return {path for path in system if "python" not in str(path.parent)}


def _standard_library() -> Iterator[tuple[str, Path]]:
    root = Path(sysconfig.get_path("stdlib"))
    for path in _files_below(root):
        yield f"usr/lib/{root.name}/{path.relative_to(root)}", path


def _files_below(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        for name in files:
            path = Path(folder, name)
            # A static library is there for who builds extensions; it would be half of everything.
            if path.suffix != ".a" and path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                yield path


def _packages() -> Iterator[tuple[str, Path]]:
    for name in _PACKAGES:
        try:
            package = distribution(name)
        except PackageNotFoundError:  # a package that a release no longer needs; the layer is that much smaller
            continue
        yield from _package_files(package)


def _package_files(package: Distribution) -> Iterator[tuple[str, Path]]:
    for file in package.files or ():
        path = Path(str(file.locate()))
        if file.suffix != ".pyc" and ".." not in file.parts and path.is_file() and _SKIPPED.isdisjoint(file.parts):
            yield f"opt/python/{file}", path


def _pipeline() -> Iterator[tuple[str, Path]]:
    root = Path(__file__).resolve().parent.parent
    for path in _files_below(root / "chalicelib"):
        yield f"srv/{path.relative_to(root)}", path


# --- the form of docker save ---------------------------------------------------------------------------------------


class _Hashing(io.RawIOBase):
    """Passes bytes on to *file* and hashes them."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override] # tarfile writes bytes only
        self.sha256.update(content)
        return self._file.write(content)


def _write_layer(file: BinaryIO, layer: Layer) -> str:
    """Write a layer as a member of the archive and return its diff_id, in hexadecimal."""
    header = file.tell()
    file.seek(header + tarfile.BLOCKSIZE)
    hashing = _Hashing(file)
    with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.GNU_FORMAT, bufsize=1 << 20) as tar:
        for name, path in layer.files:
            _add(tar, name, path)
    end = file.tell()
    diff_id = hashing.sha256.hexdigest()
    file.seek(header)
    file.write(_header(_layer_name(diff_id), end - header - tarfile.BLOCKSIZE))
    file.seek(end)  # a tar's length is a multiple of the block already
    return diff_id


def _add(tar: tarfile.TarFile, name: str, path: Path) -> None:
    member = tarfile.TarInfo(name)
    with path.open("rb") as content:
        status = os.fstat(content.fileno())
        member.size, member.mtime = status.st_size, _TIME
        member.mode = 0o755 if status.st_mode & 0o100 else 0o644
        tar.addfile(member, content)


def _write_member(file: BinaryIO, name: str, content: bytes) -> None:
    file.write(_header(name, len(content)))
    file.write(content)
    file.write(_ZEROS[: -len(content) % tarfile.BLOCKSIZE])


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = size, _TIME
    return member.tobuf(tarfile.USTAR_FORMAT)


def _layer_name(diff_id: str) -> str:
    return f"{diff_id}/layer.tar"


def _config(layers: Iterable[Layer], diff_ids: Iterable[str]) -> dict[str, object]:
    return {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "config": {"Cmd": ["/usr/bin/python3"], "Env": ["PYTHONPATH=/opt/python:/srv"], "WorkingDir": "/srv"},
        "created": _CREATED,
        "history": [{"created": _CREATED, "created_by": "transship demo", "comment": it.comment} for it in layers],
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}" for diff_id in diff_ids]},
    }


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
