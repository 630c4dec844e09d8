"""
Pushing straight into a destination's registry what replication did not bring, with the same engine as the push.

Layers come from the uploaded object, as they came the first time; what the destination has already is not moved.
Manifests are taken from the source registry, byte for byte. Order is the protocol here too: layers, configs, children,
the image, its tags. A layer that we compressed must come out as it did then, or the push stops before any manifest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from chalicelib.chunks import chunked
from chalicelib.errors import Code, FailedError, RepositoryAbsent, TagTaken
from chalicelib.layers.format import encoding, layer_job
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import RepositoryName, Tag
from chalicelib.outside import Outside
from chalicelib.ports.layers import Availability
from chalicelib.ports.registry import ImageQuery, RegistryClient, RepositoryTemplate
from chalicelib.publishing.blob import store_blob
from chalicelib.replicas.family import Family
from chalicelib.state.documents import Documents
from chalicelib.state.ledger import Ledger
from chalicelib.state.records import ConfigPlan, ImageRecord, LayerRecord
from chalicelib.state.upload import Upload
from chalicelib.transfer.job import LayerTask, Paused, Route, TransferOptions
from chalicelib.transfer.layers import store_layers

_MOST_DIGESTS = 100  # of one BatchCheckLayerAvailability


class StraightPush(Struct, frozen=True):
    """
    The push of families of *upload* from where we hold them into *destination*.

    Attributes:
        outside: The ports; the source registry is read through them.
        upload: Whose images they are.
        destination: The registry that lacks them, seen with the rights of the heal role.
        create: Whether to create a repository that is absent there.
    """

    outside: Outside
    upload: Upload
    destination: RegistryClient
    create: bool = False

    def run(self, found: Iterable[Family]) -> None:
        """
        Push *found*, each into the repository of the same name.

        Raises:
            FailedError: REPOSITORY_ABSENT, TAG_IMMUTABLE, OBJECT_GONE, DIGEST_MISMATCH, ACCESS_DENIED.
            TemporaryError: AWS does not answer.
        """
        by_repository: dict[RepositoryName, list[Family]] = {}
        for family in found:
            by_repository.setdefault(family.root.repository, []).append(family)
        for name, own in by_repository.items():
            self._demand_repository(name)
            everyone = [record for family in own for record in (*family.members, family.root)]
            contents = self._manifests(name, everyone)
            self._layers(name)
            for record in everyone:
                self._image(record, contents)

    def _demand_repository(self, name: RepositoryName) -> None:
        try:
            self.destination.availability(name, [Digest.of(b"")])
        except RepositoryAbsent as error:
            if not self.create:
                text = f"there is no repository {name} in {self.destination.registry}"
                raise FailedError(Code.REPOSITORY_ABSENT, text) from error
            settings = self.outside.settings
            template = RepositoryTemplate(
                mutability=settings.repository_mutability,
                scan_on_push=settings.repository_scan,
                kms_key=None,  # the source's key is of another Region
                tags=settings.repository_tags,
            )
            self.destination.create_repository(name, template)

    def _manifests(self, name: RepositoryName, records: Sequence[ImageRecord]) -> dict[Digest, bytes]:
        source = self.outside.registries.client(self.outside.deployment.registry)
        asked = [ImageQuery(record.digest) for record in records if record.digest]
        answers = [answer for chunk in chunked(asked, _MOST_DIGESTS) for answer in source.images(name, chunk)]
        absent = [answer.query.digest for answer in answers if answer.manifest is None]
        if absent:
            raise FailedError(Code.IMAGE_GONE, f"{source.registry} no longer has {absent[0]} in {name}")
        return {answer.query.digest: answer.manifest for answer in answers if answer.manifest is not None}

    def _layers(self, name: RepositoryName) -> None:
        rows = Ledger(self.outside).layers(self.upload.id)
        layers = [row.record for row in rows if row.record.repository == name]
        held = self._held(name, layers)
        tasks = [self._task(layer) for layer in layers if layer.digest not in held]
        if tasks and self.upload.opening:
            # Their ranges count in the inflated bytes, which nobody can read by ranges.
            raise FailedError(Code.COMPRESSED, f"layers for {name} are in an archive that is compressed as a whole")
        route = Route(
            source=self.outside.bucket.source(self.upload.object),
            registry=self.destination,
            repository=name,
            options=TransferOptions(layers_at_once=self.outside.settings.layers_at_once),
            meter=self.outside.meter,
        )
        if any(isinstance(outcome, Paused) for outcome in store_layers(tasks, route)):
            raise FailedError(Code.GAVE_UP, f"a layer of {name} was not finished")

    def _held(self, name: RepositoryName, layers: Sequence[LayerRecord]) -> set[Digest]:
        digests = list(dict.fromkeys(layer.digest for layer in layers if layer.digest))
        answers = {
            digest: answer
            for chunk in chunked(digests, _MOST_DIGESTS)
            for digest, answer in self.destination.availability(name, chunk).items()
        }
        return {digest for digest, answer in answers.items() if answer is Availability.AVAILABLE}

    def _task(self, layer: LayerRecord) -> LayerTask:
        return LayerTask(job=layer_job(layer, encoding(self.outside.settings)))

    def _image(self, record: ImageRecord, contents: dict[Digest, bytes]) -> None:
        if record.digest is None:
            raise ValueError(f"image {record.number} was never put")
        if record.config:
            self._config(record.repository, record.config)
        for tag in record.tags or (None,):
            self._put(record, contents[record.digest], record.digest, tag)

    def _config(self, name: RepositoryName, config: ConfigPlan) -> None:
        if self.destination.availability(name, [config.digest]).get(config.digest) is Availability.AVAILABLE:
            return
        content = Documents(self.outside, self.upload).read(config.content)
        if Digest.of(content) != config.digest:
            raise FailedError(Code.DIGEST_MISMATCH, f"the config is not {config.digest}")
        store_blob(self.destination, name, content, config.digest)

    def _put(self, record: ImageRecord, content: bytes, digest: Digest, tag: Tag | None) -> None:
        name = record.repository
        try:
            self.destination.put_manifest(name, content, media_type=record.media_type, digest=digest, tag=tag)
        except TagTaken as error:
            if self.destination.images(name, [ImageQuery(digest, tag)])[0].manifest is None:
                text = f"the tag {tag} of {self.destination.registry}/{name} is immutable and names another image"
                raise FailedError(Code.TAG_IMMUTABLE, text) from error
