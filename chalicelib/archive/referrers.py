"""
Signatures, SBOMs and attestations: which image each belongs to, so that none is dropped or taken for an image.

Three ways of saying it, tried in this order:

1. `subject`: a manifest names what it speaks of (image-spec 1.1). It goes with that image, whichever of its
   manifests is meant; also a signature of a signature.
2. cosign's tags: `sha256-<hex>.sig`, `.att`, `.sbom`, or bare (the referrers fallback tag of distribution-spec).
   Hauler keeps such a tag in the reference name, and gives the entry its image's name beside it.
3. `kind` annotations (`cosign save`, and Hauler, which has its own prefix): an entry that gives its image's digest
   behind the kind or in an annotation, else one of the same name as its image. Cosign's tag is made of that digest.

A manifest whose subject the archive lacks stays valid (the specification demands that registries take it). With one
image in the archive it goes to that image's repository, else it counts as an image of its own and needs a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct, field

from chalicelib.archive.contents import ArchiveImage, KeptManifest, Referrer
from chalicelib.archive.layout import REF_NAME, Root
from chalicelib.oci.digest import Digest
from chalicelib.replacing import replace

_COSIGN_TAG: Final = re.compile(r"(?:.*:)?(sha256-([0-9a-f]{64})(?:\.[a-z]+)?)")
_KIND: Final = re.compile(r"dev\.(?:cosignproject\.cosign|hauler)/(sig|att|sbom)s(?:/([0-9a-f]{64}))?")
_HAULERS_SUBJECT: Final = "hauler.dev/subject-digest"


class _Sorted(Struct):
    """Images by position, and where each of their digests leads."""

    images: list[ArchiveImage] = field(default_factory=list)
    owner: dict[Digest, int] = field(default_factory=dict)
    by_name: dict[str, int] = field(default_factory=dict)

    def add_image(self, image: ArchiveImage, root: Root) -> None:
        position = len(self.images)
        self.images.append(image)
        self.by_name.update(dict.fromkeys((*image.names, *root.names), position))
        self.owner[root.digest] = position
        if isinstance(image.manifest, KeptManifest):
            self._own(image.manifest, position)

    def add_referrer(self, position: int, referrer: Referrer) -> None:
        image = self.images[position]
        self.images[position] = replace(image, referrers=(*image.referrers, referrer))
        self._own(referrer.manifest, position)

    def _own(self, manifest: KeptManifest, position: int) -> None:
        self.owner.update(dict.fromkeys((node.blob.descriptor.digest for node in manifest.walk()), position))


def gather(images: Sequence[ArchiveImage], roots: Sequence[Root]) -> tuple[ArchiveImage, ...]:
    """
    Return the images with what speaks of them.

    Args:
        images: One for each of *roots*, in the same order.
        roots: What the archive's index lists.
    """
    done = _Sorted()
    waiting = [(image, root) for image, root in zip(images, roots, strict=True) if _speaks(root)]
    for image, root in zip(images, roots, strict=True):
        if not _speaks(root):
            done.add_image(image, root)
    while waiting:
        left = [(image, root) for image, root in waiting if not _attach(done, root)]
        if len(left) == len(waiting):
            break
        waiting = left
    for image, root in waiting:
        _adopt(done, image, root)
    return tuple(done.images)


def spoken_of(roots: Sequence[Root]) -> frozenset[Digest]:
    """Return the digests of manifests that others of *roots* speak of: such a manifest must keep its bytes."""
    return frozenset(digest for root in roots for digest in _meant(root, roots))


def _meant(root: Root, roots: Sequence[Root]) -> Iterator[Digest]:
    yield from (node.subject for node in root.manifest.walk() if node.subject)
    if tag := _tag_of(root):
        yield tag[1]
    elif _kind_of(root):
        yield from (other.digest for other in roots if not root.names or set(root.names).intersection(other.names))


def warnings_of_referrers(images: Sequence[ArchiveImage]) -> tuple[str, ...]:
    """Return a sentence about what speaks of a manifest that is not pushed: nobody who asks for that finds it."""
    nodes = [node for image in images for node in image.manifests() if isinstance(node, KeptManifest)]
    pushed = {node.blob.descriptor.digest for node in nodes}
    lost = [node for node in nodes if node.subject and node.subject not in pushed]
    for referrer in (one for image in images for one in image.referrers if one.tag and not one.manifest.subject):
        tag = _cosign_tag([referrer.tag or ""])
        lost += [referrer.manifest] if tag and tag[1] not in pushed else []
    count = len({node.blob.descriptor.digest for node in lost})
    return (f"signatures, SBOMs or attestations speak of a manifest that is not pushed: {count}",) if count else ()


def _speaks(root: Root) -> bool:
    return bool(root.manifest.subject or _tag_of(root) or _kind_of(root))


def _kind_of(root: Root) -> re.Match[str] | None:
    return _KIND.fullmatch(root.annotations.get("kind", ""))


def _attach(done: _Sorted, root: Root) -> bool:
    subject, tag, kind = root.manifest.subject, _tag_of(root), _kind_of(root)
    if subject in done.owner:
        done.add_referrer(done.owner[subject], Referrer(root.manifest, tag[0] if tag else None))
        return True
    if tag and tag[1] in done.owner:
        done.add_referrer(done.owner[tag[1]], Referrer(root.manifest, tag[0]))
        return True
    if kind and not tag and (position := _of_same_name(done, root)) is not None:
        image = done.images[position].manifest
        if isinstance(image, KeptManifest):
            own = f"sha256-{image.blob.descriptor.digest.hex}.{kind[1]}"
            done.add_referrer(position, Referrer(root.manifest, own))
            return True
    return False


def _of_same_name(done: _Sorted, root: Root) -> int | None:
    positions = {done.by_name[name] for name in root.names if name in done.by_name}
    if not root.names and len(done.images) == 1:
        positions = {0}
    return positions.pop() if len(positions) == 1 else None


def _adopt(done: _Sorted, image: ArchiveImage, root: Root) -> None:
    tag = _tag_of(root)
    if len(done.images) == 1 and isinstance(done.images[0].manifest, KeptManifest) and (tag or not image.names):
        done.add_referrer(0, Referrer(root.manifest, tag[0] if tag else None))
    else:
        done.add_image(image, root)


def _tag_of(root: Root) -> tuple[str, Digest] | None:
    """Return the tag by cosign's scheme, and the digest in it, as the names of *root* or its kind give them."""
    if tag := _cosign_tag((*root.names, root.annotations.get(REF_NAME, ""))):
        return tag
    kind = _kind_of(root)
    subject = root.annotations.get(_HAULERS_SUBJECT, "")
    if kind is None or not (kind[2] or subject):
        return None
    digest = Digest(kind[2]) if kind[2] else Digest.parse(subject)
    return f"sha256-{digest.hex}.{kind[1]}", digest


def _cosign_tag(names: Sequence[str]) -> tuple[str, Digest] | None:
    for name in names:
        if match := _COSIGN_TAG.fullmatch(name):
            return match[1], Digest(match[2])
    return None
