"""A registry: repositories, images, replication; and all registries within reach."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct, field

from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from chalicelib.ports.layers import LayerStore


class RepositorySettings(Struct, frozen=True, kw_only=True):
    """What a repository is, as far as pushing depends on it; tags are its resource tags."""

    name: RepositoryName
    immutable_tags: bool
    mutability: str
    mutability_exceptions: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    kms_key: str = ""


class RepositoryTemplate(Struct, frozen=True, kw_only=True):
    """What a repository that we create is given; see `settings`."""

    mutability: str
    scan_on_push: bool
    kms_key: str | None
    tags: Mapping[str, str]


class ReplicationRule(Struct, frozen=True):
    """
    Images of repositories that start with any of *prefixes* (none: all) go to *destinations*.

    *deletes*: what is deleted in the source is deleted there too (deleteReplication).
    """

    destinations: tuple[Registry, ...]
    prefixes: tuple[str, ...] = ()
    deletes: bool = False


class ReplicaStatus(Struct, frozen=True):
    """What the source registry says about one destination; *failure* is ECR's own word, verbatim."""

    registry: Registry
    status: str
    failure: str | None = None


class CreationTemplate(Struct, frozen=True, kw_only=True):
    """
    A repository creation template, as far as replication depends on it.

    Attributes:
        prefix: Names below `<prefix>/` are meant; ROOT: all that no other template takes (ecr.md 4).
        applied_for: REPLICATION, PULL_THROUGH_CACHE, CREATE_ON_PUSH.
        role_arn: customRoleArn, "" for none.
        kms_key: "" for none.
        has_tags: Whether it gives resource tags.
    """

    prefix: str
    applied_for: tuple[str, ...]
    role_arn: str = ""
    kms_key: str = ""
    has_tags: bool = False


class Scan(Struct, frozen=True):
    """ECR's scan of one image: its *status*, ABSENT where there is none, and the number of findings by severity."""

    status: str
    counts: Mapping[str, int] = field(default_factory=dict)


class ImageQuery(Struct, frozen=True):
    """An image by digest, or by digest and tag: then it is found only if the tag names that digest."""

    digest: Digest
    tag: Tag | None = None


class ImageAnswer(Struct, frozen=True):
    """
    What ECR holds for an `ImageQuery`.

    *manifest* is None where it holds none; *failure* is then its failureCode.
    """

    query: ImageQuery
    manifest: bytes | None
    media_type: str | None = None
    failure: str | None = None


class RegistryClient(LayerStore, Protocol):
    """
    One registry, seen with the rights of one role.

    Raises, in every method that names a repository:
        RepositoryAbsent: There is none of that name.
    """

    @property
    def registry(self) -> Registry:
        """The registry that is asked."""

    def authenticate(self) -> None:
        """Prove that we may talk to the registry at all; the token is dropped (GetAuthorizationToken)."""

    def repositories(self, names: Collection[RepositoryName]) -> Mapping[RepositoryName, RepositorySettings]:
        """Return those of *names* (at most 100) that exist, without their tags (DescribeRepositories)."""

    def all_repositories(self) -> Sequence[RepositoryName]:
        """Return the names of all repositories of the registry, in order (DescribeRepositories, page by page)."""

    def repository_tags(self, name: RepositoryName) -> Mapping[str, str]:
        """Return the resource tags of a repository (ListTagsForResource)."""

    def repository_policy(self, name: RepositoryName) -> str | None:
        """Return the policy of a repository as JSON text, None if it has none (GetRepositoryPolicy)."""

    def registry_policy(self) -> str | None:
        """Return the policy of the registry as JSON text, None if it has none (GetRegistryPolicy)."""

    def create_repository(self, name: RepositoryName, template: RepositoryTemplate) -> None:
        """Create the repository if it does not exist."""

    def put_manifest(
        self, name: RepositoryName, content: bytes, *, media_type: str, digest: Digest, tag: Tag | None
    ) -> None:
        """
        Store a manifest or index, under *tag* if given; the same image already there is success.

        Raises:
            LayersAbsent, ImagesAbsent: It names what the repository lacks.
            TagTaken: *tag* exists and is immutable.
        """

    def images(self, name: RepositoryName, queries: Sequence[ImageQuery]) -> Sequence[ImageAnswer]:
        """Read 1 to 100 images back, any media type accepted; the answers are in the order of *queries*."""

    def tagged(self, name: RepositoryName, tags: Sequence[Tag]) -> Mapping[Tag, Digest]:
        """Return what those of 1 to 100 *tags* name that exist (BatchGetImage)."""

    def replication_rules(self) -> Sequence[ReplicationRule]:
        """Return the registry's replication configuration (DescribeRegistry)."""

    def replication_status(self, name: RepositoryName, digest: Digest) -> Sequence[ReplicaStatus]:
        """Return what is known of one image's replicas; an image that is not there has none."""

    def scan(self, name: RepositoryName, digest: Digest) -> Scan:
        """Return how far ECR's scan of one image is and what it found (DescribeImageScanFindings)."""

    def lifecycle_policy(self, name: RepositoryName) -> str | None:
        """Return the lifecycle policy of a repository as JSON text, None if it has none (GetLifecyclePolicy)."""

    def creation_templates(self) -> Sequence[CreationTemplate]:
        """Return the registry's repository creation templates (DescribeRepositoryCreationTemplates)."""

    def remove_tag(self, name: RepositoryName, tag: Tag) -> None:
        """Take *tag* off its image; ECR deletes an image with its last tag (BatchDeleteImage)."""

    def start_backfill(self, destination: Registry) -> str:
        """Replicate all that the registry has to *destination* again, and return the backfill's id."""

    def backfill_status(self, backfill_id: str) -> str:
        """Return how a backfill stands: PREPARING, IN_PROGRESS, COMPLETE, FAILED, STOPPED."""


class Registries(Protocol):
    """All registries within reach."""

    def client(self, registry: Registry) -> RegistryClient:
        """Return a client with our own role's rights; makes no call."""

    def reader(self, registry: Registry) -> RegistryClient | None:
        """
        Return a client that may read images back in a destination, or None where no role is configured for it.

        Our own account's registries are read with our own role, others through an assumed one.
        """
