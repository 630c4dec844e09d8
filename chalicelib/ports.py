"""
What the pipeline asks of the outside world, one method for one call of AWS.

Every method may raise `TemporaryError` (try again later) and `FinalError` with ACCESS_DENIED; what else a method
raises stands at the method. "Already there" is success everywhere: success means "it is there", not "I put it there".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from chalicelib.byte_range import ByteRange
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName, Tag

# --- the bucket ------------------------------------------------------------------------------------------------


class ByteStream(Protocol):
    """Bytes that arrive in order."""

    def read(self, size: int, /) -> bytes:
        """
        Return up to *size* bytes, b"" only at the end of the range.

        Raises:
            TemporaryError: The connection broke or ended early.
        """


class ObjectSource(Protocol):
    """
    One version of one object; no read ever mixes it with another.

    Raises, in every method:
        FinalError: OBJECT_GONE, OBJECT_CHANGED.
    """

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, span: ByteRange) -> bytes:
        """Return exactly the bytes of *span*, in one ranged GET; *span* lies inside the object."""

    def open(self, span: ByteRange) -> AbstractContextManager[ByteStream]:
        """Stream the bytes of *span*, in one ranged GET."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectVersion:
    """
    One version of one object, as a notification names it.

    Attributes:
        bucket: Name of the bucket.
        key: The key, unquoted.
        version_id: "" in a bucket without versions.
        etag: Without quotes.
        size: Bytes.
    """

    bucket: str
    key: str
    version_id: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """An object version as a listing shows it, and when it was written (epoch seconds)."""

    object: ObjectVersion
    modified: float


@dataclass(frozen=True, slots=True)
class Document:
    """A small object as it is now: its bytes, and which version they are."""

    version_id: str
    content: bytes


class Bucket(Protocol):
    """The bucket of uploads."""

    def document(self, key: str, most: int) -> Document | None:
        """
        Return the latest version of a small object, None if there is none.

        Raises:
            FinalError: TOO_LARGE, longer than *most* bytes.
        """

    def put_document(self, key: str, content: bytes) -> None:
        """Write a small object."""

    def source(self, version: ObjectVersion) -> ObjectSource:
        """Return a source for *version*; makes no call."""

    def metadata(self, version: ObjectVersion) -> Mapping[str, str]:
        """
        Return the metadata that the uploader gave *version*, names in lower case (HeadObject).

        Raises:
            FinalError: OBJECT_GONE, OBJECT_CHANGED.
        """

    def list_versions(self, prefix: str, marker: str | None) -> tuple[Sequence[ListedVersion], str | None]:
        """Return a page of the latest versions under *prefix* and the marker of the next page, or None."""


# --- the registry ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LayerUpload:
    """An upload that ECR has begun: parts must be *part_size* bytes, the last may be shorter."""

    upload_id: str
    part_size: int


class Availability(Enum):
    """Whether a blob is in a repository."""

    AVAILABLE = "AVAILABLE"
    ABSENT = "ABSENT"
    ARCHIVED = "ARCHIVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositorySettings:
    """What a repository is, as far as pushing depends on it; tags are its resource tags."""

    name: RepositoryName
    immutable_tags: bool
    mutability: str
    mutability_exceptions: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    kms_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryTemplate:
    """What a repository that we create is given; see `settings`."""

    mutability: str
    scan_on_push: bool
    kms_key: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReplicationRule:
    """
    Images of repositories that start with any of *prefixes* (none: all) go to *destinations*.

    *deletes*: what is deleted in the source is deleted there too (deleteReplication).
    """

    destinations: tuple[Registry, ...]
    prefixes: tuple[str, ...] = ()
    deletes: bool = False


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """What the source registry says about one destination; *failure* is ECR's own word, verbatim."""

    registry: Registry
    status: str
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreationTemplate:
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


@dataclass(frozen=True, slots=True)
class Scan:
    """ECR's scan of one image: its *status*, ABSENT where there is none, and the number of findings by severity."""

    status: str
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageQuery:
    """An image by digest, or by digest and tag: then it is found only if the tag names that digest."""

    digest: Digest
    tag: Tag | None = None


@dataclass(frozen=True, slots=True)
class ImageAnswer:
    """
    What ECR holds for an `ImageQuery`.

    *manifest* is None where it holds none; *failure* is then its failureCode.
    """

    query: ImageQuery
    manifest: bytes | None
    media_type: str | None = None
    failure: str | None = None


class LayerStore(Protocol):
    """
    Where layers, and any other blobs, are stored.

    Raises, in every method:
        RepositoryAbsent: There is no repository of that name.
    """

    def availability(self, name: RepositoryName, digests: Collection[Digest]) -> Mapping[Digest, Availability]:
        """Tell for each of 1 to 100 *digests* whether the repository holds that blob."""

    def begin_layer(self, name: RepositoryName) -> LayerUpload:
        """Begin the upload of a blob."""

    def put_part(self, name: RepositoryName, upload_id: str, first_byte: int, content: bytes | memoryview) -> int:
        """
        Send the next part and return the last byte that ECR holds now.

        Raises:
            PartOutOfOrder: It does not follow what ECR holds.
            LayerUploadGone: ECR does not know the upload.
        """

    def complete_layer(self, name: RepositoryName, upload_id: str, digest: Digest) -> None:
        """
        Turn the parts into a blob; a blob that is already there is success.

        Raises:
            LayerUploadGone: ECR does not know the upload.
            LayerRejected: The parts are not *digest*.
        """


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


# --- who we are --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """What GetCallerIdentity says."""

    account: str
    arn: str
    partition: str


@dataclass(frozen=True, slots=True)
class Decision:
    """
    The simulator's answer for one action on one resource.

    *decision* is `allowed`, `implicitDeny` or `explicitDeny`; *source* names the identity policies and statements that
    matched; *missing_context* the condition keys that had no value; *boundary_allows* and *organization_allows* are
    None where there is no permissions boundary and no service control policy.
    """

    action: str
    resource: str
    decision: str
    source: tuple[str, ...] = ()
    missing_context: tuple[str, ...] = ()
    boundary_allows: bool | None = None
    organization_allows: bool | None = None

    @property
    def allowed(self) -> bool:
        """Whether the action is allowed."""
        return self.decision == "allowed"


class Identity(Protocol):
    """IAM and STS."""

    def whoami(self) -> CallerIdentity:
        """Return who makes our calls (GetCallerIdentity)."""

    def role_arn(self, role_name: str) -> str:
        """Return the true ARN of a role of our account, its path included (GetRole)."""

    def simulate(
        self,
        role_arn: str,
        actions: Sequence[str],
        resources: Sequence[str],
        context: Mapping[str, str | Sequence[str]],
    ) -> Sequence[Decision]:
        """
        Ask what *role_arn* may do (SimulatePrincipalPolicy), an answer for each action on each of *resources*.

        A role of another account is asked there, through the role that is configured for that account.
        """


# --- state ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Key:
    """The key of an item: its collection and its name in it."""

    pk: str
    sk: str


Item = Mapping[str, Any]
"""An item without its key and revision: JSON values, at most 400 KB."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An item as it was read; *revision* starts at 1 and grows by 1 with each write."""

    key: Key
    item: Item
    revision: int


@dataclass(frozen=True, slots=True)
class Put:
    """
    Write *item* if the stored revision is *revision* (0: there is none).

    *due* (epoch seconds) makes the sweep look at the item from then on; None takes it off the sweep's list.
    *expires* (epoch seconds) lets the table drop it later.
    """

    key: Key
    item: Item
    revision: int
    due: float | None = None
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """Demand that the stored revision is *revision*, and write nothing."""

    key: Key
    revision: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the item if its revision is *revision*."""

    key: Key
    revision: int


class Table(Protocol):
    """Items in collections, each with a revision; reads are consistent."""

    def get(self, key: Key) -> Stored | None:
        """Return one item."""

    def get_many(self, keys: Sequence[Key]) -> Mapping[Key, Stored | None]:
        """Return up to 100 items by their keys, None for those that are not there."""

    def query(self, pk: str, prefix: str = "") -> Sequence[Stored]:
        """Return the items of a collection whose name starts with *prefix*, in the order of their names."""

    def write(self, changes: Sequence[Put | Check | Delete]) -> None:
        """
        Do all of 1 to 100 *changes* or none.

        Raises:
            ConflictError: A revision is not the expected one.
        """

    def due(self, until: float, limit: int) -> Sequence[Key]:
        """Return up to *limit* keys of items that are due, the longest overdue first; may lag behind writes."""


# --- messages, events, time ------------------------------------------------------------------------------------------


class Queue(Protocol):
    """The queues between the steps, by their name in `settings`."""

    def send(self, queue: str, body: Mapping[str, Any], *, delay: int = 0, group: str = "") -> None:
        """Send *body* to be delivered after *delay* seconds (0 to 900); *group* keeps tenants apart."""

    def dead_letters(self, queue: str) -> Sequence[DeadLetter]:
        """Take up to 10 messages from the queue's dead-letter queue; they come back unless `bury` follows."""

    def bury(self, letter: DeadLetter) -> None:
        """Delete a dead letter that was dealt with."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that failed too often."""

    queue: str
    body: str
    receipt: str


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it goes on the bus; *detail* is complete, its `id` included."""

    detail_type: str
    detail: Mapping[str, Any]
    resources: tuple[str, ...] = ()


class EventBus(Protocol):
    """The bus that downstream teams subscribe to."""

    def put(self, events: Sequence[Event]) -> Sequence[int]:
        """Put 1 to 10 events and return the indexes of those that the bus did not take (PutEvents)."""


class Clock(Protocol):
    """Time."""

    def now(self) -> float:
        """Return seconds since the epoch."""
