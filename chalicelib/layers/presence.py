"""
Which layers a repository holds already, so that they are not moved.

Asked for 100 digests at once. AVAILABLE is per repository (ecr.md 1.1). A layer that we compressed once is known by the
blob cache: diff_id and recipe -> digest and size, per repository, written only when both sides were hashed and ECR
accepted the result, and believed only if ECR says now that it has the blob.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chalicelib.chunks import chunked
from chalicelib.errors import ConflictError
from chalicelib.layers.format import media_type
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Repository, RepositoryName
from chalicelib.outside import Outside
from chalicelib.ports.layers import Availability
from chalicelib.ports.registry import RegistryClient
from chalicelib.ports.table import Key, Put, Stored
from chalicelib.replacing import replace
from chalicelib.state.records import LayerRecord
from chalicelib.state.upload import SHAPE
from chalicelib.transfer.encoding import Encoding

MOST_DIGESTS: Final = 100  # of one BatchCheckLayerAvailability
_DAY: Final = 86_400.0


def cache_keys(outside: Outside, layers: Sequence[LayerRecord], used: Encoding) -> list[Key]:
    """Return where the cache would know those of *layers* that we compress."""
    return [_key(outside, layer, used) for layer in layers if layer.compress]


def settle(
    outside: Outside,
    registry: RegistryClient,
    layers: Sequence[LayerRecord],
    used: Encoding,
    cached: Mapping[Key, Stored | None],
) -> list[LayerRecord]:
    """
    Return *layers*, those that their repository holds marked as stored, all of them with the time of asking.

    *cached* are the items at `cache_keys`.
    """
    now = outside.clock.now()
    guessed = guess(outside, layers, used, cached)
    present = _present(registry, guessed)
    return [
        replace(guess, stored=True, progress=None, checked=now)
        if (guess.repository, guess.digest) in present
        else replace(layer, checked=now)
        for layer, guess in zip(layers, guessed, strict=True)
    ]


def guess(
    outside: Outside, layers: Sequence[LayerRecord], used: Encoding, cached: Mapping[Key, Stored | None]
) -> list[LayerRecord]:
    """Return *layers*, those that we compress with the digest and size that the cache knows; makes no call."""
    return [
        _guess(layer, cached.get(_key(outside, layer, used)), used) if layer.compress else layer for layer in layers
    ]


def remember(outside: Outside, layer: LayerRecord, used: Encoding) -> None:
    """Keep what a layer that we compressed became; another upload that did the same at the same time is as good."""
    expires = outside.clock.now() + outside.settings.keep_days * _DAY
    item = {"v": SHAPE, "digest": str(layer.digest), "size": layer.size}
    change = Put(_key(outside, layer, used), item, 0, expires=expires)
    try:
        _write_over(outside, change)
    except ConflictError:
        outside.log.info("the blob cache was written by another upload", layer=str(layer.name))


def _write_over(outside: Outside, change: Put) -> None:
    try:
        outside.table.write([change])
    except ConflictError:  # rarely: what is known is seldom compressed again
        known = outside.table.get(change.key)
        outside.table.write([replace(change, revision=known.revision if known else 0)])


def _key(outside: Outside, layer: LayerRecord, used: Encoding) -> Key:
    repository = Repository(outside.deployment.registry, layer.repository)
    return Key(f"blob#{repository}", f"{layer.name}#{used.recipe}")


def _guess(layer: LayerRecord, known: Stored | None, used: Encoding) -> LayerRecord:
    if known is None:
        return layer
    digest = Digest.parse(known.item["digest"])
    return replace(layer, digest=digest, size=known.item["size"], media_type=media_type(used))


def _present(registry: RegistryClient, layers: Sequence[LayerRecord]) -> set[tuple[RepositoryName, Digest | None]]:
    wanted: dict[RepositoryName, dict[Digest, None]] = {}
    for layer in layers:
        if layer.digest:
            wanted.setdefault(layer.repository, {})[layer.digest] = None
    found: set[tuple[RepositoryName, Digest | None]] = set()
    for name, digests in wanted.items():
        for chunk in chunked(tuple(digests), MOST_DIGESTS):
            answers = registry.availability(name, chunk)
            found |= {(name, digest) for digest, answer in answers.items() if answer is Availability.AVAILABLE}
    return found
