"""
Amazon ECR in memory: every registry of every account, with ECR's rules and replication under a clock.

    clock = ManualClock()
    ecr = FakeEcr(clock, home="111122223333")
    source = Registry("111122223333", "us-east-1")
    ecr.create(source, RepositoryName("team/app"))
    ecr.rules[source] = (ReplicationRule((Registry("111122223333", "eu-west-1"),)),)
    client = ecr.client(source)          # a RegistryClient
    ...                                  # push
    clock.advance(ecr.lag)               # now the replicas have it

It is strict about part order and sizes, digests, absent layers and children, and immutable tags. It knows no rights:
`denied` names operations that answer ACCESS_DENIED. Every call is noted in `calls` before it has any effect, and
`on_call` may raise there to stand for a call that never arrived.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.errors import Code, FailedError, RepositoryAbsent, TemporaryError
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from chalicelib.ports.clock import Clock
from chalicelib.ports.layers import Availability, LayerUpload
from chalicelib.ports.registry import (
    CreationTemplate,
    ImageAnswer,
    ImageQuery,
    ReplicaStatus,
    ReplicationRule,
    RepositorySettings,
    RepositoryTemplate,
    Scan,
)
from tests.fakes.part import FakePart
from tests.fakes.replication import Replication
from tests.fakes.repository import EcrRules, FakeImage, FakeRepository


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what AWS names the operation, and where it went."""

    operation: str
    registry: Registry
    repository: RepositoryName | None


@dataclass(slots=True)
class FakeEcr:
    """
    All registries within reach; implements `Registries`.

    Attributes:
        clock: Moves replication.
        home: The account whose registries are read without a role.
        sizes: Part sizes and the like.
        rules: Replication configuration by source registry.
        lag: Seconds until a replica has an image.
        lags: The same for single destinations.
        silent: Destinations about which the source never says anything.
        barren: Destinations whose indexes arrive without their children, COMPLETE all the same.
        shut: Destinations that let nobody read anything back.
        keyless: Destinations whose KMS key cannot be used.
        unreached: Destinations that do not answer, and with which words.
        mute_children: Whether the source says nothing about the children of indexes.
        templates: Creation templates by registry.
        scans: What ECR found in an image; others are not scanned.
        backfills: Destinations of backfills, in order.
        failing: Destinations whose replication ends FAILED, with the failure code.
        readers: Accounts, besides *home*, that a reading role is configured for.
        denied: Operations that answer ACCESS_DENIED.
        on_call: Called before a call has any effect; may raise.
        policies: Policy documents by `account/region` of a registry or `account/region/name` of a repository.
    """

    clock: Clock
    home: str = "111122223333"
    sizes: EcrRules = field(default_factory=EcrRules)
    rules: dict[Registry, tuple[ReplicationRule, ...]] = field(default_factory=dict)
    lag: float = 5.0
    lags: dict[Registry, float] = field(default_factory=dict)
    silent: set[Registry] = field(default_factory=set)
    barren: set[Registry] = field(default_factory=set)
    shut: set[Registry] = field(default_factory=set)
    keyless: set[Registry] = field(default_factory=set)
    unreached: dict[Registry, str] = field(default_factory=dict)
    mute_children: bool = False
    templates: dict[Registry, tuple[CreationTemplate, ...]] = field(default_factory=dict)
    scans: dict[Digest, Scan] = field(default_factory=dict)
    backfills: list[Registry] = field(default_factory=list)
    failing: dict[Registry, str] = field(default_factory=dict)
    readers: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    on_call: Callable[[Call], None] | None = None
    calls: list[Call] = field(default_factory=list)
    policies: dict[str, str] = field(default_factory=dict)
    repositories: dict[Registry, dict[RepositoryName, FakeRepository]] = field(
        default_factory=lambda: defaultdict(dict), init=False
    )
    replication: Replication = field(init=False)

    def __post_init__(self) -> None:
        self.replication = Replication(self)

    def create(self, registry: Registry, name: RepositoryName, mutability: str = "MUTABLE") -> FakeRepository:
        """Create a repository, as an operator would."""
        repository = FakeRepository(rules=self.sizes, mutability=mutability)
        self.repositories[registry][name] = repository
        return repository

    def repository(self, registry: Registry, name: RepositoryName) -> FakeRepository:
        """Look into a repository; replication that is due happens first."""
        self.replication.run()
        return self.repositories[registry][name]

    def count(self) -> Counter[str]:
        """Calls so far, by operation."""
        return Counter(call.operation for call in self.calls)

    def client(self, registry: Registry) -> FakeRegistryClient:
        return FakeRegistryClient(self, registry)

    def reader(self, registry: Registry) -> FakeRegistryClient | None:
        return self.client(registry) if registry.account in self.readers | {self.home} else None


@dataclass(frozen=True, slots=True)
class FakeRegistryClient:
    """One registry of a `FakeEcr`; implements `RegistryClient`."""

    ecr: FakeEcr
    registry: Registry

    def authenticate(self) -> None:
        self._call("GetAuthorizationToken")

    def repositories(self, names: Collection[RepositoryName]) -> Mapping[RepositoryName, RepositorySettings]:
        self._call("DescribeRepositories")
        assert 1 <= len(names) <= 100
        held = self.ecr.repositories[self.registry]
        return {name: _settings(name, held[name]) for name in names if name in held}

    def all_repositories(self) -> Sequence[RepositoryName]:
        self._call("DescribeRepositories")
        return sorted(self.ecr.repositories[self.registry])

    def repository_tags(self, name: RepositoryName) -> Mapping[str, str]:
        return dict(self._repository("ListTagsForResource", name).resource_tags)

    def repository_policy(self, name: RepositoryName) -> str | None:
        self._repository("GetRepositoryPolicy", name)
        return self.ecr.policies.get(f"{self.registry}/{name}")

    def registry_policy(self) -> str | None:
        self._call("GetRegistryPolicy")
        return self.ecr.policies.get(str(self.registry))

    def create_repository(self, name: RepositoryName, template: RepositoryTemplate) -> None:
        self._call("CreateRepository", name)
        if name not in self.ecr.repositories[self.registry]:
            self.ecr.create(self.registry, name, template.mutability).resource_tags.update(template.tags)

    def availability(self, name: RepositoryName, digests: Collection[Digest]) -> Mapping[Digest, Availability]:
        repository = self._repository("BatchCheckLayerAvailability", name)
        assert 1 <= len(digests) <= 100
        return {digest: _availability(repository, digest) for digest in digests}

    def begin_layer(self, name: RepositoryName) -> LayerUpload:
        upload_id = self._repository("InitiateLayerUpload", name).begin()
        return LayerUpload(upload_id, self.ecr.sizes.part_size)

    def part_buffer(self, capacity: int) -> FakePart:
        return FakePart(capacity)

    def put_part(self, name: RepositoryName, upload_id: str, first_byte: int, part: bytes | FakePart) -> int:
        return self._repository("UploadLayerPart", name).add_part(upload_id, first_byte, bytes(part))

    def complete_layer(self, name: RepositoryName, upload_id: str, digest: Digest) -> None:
        self._repository("CompleteLayerUpload", name).complete(upload_id, digest)

    def put_manifest(
        self, name: RepositoryName, content: bytes, *, media_type: str, digest: Digest, tag: Tag | None
    ) -> None:
        repository = self._repository("PutImage", name)
        before = len(repository.arrived)
        repository.put(FakeImage(content, media_type), digest, tag)
        if len(repository.arrived) > before:
            self.ecr.replication.start(self.registry, name, digest, tag)

    def images(self, name: RepositoryName, queries: Sequence[ImageQuery]) -> Sequence[ImageAnswer]:
        repository = self._repository("BatchGetImage", name)
        assert 1 <= len(queries) <= 100
        return [_answer(repository, query) for query in queries]

    def tagged(self, name: RepositoryName, tags: Sequence[Tag]) -> Mapping[Tag, Digest]:
        repository = self._repository("BatchGetImage", name)
        assert 1 <= len(tags) <= 100
        return {tag: repository.tags[tag] for tag in tags if tag in repository.tags}

    def replication_rules(self) -> Sequence[ReplicationRule]:
        self._call("DescribeRegistry")
        return self.ecr.rules.get(self.registry, ())

    def replication_status(self, name: RepositoryName, digest: Digest) -> Sequence[ReplicaStatus]:
        self._repository("DescribeImageReplicationStatus", name)
        return self.ecr.replication.statuses(self.registry, name, digest)

    def scan(self, name: RepositoryName, digest: Digest) -> Scan:
        self._repository("DescribeImageScanFindings", name)
        return self.ecr.scans.get(digest, Scan("ABSENT"))

    def lifecycle_policy(self, name: RepositoryName) -> str | None:
        return self._repository("GetLifecyclePolicy", name).lifecycle_policy

    def creation_templates(self) -> Sequence[CreationTemplate]:
        self._call("DescribeRepositoryCreationTemplates")
        return self.ecr.templates.get(self.registry, ())

    def remove_tag(self, name: RepositoryName, tag: Tag) -> None:
        self._repository("BatchDeleteImage", name).remove_tag(tag)

    def start_backfill(self, destination: Registry) -> str:
        self._call("StartReplicationBackfill")
        self.ecr.backfills.append(destination)
        self.ecr.replication.backfill(self.registry, destination)
        return f"backfill-{len(self.ecr.backfills)}"

    def backfill_status(self, backfill_id: str) -> str:
        self._call("DescribeReplicationBackfillResults")
        assert backfill_id.startswith("backfill-")
        return "COMPLETE"

    def _call(self, operation: str, name: RepositoryName | None = None) -> None:
        call = Call(operation, self.registry, name)
        self.ecr.calls.append(call)
        if self.ecr.on_call is not None:
            self.ecr.on_call(call)
        if operation in self.ecr.denied:
            raise FailedError(Code.ACCESS_DENIED, f"{operation} was denied", facts={"action": f"ecr:{operation}"})
        self._demand_access(operation)
        self.ecr.replication.run()

    def _demand_access(self, operation: str) -> None:
        if self.registry in self.ecr.unreached:
            raise TemporaryError(f"ecr:{operation}: {self.ecr.unreached[self.registry]}")
        if self.registry in self.ecr.shut:
            raise FailedError(Code.ACCESS_DENIED, f"sts:AssumeRole for {operation} was denied")
        if self.registry in self.ecr.keyless and operation == "BatchGetImage":
            raise FailedError(Code.KMS, "KmsException")

    def _repository(self, operation: str, name: RepositoryName) -> FakeRepository:
        self._call(operation, name)
        if name not in self.ecr.repositories[self.registry]:
            raise RepositoryAbsent(f"{operation}: there is no repository {name} in {self.registry}")
        return self.ecr.repositories[self.registry][name]


def _settings(name: RepositoryName, repository: FakeRepository) -> RepositorySettings:
    return RepositorySettings(
        name=name,
        immutable_tags=repository.immutable,
        mutability=repository.mutability,
        kms_key=repository.kms_key,
    )


def _availability(repository: FakeRepository, digest: Digest) -> Availability:
    if digest in repository.archived:
        return Availability.ARCHIVED
    return Availability.AVAILABLE if digest in repository.blobs else Availability.ABSENT


def _answer(repository: FakeRepository, query: ImageQuery) -> ImageAnswer:
    image = repository.images.get(query.digest)
    if query.tag is not None and query.tag not in repository.tags:
        return ImageAnswer(query, None, failure="ImageNotFound")
    if query.tag is not None and repository.tags[query.tag] != query.digest:
        return ImageAnswer(query, None, failure="ImageTagDoesNotMatchDigest")
    if image is None:
        return ImageAnswer(query, None, failure="ImageNotFound")
    if query.digest in repository.archived_images:
        return ImageAnswer(query, None, failure="ImageInaccessible")
    return ImageAnswer(query, image.content, image.media_type)
