"""
Amazon ECR's JSON API.

One method is one call, except `repositories`, which must split what it asks when one of the names does not exist.
"Already there" is success. What else a call can answer is in `failures`; a test holds both against botocore's model.
Lists with `failures` in a response of HTTP 200 are read as carefully as errors (ecr.md 1.1, 1.6).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from botocore.exceptions import ClientError
from msgspec import Struct

from chalicelib.aws.failures import aws_call
from chalicelib.aws.part_body import PartBody, part_body, send_parts_as_they_are
from chalicelib.aws.session import Role, Session
from chalicelib.errors import Code, FailedError, RepositoryAbsent
from chalicelib.meter import Count, Meter
from chalicelib.oci import media_type as media_types
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, Repository, RepositoryName, Tag
from chalicelib.ports.layers import Availability, LayerUpload, PartBuffer
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

_MOST_REPOSITORIES: Final = 1_000  # of one page of DescribeRepositories
_AVAILABILITY: Final = {
    "AVAILABLE": Availability.AVAILABLE,
    "UNAVAILABLE": Availability.ABSENT,
    "ARCHIVED": Availability.ARCHIVED,
}


class EcrRegistries:
    """
    All registries within reach; implements `Registries`.

    Args:
        session: Makes the clients.
        account: Ours: its registries are read back with our own role.
        readers: The role that reads back in each other account.
        writers: The role that pushes in each other account; without one our own role does, by `registryId`.
        meter: Counts requests as they leave, retries included.
    """

    def __init__(
        self,
        session: Session,
        account: str,
        readers: Mapping[str, Role] | None = None,
        meter: Meter | None = None,
        *,
        writers: Mapping[str, Role] | None = None,
    ) -> None:
        self._session = session
        self._account = account
        self._readers = readers or {}
        self._writers = writers or {}
        self._meter = meter or Meter()

    def client(self, registry: Registry) -> EcrClient:
        """
        Return a client with the rights of the role that writes *registry*; makes no call.

        Where our own role writes another account's, it is looked at through the role that reads there.
        """
        writer, reader = self._writers.get(registry.account), self._readers.get(registry.account)
        return self._client(registry, writer, reader if registry.account != self._account else None)

    def reader(self, registry: Registry) -> EcrClient | None:
        """Return a client that may read images back in *registry*, or None where no role is configured for it."""
        if registry.account == self._account:
            return self._client(registry, None)
        role = self._readers.get(registry.account)
        return self._client(registry, role) if role else None

    def _client(self, registry: Registry, role: Role | None, looks: Role | None = None) -> EcrClient:
        api, eye = self._api(registry, role), self._api(registry, role or looks)
        return EcrClient(api, eye, registry, self._session.partition(registry.region))

    def _api(self, registry: Registry, role: Role | None) -> Any:
        return self._session.client("ecr", registry.region, role=role, prepare=self._prepare)

    def _prepare(self, client: Any) -> None:
        send_parts_as_they_are(client)
        client.meta.events.register("before-send.ecr", self._sent)

    def _sent(self, **_: object) -> None:
        self._meter.add(Count.ECR_REQUESTS)


class EcrClient(Struct, frozen=True):
    """
    One registry, seen with the rights of the role that *api* has; implements `RegistryClient`.

    *eye* is for what a registry tells its own account alone, or by ARN: its repositories, their tags and policies,
    its rules. Mostly it is the same as *api*.
    """

    api: Any
    eye: Any
    registry: Registry
    partition: str

    def authenticate(self) -> None:
        """Prove that we may talk to the registry at all; the token is dropped."""
        with aws_call("ecr:GetAuthorizationToken"):
            self.api.get_authorization_token(registryIds=[self.registry.account])

    def repositories(self, names: Collection[RepositoryName]) -> Mapping[RepositoryName, RepositorySettings]:
        """Return those of *names* (at most 100) that exist, without their tags."""
        if not names:
            return {}
        try:
            return self._describe(names)
        except RepositoryAbsent:  # the whole call fails for one absent name, without saying which
            ordered = sorted(names)
            half = len(ordered) // 2
            return {**self.repositories(ordered[:half]), **self.repositories(ordered[half:])} if half else {}

    def all_repositories(self) -> Sequence[RepositoryName]:
        """Return the names of all repositories of the registry, in order."""
        pages = self.eye.get_paginator("describe_repositories").paginate(
            registryId=self.registry.account, PaginationConfig={"PageSize": _MOST_REPOSITORIES}
        )
        any_repository = f"arn:{self.partition}:ecr:{self.registry.region}:{self.registry.account}:repository/*"
        with aws_call("ecr:DescribeRepositories", any_repository):
            return sorted(RepositoryName(one["repositoryName"]) for page in pages for one in page["repositories"])

    def repository_tags(self, name: RepositoryName) -> Mapping[str, str]:
        """Return the resource tags of a repository."""
        arn = self._arn(name)
        with aws_call("ecr:ListTagsForResource", arn):
            answer = self.eye.list_tags_for_resource(resourceArn=arn)
        return {tag["Key"]: tag.get("Value", "") for tag in answer["tags"]}

    def repository_policy(self, name: RepositoryName) -> str | None:
        """Return the policy of a repository as JSON text, None if it has none."""
        answer: Mapping[str, Any] = {}
        with (
            aws_call("ecr:GetRepositoryPolicy", self._arn(name)),
            _success_too("RepositoryPolicyNotFoundException"),
        ):
            answer = self.eye.get_repository_policy(**self._where(name))
        return answer.get("policyText")

    def registry_policy(self) -> str | None:
        """Return the policy of the registry as JSON text, None if it has none."""
        answer: Mapping[str, Any] = {}
        with aws_call("ecr:GetRegistryPolicy"), _success_too("RegistryPolicyNotFoundException"):
            answer = self.eye.get_registry_policy()
        return answer.get("policyText")

    def create_repository(self, name: RepositoryName, template: RepositoryTemplate) -> None:
        """Create the repository if it does not exist."""
        encryption = {"encryptionType": "KMS", "kmsKey": template.kms_key} if template.kms_key else None
        with aws_call("ecr:CreateRepository", self._arn(name)), _success_too("RepositoryAlreadyExistsException"):
            self.api.create_repository(
                **self._where(name),
                imageTagMutability=template.mutability,
                imageScanningConfiguration={"scanOnPush": template.scan_on_push},
                encryptionConfiguration=encryption or {"encryptionType": "AES256"},
                tags=[{"Key": key, "Value": value} for key, value in template.tags.items()],
            )

    def availability(self, name: RepositoryName, digests: Collection[Digest]) -> Mapping[Digest, Availability]:
        """Tell for each of 1 to 100 *digests* whether the repository holds that blob."""
        with aws_call("ecr:BatchCheckLayerAvailability", self._arn(name)):
            answer = self.api.batch_check_layer_availability(
                **self._where(name), layerDigests=[str(digest) for digest in digests]
            )
        for failure in answer.get("failures", ()):
            if failure["failureCode"] != "MissingLayerDigest":
                raise self._refused("BatchCheckLayerAvailability", failure["failureCode"])
        held = {layer["layerDigest"]: _AVAILABILITY[layer["layerAvailability"]] for layer in answer["layers"]}
        return {digest: held.get(str(digest), Availability.ABSENT) for digest in digests}

    def begin_layer(self, name: RepositoryName) -> LayerUpload:
        """Begin the upload of a blob."""
        with aws_call("ecr:InitiateLayerUpload", self._arn(name)):
            answer = self.api.initiate_layer_upload(**self._where(name))
        return LayerUpload(answer["uploadId"], answer["partSize"])

    def part_buffer(self, capacity: int) -> PartBody:
        """Return a body of UploadLayerPart, to be filled."""
        return part_body(capacity)

    def put_part(self, name: RepositoryName, upload_id: str, first_byte: int, part: bytes | PartBuffer) -> int:
        """Send the next part, from *first_byte* on, and return the last byte that ECR holds now."""
        with aws_call("ecr:UploadLayerPart", self._arn(name)):
            answer = self.api.upload_layer_part(
                **self._where(name),
                uploadId=upload_id,
                partFirstByte=first_byte,
                partLastByte=first_byte + len(part) - 1,
                layerPartBlob=part,
            )
        last_byte: int = answer["lastByteReceived"]
        return last_byte

    def complete_layer(self, name: RepositoryName, upload_id: str, digest: Digest) -> None:
        """Turn the parts into a blob; a blob that is already there is success: ECR has compared its sha256."""
        with aws_call("ecr:CompleteLayerUpload", self._arn(name)), _success_too("LayerAlreadyExistsException"):
            self.api.complete_layer_upload(**self._where(name), uploadId=upload_id, layerDigests=[str(digest)])

    def put_manifest(
        self, name: RepositoryName, content: bytes, *, media_type: str, digest: Digest, tag: Tag | None
    ) -> None:
        """Store a manifest or index, byte for byte; the same image already there is success."""
        with aws_call("ecr:PutImage", self._arn(name)), _success_too("ImageAlreadyExistsException"):
            answer = self.api.put_image(
                **self._where(name),
                imageManifest=content.decode(),
                imageManifestMediaType=media_type,
                imageDigest=str(digest),
                **({"imageTag": str(tag)} if tag else {}),
            )
            if answer["image"]["imageId"]["imageDigest"] != str(digest):
                raise self._refused("PutImage", f"stored {answer['image']['imageId']} where {digest} was sent")

    def images(self, name: RepositoryName, queries: Sequence[ImageQuery]) -> Sequence[ImageAnswer]:
        """Read 1 to 100 images back, any media type accepted; the answers are in the order of *queries*."""
        with aws_call("ecr:BatchGetImage", self._arn(name)):
            answer = self.api.batch_get_image(
                **self._where(name),
                imageIds=[_image_id(query) for query in queries],
                acceptedMediaTypes=list(media_types.ACCEPTED),
            )
        return [_image_answer(query, answer) for query in queries]

    def tagged(self, name: RepositoryName, tags: Sequence[Tag]) -> Mapping[Tag, Digest]:
        """Return what those of 1 to 100 *tags* name that exist."""
        with aws_call("ecr:BatchGetImage", self._arn(name)):
            answer = self.api.batch_get_image(
                **self._where(name),
                imageIds=[{"imageTag": str(tag)} for tag in tags],
                acceptedMediaTypes=list(media_types.ACCEPTED),
            )
        found = [image["imageId"] for image in answer["images"]]
        return {Tag(one["imageTag"]): Digest.parse(one["imageDigest"]) for one in found}

    def replication_rules(self) -> Sequence[ReplicationRule]:
        """Return the registry's replication configuration."""
        with aws_call("ecr:DescribeRegistry"):
            answer = self.eye.describe_registry()
        # The call has no registryId: it answers for the account of its credentials (ecr.md 1.0).
        if answer["registryId"] != self.registry.account:
            asked = f"name a role of account {self.registry.account} in TRANSSHIP_READERS or TRANSSHIP_WRITERS"
            raise self._refused("DescribeRegistry", f"answered for {answer['registryId']}; {asked}")
        return [self._rule(rule) for rule in answer["replicationConfiguration"]["rules"]]

    def replication_status(self, name: RepositoryName, digest: Digest) -> Sequence[ReplicaStatus]:
        """Return what is known of one image's replicas; an image that is not there has none."""
        answer: Mapping[str, Any] = {}
        with aws_call("ecr:DescribeImageReplicationStatus", self._arn(name)), _success_too("ImageNotFoundException"):
            answer = self.api.describe_image_replication_status(
                **self._where(name), imageId={"imageDigest": str(digest)}
            )
        return [_replica_status(status) for status in answer.get("replicationStatuses", ())]

    def scan(self, name: RepositoryName, digest: Digest) -> Scan:
        """
        Return how far ECR's scan of one image is and what it found.

        DescribeImages would be one call for many, but says nothing of the current kind of basic scanning (its page).
        """
        answer: Mapping[str, Any] = {}
        with (
            aws_call("ecr:DescribeImageScanFindings", self._arn(name)),
            _success_too("ScanNotFoundException", "ImageNotFoundException"),
        ):
            answer = self.api.describe_image_scan_findings(
                **self._where(name), imageId={"imageDigest": str(digest)}, maxResults=1
            )
        status = answer.get("imageScanStatus", {}).get("status", "ABSENT")
        return Scan(status, answer.get("imageScanFindings", {}).get("findingSeverityCounts", {}))

    def lifecycle_policy(self, name: RepositoryName) -> str | None:
        """Return the lifecycle policy of a repository as JSON text, None if it has none."""
        answer: Mapping[str, Any] = {}
        with aws_call("ecr:GetLifecyclePolicy", self._arn(name)), _success_too("LifecyclePolicyNotFoundException"):
            answer = self.api.get_lifecycle_policy(**self._where(name))
        return answer.get("lifecyclePolicyText")

    def creation_templates(self) -> Sequence[CreationTemplate]:
        """Return the registry's repository creation templates."""
        with aws_call("ecr:DescribeRepositoryCreationTemplates"):
            pages = self.api.get_paginator("describe_repository_creation_templates").paginate()
            return [_template(template) for page in pages for template in page["repositoryCreationTemplates"]]

    def remove_tag(self, name: RepositoryName, tag: Tag) -> None:
        """Take *tag* off its image; ECR deletes an image with its last tag."""
        with aws_call("ecr:BatchDeleteImage", self._arn(name)):
            answer = self.api.batch_delete_image(**self._where(name), imageIds=[{"imageTag": str(tag)}])
        for failure in answer.get("failures", ()):
            if failure["failureCode"] != "ImageNotFound":
                raise self._refused("BatchDeleteImage", failure["failureCode"])

    def start_backfill(self, destination: Registry) -> str:
        """Replicate all that the registry has to *destination* again, and return the backfill's id."""
        with aws_call("ecr:StartReplicationBackfill"):
            answer = self.api.start_replication_backfill(
                destination={"region": destination.region, "registryId": destination.account}
            )
        started: str = answer["replicationBackfillId"]
        return started

    def backfill_status(self, backfill_id: str) -> str:
        """Return how a backfill stands."""
        with aws_call("ecr:DescribeReplicationBackfillResults"):
            answer = self.api.describe_replication_backfill_results(replicationBackfillId=backfill_id, maxResults=1)
        status: str = answer["status"]
        return status

    def _describe(self, names: Collection[RepositoryName]) -> Mapping[RepositoryName, RepositorySettings]:
        with aws_call("ecr:DescribeRepositories", self._arn(min(names))):
            answer = self.eye.describe_repositories(
                registryId=self.registry.account, repositoryNames=[str(name) for name in sorted(names)]
            )
        return {settings.name: settings for settings in map(_settings, answer["repositories"])}

    def _rule(self, rule: Mapping[str, Any]) -> ReplicationRule:
        filters = rule.get("repositoryFilters", ())
        if any(each["filterType"] != "PREFIX_MATCH" for each in filters):
            raise self._refused("DescribeRegistry", "a replication rule has a filter that is no prefix")
        destinations = tuple(Registry(each["registryId"], each["region"]) for each in rule["destinations"])
        deletes = bool(rule.get("deleteReplication", {}).get("enabled"))
        return ReplicationRule(destinations, tuple(each["filter"] for each in filters), deletes)

    def _where(self, name: RepositoryName) -> dict[str, str]:
        return {"registryId": self.registry.account, "repositoryName": str(name)}

    def _arn(self, name: RepositoryName) -> str:
        return Repository(self.registry, name).arn(self.partition)

    def _refused(self, operation: str, words: str) -> FailedError:
        return FailedError(Code.REGISTRY_REFUSED, f"ecr:{operation} of {self.registry}: {words}")


@contextmanager
def _success_too(*codes: str) -> Iterator[None]:
    """Take any error of *codes* for success."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in codes:
            raise


def _image_id(query: ImageQuery) -> dict[str, str]:
    return {"imageDigest": str(query.digest)} | ({"imageTag": str(query.tag)} if query.tag else {})


def _image_answer(query: ImageQuery, answer: Mapping[str, Any]) -> ImageAnswer:
    wanted = _image_id(query)
    for image in answer["images"]:
        if wanted.items() <= image["imageId"].items():
            return ImageAnswer(query, image["imageManifest"].encode(), image.get("imageManifestMediaType"))
    for failure in answer["failures"]:
        if failure["imageId"] == wanted:
            return ImageAnswer(query, None, failure=failure["failureCode"])
    return ImageAnswer(query, None, failure="ImageNotFound")


def _replica_status(status: Mapping[str, Any]) -> ReplicaStatus:
    return ReplicaStatus(Registry(status["registryId"], status["region"]), status["status"], status.get("failureCode"))


def _settings(repository: Mapping[str, Any]) -> RepositorySettings:
    mutability = repository.get("imageTagMutability", "MUTABLE")
    exceptions = repository.get("imageTagMutabilityExclusionFilters", ())
    return RepositorySettings(
        name=RepositoryName(repository["repositoryName"]),
        immutable_tags=mutability.startswith("IMMUTABLE"),
        mutability=mutability,
        mutability_exceptions=tuple(each["filter"] for each in exceptions),
        kms_key=repository.get("encryptionConfiguration", {}).get("kmsKey", ""),
    )


def _template(template: Mapping[str, Any]) -> CreationTemplate:
    encryption = template.get("encryptionConfiguration", {})
    encrypted = encryption.get("encryptionType", "AES256") != "AES256"
    return CreationTemplate(
        prefix=template["prefix"],
        applied_for=tuple(template.get("appliedFor", ())),
        role_arn=template.get("customRoleArn", ""),
        kms_key=encryption.get("kmsKey", "alias/aws/ecr") if encrypted else "",
        has_tags=bool(template.get("resourceTags")),
    )
