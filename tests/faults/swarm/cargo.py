"""The archives that a swarm uploads, and what must become of each, known from an undisturbed upload of its own."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.errors import Code
from chalicelib.oci.digest import Digest
from chalicelib.settings import Settings
from tests import archives
from tests.fakes.repository import EcrRules
from tests.world import SOURCE, World

KIB: Final = 1024
SIZES: Final = EcrRules(part_size=4 * KIB, smallest_part=2 * KIB, largest_part=8 * KIB)
"""Small ones, so that a layer of some KiB has several parts."""


@dataclass(frozen=True, slots=True)
class Cargo:
    """
    An archive.

    Attributes:
        name: What it is; equal names have equal bytes.
        suffix: Of its object's key.
        code: With which it must be refused; None: it is sound.
        twin: A sound archive of which it holds sound blobs.
        read: Whether that is known without reading layers: then ECR is never written to.
    """

    name: str
    content: bytes
    suffix: str = ".tar"
    code: Code | None = None
    twin: bytes | None = None
    read: bool = False


def _noise(seed: object, size: int) -> bytes:
    return random.Random(str(seed)).randbytes(size)  # noqa: S311 - the same bytes each time


def _plain(tenant: str, number: int, tag: str) -> bytes:
    layers = (archives.layer("base"), archives.layer(f"{tenant} {number}"))
    return archives.docker_save(archives.Image(layers, tags=(f"x/app:{tag}",)))


def _parts(tenant: str, number: int, tag: str) -> bytes:
    noise = archives.tar({"noise": _noise((tenant, number), 13 * KIB)})
    return archives.docker_save(archives.Image((noise, archives.layer("base")), tags=(f"x/app:{tag}",)))


def _several(tenant: str, number: int, tag: str) -> bytes:
    shared = archives.layer(f"shared {tenant}")
    return archives.docker_save(
        archives.Image((shared, archives.layer(f"{tenant} one {number}")), tags=(f"x/one:{tag}",)),
        archives.Image((shared,), tags=(f"x/two:{tag}",)),
    )


def _index(tenant: str, number: int, tag: str) -> bytes:
    layout = archives.Layout()
    images = [archives.image("base", f"{tenant} {number}", architecture=name) for name in ("amd64", "arm64")]
    children = [{**layout.image(one), "platform": archives.platform(one)} for one in images]
    layout.list(layout.index(*children), ref=tag)
    return layout.tar()


def _single(tenant: str, number: int, tag: str) -> bytes:
    layout = archives.Layout()
    layout.list(layout.image(archives.image("base", f"layout {tenant} {number}")), ref=tag)
    return layout.tar()


def _lying(tenant: str, number: int, tag: str) -> bytes:
    """A layer whose bytes are not its digest."""
    layout = archives.Layout()
    layout.list(layout.image(archives.image("base", f"lying {tenant} {number}")), ref=tag)
    digest = [name for name, content in layout.blobs.items() if content.startswith(b"\x1f\x8b")][-1]
    layout.blobs[digest] = layout.blobs[digest][:-1] + bytes([layout.blobs[digest][-1] ^ 1])
    return layout.tar()


_SOUND: Final[Mapping[str, Callable[[str, int, str], bytes]]] = {
    "plain": _plain,
    "parts": _parts,
    "several": _several,
    "index": _index,
    "single": _single,
}


@functools.cache
def cargo(kind: str, tenant: str, number: int, tag: str) -> Cargo:
    """Return the archive of a *kind*; another *number* is another version of the same software."""
    name = f"{kind} {tenant} {number} {tag}"
    if kind == "sealed":
        return Cargo(name, archives.gzipped(_plain(tenant, number, tag)), ".tar.gz")
    if kind == "lying":
        sound = _single(tenant, number, tag)
        return Cargo(name, _lying(tenant, number, tag), code=Code.DIGEST_MISMATCH, twin=sound)
    if kind == "truncated":
        return Cargo(name, _plain(tenant, number, tag)[: -3 * KIB], code=Code.TRUNCATED, read=True)
    return Cargo(name, _SOUND[kind](tenant, number, tag))


KINDS: Final = ("plain", "plain", "parts", "several", "index", "single", "sealed", "lying", "truncated")


@dataclass(frozen=True, slots=True)
class Expected:
    """What an archive becomes: digests of the manifests that are put, and what each tag names, by repository."""

    manifests: Mapping[str, frozenset[Digest]]
    tags: Mapping[str, Mapping[str, Digest]]
    blobs: Mapping[str, frozenset[Digest]]


@functools.cache
def _expected(one: Cargo, key: str, compression: str) -> Expected:
    world = World(settings=Settings(stage="test", create_repositories=True, compression=compression))
    world.ecr.sizes = SIZES
    world.ecr.rules.clear()
    world.upload(key, one.content)
    world.run()
    if one.twin:
        world.upload(key, one.twin)
        world.run()
    held = world.ecr.repositories[SOURCE]
    if one.code:
        blobs = {str(name): frozenset(found.blobs) for name, found in held.items()}
        return Expected({}, {}, blobs)
    return Expected(
        {str(name): frozenset(found.images) for name, found in held.items()},
        {str(name): {str(tag): digest for tag, digest in found.tags.items()} for name, found in held.items()},
        {str(name): frozenset(found.blobs) for name, found in held.items()},
    )


def expected(one: Cargo, key: str, settings: Any) -> Expected:
    """Return what *one* becomes when it is uploaded as *key*."""
    return _expected(one, key, settings.compression)
