"""
The first pass over a sealed archive: find out what it holds, and store what looks like a layer while it passes.

What a member is, only the documents say, which come last in most archives. So a member that looks like a layer is
stored in the key's repository on the chance that an image there needs it; ECR drops in time what no image names
(ecr.md 1.4). Members that are kept in memory are stored at the end, when it is known what they are. Nothing is put.

Looks like a layer: a blob of a layout, or what starts like a tar, gzip or zstd. An uncompressed one is compressed, as
the layers of a `docker save` are; if it turns out to be one whose bytes are kept, the second pass brings it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from chalicelib.archive import recognise
from chalicelib.archive.compressed import CompressedArchive
from chalicelib.archive.contents import ArchiveContents
from chalicelib.archive.members import Member
from chalicelib.archive.tar_header import looks_like_header
from chalicelib.byte_range import ByteRange
from chalicelib.errors import RepositoryAbsent
from chalicelib.layers.format import encoding, layer_job, media_type
from chalicelib.layers.notes import Notes
from chalicelib.layers.presence import cache_keys, remember, settle
from chalicelib.meter import Count
from chalicelib.oci.digest import Digest
from chalicelib.outside import Outside
from chalicelib.planning.look import plan_upload
from chalicelib.planning.naming import place
from chalicelib.planning.plan import Plan
from chalicelib.ports.bucket import ByteStream
from chalicelib.replacing import replace
from chalicelib.sealed.passed import PassedRecord
from chalicelib.sealed.walk import Walk, passing
from chalicelib.state.lease import Lease
from chalicelib.state.ledger import Ledger, Row
from chalicelib.state.records import LayerRecord
from chalicelib.state.upload import Upload
from chalicelib.transfer.encoding import KEEP, Encoding
from chalicelib.transfer.job import LayerJob, LayerTask, Paused, Route, StoredLayer, TransferOptions
from chalicelib.transfer.layers import store_layers

_BLOB: Final = re.compile(r"(?:.*/)?blobs/sha256/[0-9a-f]{64}")
_NAMED: Final = re.compile(r"(?:.*[/:])?([0-9a-f]{64})(?:\.tar(?:\.(?:gz|zst))?)?")
_LAYERS: Final = (recognise.GZIP, recognise.ZSTD)


class FirstPass:
    """The first pass, under push's lease."""

    def __init__(self, outside: Outside, upload: Upload, lease: Lease) -> None:
        self._outside = outside
        self._upload = upload
        self._ledger = Ledger(outside)
        self._walk = Walk(outside, upload, lease)
        self._encoding = encoding(outside.settings)
        self._registry = outside.registries.client(outside.deployment.registry)
        self._repository = place(upload.object.key, outside.settings.prefix).repository
        self._there = upload.opening is not None and upload.opening.stores  # whether the repository is
        self._passed: dict[ByteRange | bytes, Row[PassedRecord]] = {
            row.record.content: row for row in self._ledger.passed(upload.id)
        }

    def run(self) -> tuple[ArchiveContents, Plan] | None:
        """
        Return what the archive holds and what is to be done, with layers that are stored marked so.

        None if there was no time for all of it.

        Raises:
            RefusedError: all codes of archives; COMPRESSED.
        """
        archive = self._walk.run(self._carry)
        if archive is None:
            return None
        contents = archive.contents()
        planned = plan_upload(self._outside, self._upload, contents)
        layers = [self._settled(layer) for layer in planned.layers]
        return contents, replace(planned, layers=tuple(self._store_kept(layers, archive)))

    # --- while it passes ---

    def _carry(self, member: Member, content: ByteStream) -> bool:
        row = self._passed.get(member.content)
        if (row and row.record.stored) or not self._there or not _looks_like_layer(member):
            return True
        try:
            return self._is_known(member) or self._store(member, content, row)
        except RepositoryAbsent:
            self._there = False  # `receive` creates what is needed, once that is known
            return True

    def _is_known(self, member: Member) -> bool:
        """Note a member whose name claims to be what the repository holds already."""
        claimed = _NAMED.fullmatch(member.name)
        if not claimed:
            return False
        compress = self._compresses(member)
        name = Digest(claimed[1])
        (layer,) = self._ask([_guess(self._repository_layer(member.content, name), compress=compress)])
        if not layer.stored:
            return False
        self._outside.meter.add(Count.LAYERS_SKIPPED)
        known = replace(self._record(member), diff_id=name if compress else None, stored=True)
        self._note(member, replace(known, digest=layer.digest, size=layer.size, media_type=layer.media_type))
        return True

    def _store(self, member: Member, content: ByteStream, row: Row[PassedRecord] | None) -> bool:
        used = self._encoding if self._compresses(member) else KEEP
        notes = Notes(self._outside, self._upload, row or Row(self._record(member), 0))
        task = LayerTask(
            job=passing(LayerJob(content=member.content, encoding=used)),
            progress=notes.progress,
            save=notes.save,
        )
        outcome = self._walk.store(task, content, self._registry, self._repository)
        self._passed[member.content] = notes.row
        if isinstance(outcome, Paused):
            if outcome.progress:
                notes.keep(outcome.progress)
            return False
        self._finish(member, outcome, used)
        return True

    def _finish(self, member: Member, stored: StoredLayer, used: Encoding) -> None:
        about = media_type(used) if used is not KEEP else ""
        record = replace(self._record(member), stored=True, digest=stored.digest, size=stored.size, media_type=about)
        self._note(member, replace(record, diff_id=stored.diff_id))
        if stored.diff_id:
            layer = self._repository_layer(member.content, stored.diff_id)
            remember(self._outside, replace(layer, digest=stored.digest, size=stored.size), used)

    def _note(self, member: Member, record: PassedRecord) -> None:
        row = self._passed.get(member.content) or Row(record, 0)
        self._passed[member.content] = self._ledger.save(self._upload.id, row, record)
        self._walk.progressed = True

    def _record(self, member: Member) -> PassedRecord:
        return PassedRecord(content=member.content, compress=self._compresses(member))

    def _compresses(self, member: Member) -> bool:
        return self._encoding is not KEEP and _is_uncompressed(member)

    # --- at the end ---

    def _settled(self, layer: LayerRecord) -> LayerRecord:
        layer = replace(layer, bundle=0)  # one pass, one message
        row = self._passed.get(layer.content)
        known = row is not None and layer.repository == self._repository and row.record.settles(layer)
        return row.record.settled(layer) if row and known else layer

    def _store_kept(self, layers: Sequence[LayerRecord], archive: CompressedArchive) -> list[LayerRecord]:
        """Store the layers that were kept in memory, and return all of them as they are then."""
        kept = {
            layer.sk: content
            for layer in layers
            if not layer.stored and layer.repository == self._repository and (content := archive.kept(layer.content))
        }
        mine = [layer for layer in layers if layer.sk in kept]
        if not mine or not self._there:
            return list(layers)
        try:
            done = {layer.sk: layer for layer in self._store_all(self._ask(mine), kept)}
        except RepositoryAbsent:
            return list(layers)
        return [done.get(layer.sk, layer) for layer in layers]

    def _store_all(self, layers: Sequence[LayerRecord], kept: dict[str, bytes]) -> list[LayerRecord]:
        pending = [layer for layer in layers if not layer.stored]
        jobs = [replace(layer_job(layer, self._encoding), content=kept[layer.sk]) for layer in pending]
        route = Route(
            source=self._outside.bucket.source(self._upload.object),
            registry=self._registry,
            repository=self._repository,
            out_of_time=self._walk.out_of_time,
            options=TransferOptions(layers_at_once=self._outside.settings.layers_at_once),
            meter=self._outside.meter,
        )
        outcomes = store_layers([LayerTask(job=job) for job in jobs], route)
        done = {layer.sk: self._done(layer, outcome) for layer, outcome in zip(pending, outcomes, strict=True)}
        self._outside.meter.add(Count.LAYERS_SKIPPED, len(layers) - len(pending))
        return [done.get(layer.sk, layer) for layer in layers]

    def _done(self, layer: LayerRecord, outcome: StoredLayer | Paused) -> LayerRecord:
        if isinstance(outcome, Paused):
            return layer
        about = media_type(self._encoding) if layer.compress else layer.media_type
        done = replace(layer, stored=True, digest=outcome.digest, size=outcome.size, media_type=about)
        if layer.compress:
            remember(self._outside, done, self._encoding)
        return done

    def _ask(self, layers: Sequence[LayerRecord]) -> list[LayerRecord]:
        cached = self._ledger.read(cache_keys(self._outside, layers, self._encoding))
        return settle(self._outside, self._registry, layers, self._encoding, cached)

    def _repository_layer(self, content: ByteRange, name: Digest) -> LayerRecord:
        return LayerRecord(repository=self._repository, name=name, content=content, compress=True, bundle=0)


def _guess(layer: LayerRecord, *, compress: bool) -> LayerRecord:
    return layer if compress else replace(layer, compress=False, digest=layer.name, size=layer.length)


def _looks_like_layer(member: Member) -> bool:
    """Tell whether a member is to be stored while it passes; one that is kept whole can wait for the documents."""
    if len(member.kept) == member.content.length:
        return False
    packed = recognise.compression_of(member.kept) in _LAYERS
    return packed or _is_uncompressed(member) or _BLOB.fullmatch(member.name) is not None


def _is_uncompressed(member: Member) -> bool:
    return looks_like_header(member.kept)
