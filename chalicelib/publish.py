"""
Step 3: config, child manifests, index, then tags. The only step that puts images.

Order is the protocol: nothing is named before it exists, and a tag is set last. Bytes that came from the archive are
put as they are; a generated manifest is written from the config and from what `push` stored.
An archive may hold hundreds of images: what there is no time for is put by the next message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from chalicelib.access.admission import admit
from chalicelib.access.authorise import wanted
from chalicelib.access.denial import refuse_or_ask_again
from chalicelib.access.identity import prove_access, prove_identity
from chalicelib.access.preflight import judge
from chalicelib.access.probe import demand_by_probe
from chalicelib.errors import (
    Code,
    ConflictError,
    FailedError,
    FinalError,
    ImagesAbsent,
    LayersAbsent,
    RefusedError,
    RegistryAnswer,
    RepositoryAbsent,
    SupersededError,
    TagTaken,
    TemporaryError,
)
from chalicelib.messages import drive, send_confirm, send_publish
from chalicelib.names import CONFIRM, PUBLISH, PUSH
from chalicelib.notify import flush
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.outcome.ending import end
from chalicelib.outside import Outside
from chalicelib.ports.layers import Availability
from chalicelib.ports.registry import ImageQuery, RegistryClient, ReplicationRule
from chalicelib.ports.table import Put
from chalicelib.publishing.blob import store_blob
from chalicelib.publishing.manifest_bytes import manifest_bytes
from chalicelib.publishing.moved import moved_tags
from chalicelib.publishing.publication import pointers, published
from chalicelib.replacing import replace
from chalicelib.replicas.course import MARGIN
from chalicelib.replicas.healing import Way, carry_on
from chalicelib.state.claims import Claims
from chalicelib.state.documents import Documents
from chalicelib.state.lease import Lease
from chalicelib.state.ledger import Entry, Ledger, Row, put
from chalicelib.state.records import ConfigPlan, ImageRecord
from chalicelib.state.upload import State, Upload

_DAY: Final = 86_400.0
_MOST_RETURNS: Final = 3
"""How often layers go back to `push`: ECR's clean-up meets an upload by its age, once; more often is no accident."""


class _TimeIsUp(Exception):  # noqa: N818 - a moment, not a fault
    """The images that are left are put in the next invocation."""


def publish(outside: Outside, upload_id: str, first: int = 0) -> None:
    """
    Put the images of an upload; one that is further on is moved on from there.

    Args:
        outside: The ports.
        upload_id: Which upload.
        first: Of one that is healed, the image to go on with.

    Raises:
        TemporaryError: Try again later.
    """
    ledger = Ledger(outside)
    with Lease.hold(outside, upload_id, PUBLISH) as lease:
        entry = ledger.load(upload_id)
        if entry is None or entry.upload.state is not State.PUBLISHING:
            if entry and entry.upload.heal == Way.RETAG:
                _heal(outside, entry.upload, first)
            elif entry and entry.upload.state is State.CONFIRMING:
                drive(outside, entry.upload)
            return
        try:
            entry = _Publication(outside, entry, lease).run()
        except (FinalError, SupersededError) as error:
            entry = end(outside, ledger.load(upload_id) or entry, error)
        except RepositoryAbsent as error:
            gone = FailedError(Code.REPOSITORY_GONE, f"the repository disappeared: {error}")
            entry = end(outside, ledger.load(upload_id) or entry, gone)
        except (ConflictError, RegistryAnswer) as error:
            # A part that was in fact taken, an upload id gone stale: the next try begins the config anew.
            raise TemporaryError(f"the publication must be begun again: {error}") from error
    if entry.upload.state is State.CONFIRMING:
        send_confirm(outside, entry.upload, outside.settings.confirm_first)
    else:
        drive(outside, entry.upload)
    flush(outside, upload_id)


def _heal(outside: Outside, upload: Upload, first: int) -> None:
    following = carry_on(outside, upload, first)
    if following is not None:
        send_publish(outside, upload, first=following)


class _Publication:
    """The publication of one upload, under a lease."""

    def __init__(self, outside: Outside, entry: Entry, lease: Lease) -> None:
        self._outside = outside
        self._entry = entry
        self._lease = lease
        self._ledger = Ledger(outside)
        self._claims: Claims | None = None
        self._first = not entry.upload.put_begun
        self._locked_until, self._locks = 0.0, 0
        self._registry: RegistryClient = outside.registries.client(outside.deployment.registry)
        self._documents = Documents(outside, entry.upload)
        self._images = self._ledger.images(entry.upload.id)
        self._layers = {row.record.sk: row.record for row in self._ledger.layers(entry.upload.id)}

    def run(self) -> Entry:
        """Put everything and decide what follows."""
        prove_identity(self._outside, PUBLISH)
        rules = self._registry.replication_rules()
        self._renew_admission(rules)
        self._renew_authority(rules)
        prove_access(self._outside)
        images = [row.record for row in self._images]
        claims = Claims.read(self._outside, [(image.repository, tag) for image in images for tag in image.tags])
        claims.demand(self._entry.upload)
        self._hold_tags(claims)
        self._warn_of_moved_tags([image for image in images if not image.put])
        try:
            done = self._put_all()
        except LayersAbsent:
            # ECR may clean up layers that no image names (ecr.md 1.4).
            return self._push_again()
        except _TimeIsUp:
            return self._entry
        return self._decide(done, rules, claims.unlocked(self._entry.upload, self._locks))

    def _hold_tags(self, claims: Claims) -> None:
        """
        Lock the tags, or lock them on while there is half of a lease left.

        Raises:
            ConflictError: The lock ran out, and a later upload has them.
        """
        if self._outside.clock.now() >= self._locked_until - self._outside.settings.lease / 2:
            self._claims = claims
            self._locked_until = claims.lock(self._entry.upload, self._locks)
            self._locks += 1

    def _warn_of_moved_tags(self, images: Sequence[ImageRecord]) -> None:
        """Say which tags name other images now, before they are moved; the next try must say it too."""
        moved = moved_tags(self._registry, images, self._layers)
        warnings = tuple(dict.fromkeys((*self._entry.upload.warnings, *moved)))
        if warnings != self._entry.upload.warnings:
            self._entry = self._ledger.decide(self._entry, replace(self._entry.upload, warnings=warnings))

    def _renew_admission(self, rules: Sequence[ReplicationRule]) -> None:
        """Ask again whether the uploader may push there: a rule may have been taken away during the push."""
        admission = admit(self._outside, self._entry.upload, [row.record for row in self._images])
        admission.demand_destinations(self._outside, rules)
        upload = replace(self._entry.upload, access=admission.to_item())
        self._entry = replace(self._entry, upload=upload)

    def _renew_authority(self, rules: Sequence[ReplicationRule]) -> None:
        """Ask again whether our roles may, if the answer is old: access may have been revoked during the push."""
        names = list(dict.fromkeys(row.record.repository for row in self._images if not row.record.put))
        demand_by_probe(self._outside, PUBLISH, names)
        settings, known = self._outside.settings, self._entry.upload.preflight
        young = self._outside.clock.now() - known.get("asked", 0.0) < settings.preflight_age
        if settings.preflight != "enforce" or (young and not known.get("denied")):
            return
        tags = {name: self._registry.repository_tags(name) for name in names}
        asked = wanted(self._outside, tags, rules, self._entry.upload.object)
        verdict = judge(self._outside, asked, (PUSH, PUBLISH, CONFIRM))
        if verdict.denied:
            self._entry, refusal = refuse_or_ask_again(self._outside, self._entry, verdict)
            raise refusal
        self._entry = replace(self._entry, upload=replace(self._entry.upload, preflight=verdict.to_item()))

    def _put_all(self) -> list[Row[ImageRecord]]:
        """Put every manifest; what was put is remembered even when a later one is not."""
        done: list[Row[ImageRecord]] = []
        try:
            done.extend(self._put_each())
        except (FinalError, TemporaryError, _TimeIsUp):
            self._remember(done)
            raise
        return done

    def _put_each(self) -> Iterator[Row[ImageRecord]]:
        """
        Put the manifests that were not put yet, one after the other, and yield all of them.

        Raises:
            _TimeIsUp: Before the next one; the first is put in any case.
        """
        begun = False
        for row in self._images:
            if row.record.put:
                yield row
                continue
            if begun and self._outside.remaining() < MARGIN:
                self._outside.log.info("the time is up; the other images are put in the next invocation")
                raise _TimeIsUp
            begun = True
            yield Row(self._put(row.record), row.revision)

    def _remember(self, done: Sequence[Row[ImageRecord]]) -> None:
        known = {row.record.sk for row in self._images if row.record.put}
        for row in done:
            if row.record.sk not in known:
                self._ledger.save(self._entry.upload.id, row, row.record)

    def _put(self, image: ImageRecord) -> ImageRecord:
        if image.config:
            self._put_config(image.repository, image.config)
        content, media_type = manifest_bytes(image, self._layers, self._documents)
        digest = Digest.of(content)
        for tag in image.tags or (None,):
            self._put_manifest(image.repository, content, media_type, digest, tag)
        return replace(image, digest=digest, size=len(content), media_type=media_type, put=True)

    def _put_manifest(
        self, name: RepositoryName, content: bytes, media_type: str, digest: Digest, tag: Tag | None
    ) -> None:
        if not self._lease.held:
            raise TemporaryError("the lease ran out while publishing")
        if self._claims:
            self._hold_tags(self._claims)
        self._note_put_begun(begun=True)
        try:
            self._registry.put_manifest(name, content, media_type=media_type, digest=digest, tag=tag)
        except TagTaken as error:
            # Raised even if the tag names this very image (ecr.md 1.5).
            answer = self._registry.images(name, [ImageQuery(digest, tag)])[0]
            if answer.manifest is None:
                if self._first:
                    self._note_put_begun(begun=False)
                raise RefusedError(
                    Code.TAG_IMMUTABLE, f"the tag {tag} of {name} is immutable and names another image"
                ) from error
        except ImagesAbsent as error:
            raise FailedError(Code.REGISTRY_REFUSED, f"children of an index of {name} are absent: {error}") from error
        self._first = False

    def _note_put_begun(self, *, begun: bool) -> None:
        """Write down before the first PutImage that it may have an effect: the function may never hear of it."""
        if self._entry.upload.put_begun != begun:
            self._entry = self._ledger.decide(self._entry, replace(self._entry.upload, put_begun=begun))

    def _put_config(self, name: RepositoryName, config: ConfigPlan) -> None:
        if self._registry.availability(name, [config.digest]).get(config.digest) is Availability.AVAILABLE:
            return
        content = self._documents.read(config.content)
        if Digest.of(content) != config.digest:
            raise RefusedError(Code.DIGEST_MISMATCH, f"the config is not {config.digest}")
        store_blob(self._registry, name, content, config.digest)

    def _push_again(self) -> Entry:
        """
        Send the layers that ECR lacks back to `push`.

        Raises:
            FailedError: LAYERS_GONE, that was done `_MOST_RETURNS` times in this attempt.
        """
        upload_id, returns = self._entry.upload.id, self._entry.upload.returns + 1
        if returns > _MOST_RETURNS:
            detail = f"layers that were stored {returns} times were not there when their manifest was put"
            raise FailedError(Code.LAYERS_GONE, detail)
        rows = self._ledger.layers(upload_id)
        for row in rows:
            self._ledger.save(upload_id, row, replace(row.record, stored=False, progress=None, checked=0.0))
        self._outside.log.warning("the registry lost layers before they were named; pushing again")
        return self._ledger.decide(self._entry, replace(self._entry.upload, state=State.PUSHING, returns=returns))

    def _decide(
        self, done: Sequence[Row[ImageRecord]], rules: Sequence[ReplicationRule], unlocks: Sequence[Put]
    ) -> Entry:
        """Write down what was put, where it must arrive, and that both were announced."""
        roots = [row.record for row in done if row.record.root]
        publication = published(self._outside, self._entry.upload, roots, rules)
        upload = publication.upload.with_tally(self._outside.usage())
        self._ledger.overwrite(self._entry, ("replica#",), publication.replicas)
        marks = pointers(self._outside, upload, roots)
        standing = self._ledger.read(list(marks))
        also = [*unlocks, *(mark for key, mark in marks.items() if standing[key] is None)]
        also += [put(upload.id, row.record, row.revision) for row in done]
        return self._ledger.decide(self._entry, upload, publication.drafts, also=also)
