"""
What a push of an archive would do: where its images would go, which layers it would move and which it would skip.

Where they go is the pipeline's own answer (`naming`, `plan`); what is there already, only a registry can say. A layer
that the push would compress has no digest yet: it is skipped only if the pipeline has compressed it before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.archive.contents import ArchiveContents
from chalicelib.chunks import chunked
from chalicelib.errors import RepositoryAbsent
from chalicelib.layers.presence import MOST_DIGESTS
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName
from chalicelib.planning.plan import Plan, plan_contents
from chalicelib.ports.layers import Availability
from chalicelib.ports.registry import RegistryClient
from chalicelib.settings import Settings
from chalicelib.state.records import LayerRecord


def prospect(contents: ArchiveContents, key: str, registry: RegistryClient | None = None) -> dict[str, Any]:
    """
    Return what a push of *contents* under *key* would do, as the JSON of `inspect --repository`.

    Args:
        contents: What the archive holds.
        key: The object's key.
        registry: Is asked for layers that are there; without it nothing is known to be.

    Raises:
        RefusedError: The key or the archive's names would be refused.
    """
    planned = plan_contents(contents, key, Settings())
    present = _present(planned, registry) if registry else {}
    layers = [_layer(layer, layer.digest in present.get(layer.repository, ())) for layer in planned.layers]
    return {
        "images": [
            {"repository": str(image.repository), "tags": [str(tag) for tag in image.tags]}
            for image in planned.images
            if image.root
        ],
        "layers": layers,
        "bytes_to_move": sum(layer["size"] for layer in layers if not layer["present"]),
        "bytes_to_skip": sum(layer["size"] for layer in layers if layer["present"]),
    }


def _layer(layer: LayerRecord, present: bool) -> dict[str, Any]:
    return {
        "repository": str(layer.repository),
        "name": str(layer.name),
        "size": layer.length,
        "compress": layer.compress,
        "present": present,
    }


def _present(planned: Plan, registry: RegistryClient) -> Mapping[RepositoryName, set[Digest]]:
    return {name: _present_in(name, planned.layers, registry) for name in planned.repositories}


def _present_in(name: RepositoryName, layers: Sequence[LayerRecord], registry: RegistryClient) -> set[Digest]:
    digests = [layer.digest for layer in layers if layer.repository == name and layer.digest]
    found: set[Digest] = set()
    try:
        for some in chunked(digests, MOST_DIGESTS):
            answer = registry.availability(name, some)
            found |= {digest for digest in some if answer.get(digest) is Availability.AVAILABLE}
    except RepositoryAbsent:
        return set()
    return found
