"""Storing a blob that is held in memory."""

from __future__ import annotations

from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName
from chalicelib.ports.layers import LayerStore


def store_blob(registry: LayerStore, name: RepositoryName, content: bytes, digest: Digest) -> None:
    """Store a small blob (a config: at most 4 MiB, so one part) that is not there yet."""
    begun = registry.begin_layer(name)
    registry.put_part(name, begun.upload_id, 0, content)
    registry.complete_layer(name, begun.upload_id, digest)
