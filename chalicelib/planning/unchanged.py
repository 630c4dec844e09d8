"""
The short way for an archive whose images are in the registry already, under their tags: nothing is pushed nor put.

Builds repeat themselves, so this way is cheap: two calls of ECR, one read and one write of the table. Nothing is
written to ECR, so our roles need not be asked about; an image that is there has its layers, so they need not either.
It decides in one transaction, so it needs no lease; whoever finds anything else than expected leaves it to the long
way. Whether the replicas are right is confirmed as after any publication.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from chalicelib.chunks import chunked
from chalicelib.meter import Count
from chalicelib.oci.digest import Digest
from chalicelib.outside import Outside
from chalicelib.planning.plan import Plan
from chalicelib.ports.registry import ImageQuery, RegistryClient, ReplicationRule
from chalicelib.ports.table import Check, Delete, Put
from chalicelib.publishing.manifest_bytes import generated
from chalicelib.publishing.publication import pointers, published
from chalicelib.replacing import replace
from chalicelib.state.claims import Claims
from chalicelib.state.documents import is_slim
from chalicelib.state.ledger import Entry, Ledger, Record, put
from chalicelib.state.records import ImageRecord
from chalicelib.state.upload import Upload

_MOST_IMAGES: Final = 100  # of one BatchGetImage


def settle_unchanged(
    outside: Outside,
    upload: Upload,
    planned: Plan,
    claims: Claims,
    *,
    demand: Callable[[Sequence[ReplicationRule]], None],
    reserved: Sequence[Put] = (),
) -> Entry | None:
    """
    Move a new *upload* straight to its confirmation if the registry holds all of *planned* under its tags.

    *demand* is told the replication rules and raises if they do not suffice; *reserved* are changes that belong to the
    acceptance. A tag that we have never put is not looked for: a first push makes no call too many.

    Returns None if it does not, or if another upload is about to change that.

    Raises:
        RefusedError: What *demand* raises.
        ConflictError: The upload or a claim changed meanwhile.
    """
    if not all(claims.found.values()) or claims.contested(upload) or not is_slim(planned.images):
        return None
    if not all(layer.digest for layer in planned.layers):
        return None
    registry = outside.registries.client(outside.deployment.registry)
    images = [_described(image, planned) for image in planned.images]
    if not _all_there(registry, images):
        return None
    rules = registry.replication_rules()
    demand(rules)
    outside.meter.add(Count.LAYERS_SKIPPED, sum(not layer.stored for layer in planned.layers))
    return _write(outside, upload, images, rules, [*claims.taken(upload), *reserved])


def _described(image: ImageRecord, planned: Plan) -> ImageRecord:
    if image.digest:
        return replace(image, put=True)
    content, media_type = generated(image, {layer.sk: layer for layer in planned.layers})
    return replace(image, digest=Digest.of(content), size=len(content), media_type=media_type, put=True)


def _all_there(registry: RegistryClient, images: Sequence[ImageRecord]) -> bool:
    wanted: dict[str, list[ImageQuery]] = {}
    for image in images:
        if image.digest:
            own = [ImageQuery(image.digest, tag) for tag in image.tags] or [ImageQuery(image.digest)]
            wanted.setdefault(str(image.repository), []).extend(own)
    names = {str(image.repository): image.repository for image in images}
    return all(
        answer.manifest is not None
        for name, queries in wanted.items()
        for chunk in chunked(queries, _MOST_IMAGES)
        for answer in registry.images(names[name], chunk)
    )


def _write(
    outside: Outside,
    upload: Upload,
    images: Sequence[ImageRecord],
    rules: Sequence[ReplicationRule],
    also: Sequence[Put],
) -> Entry | None:
    roots = [image for image in images if image.root]
    publication = published(outside, upload, roots, rules)
    settled = publication.upload.with_tally(outside.usage())
    records: list[Record] = [*images, *publication.replicas]
    changes: list[Put | Check | Delete] = [
        *also,
        *pointers(outside, settled, roots).values(),
        *(put(upload.id, record, 0) for record in records),
    ]
    drafts = [Ledger(outside).announcer(settled).accepted(images), *publication.drafts]
    return Ledger(outside).decide_new(settled, drafts, also=changes)
