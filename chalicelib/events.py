"""
What comes in (S3's notifications, ECR's replication events) and what goes out (the schemas in `events/`).

Outbound events are built once, at the decision, and stored whole: a resend has the same bytes and the same `id`.
No text from an archive is in them but names that were validated; the object's key is the uploader's and is there to
find the upload again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self
from urllib.parse import quote_plus, unquote_plus

from msgspec import Struct

from chalicelib.errors import FinalError
from chalicelib.names import Deployment
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, Repository, RepositoryName
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.ports.bus import Event
from chalicelib.state.records import Arrival, ImageRecord, ReplicaRecord
from chalicelib.state.upload import Upload

VERSION: Final = "1"
_REPLICATION: Final = "ECR Replication Action"
_MOST_BYTES: Final = 150_000
"""Of the images in an event that tells of many, beside its causes: the outbox's item holds 400 KB (DynamoDB quotas)."""


class ForeignMessageError(ValueError):
    """A message that is not for us: of another source, bucket, account or shape; counted and dropped."""


class Notification(Struct, frozen=True):
    """
    One record of S3's: an object version was created by *principal*.

    *upload* is the id of the upload that it began, where we tell of it again; "" in S3's own.
    """

    object: ObjectVersion
    principal: str
    sequencer: str
    upload: str = ""

    @classmethod
    def again(cls, upload: Upload) -> Self:
        """Return what tells of *upload* once more."""
        return cls(upload.told, upload.principal, upload.sequencer, upload.id)


class ReplicationHint(Struct, frozen=True):
    """ECR says that an image arrived somewhere; it is true or not, and only wakes the confirmation."""

    repository: Repository
    digest: Digest


def demand_own_queue(record: Mapping[str, Any], queue: str, deployment: Deployment) -> None:
    """
    Return if Lambda says that it took *record* from our *queue*, in our account and Region.

    Raises:
        ForeignMessageError: It came from elsewhere, or whoever may invoke the function made it up.
    """
    origin = (record.get("eventSource"), record.get("eventSourceARN"), record.get("awsRegion"))
    if origin != ("aws:sqs", deployment.queue_arn(queue), deployment.region):
        raise ForeignMessageError("not of our queue")


def demand_own_schedule(event: Mapping[str, Any], deployment: Deployment) -> None:
    """
    Return if *event* is a schedule's of our account and Region.

    Raises:
        ForeignMessageError: It is not.
    """
    origin = (event.get("source"), event.get("detail-type"), event.get("account"), event.get("region"))
    if origin != ("aws.events", "Scheduled Event", deployment.account, deployment.region):
        raise ForeignMessageError("not of our schedule")


def parse_notifications(body: str, deployment: Deployment) -> Sequence[Notification]:
    """
    Read every record of a message from S3 (ecr.md 5.5); `s3:TestEvent` has none.

    Raises:
        ForeignMessageError: The message, or any record of it, is not a creation in our bucket.
    """
    message = _parse(body)
    if message.get("Event") == "s3:TestEvent":
        return ()
    records = message.get("Records")
    if not isinstance(records, list) or not records:
        raise ForeignMessageError("no records")
    return tuple(_notification(record, deployment) for record in records)


def _notification(record: Any, deployment: Deployment) -> Notification:
    try:
        stored, bucket = record["s3"]["object"], record["s3"]["bucket"]["name"]
        origin = (record["eventSource"], bucket, record["awsRegion"], record["eventVersion"].partition(".")[0])
        if origin != ("aws:s3", deployment.bucket, deployment.region, "2"):
            raise ForeignMessageError("not of our bucket")
        if not record["eventName"].startswith("ObjectCreated:"):
            raise ForeignMessageError("no creation")
        return Notification(
            object=ObjectVersion(
                bucket=bucket,
                key=unquote_plus(_text(stored["key"])),
                version_id=_text(stored.get("versionId", "")),
                etag=_text(stored["eTag"]).strip('"'),
                size=_size(stored["size"]),
            ),
            principal=_text(record["userIdentity"]["principalId"]),
            sequencer=_text(stored.get("sequencer", "")),
            upload=_text(record.get("upload", "")),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, ForeignMessageError):
            raise
        raise ForeignMessageError("not the shape of a notification") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ForeignMessageError("not the shape of a notification")
    value.encode()  # half a surrogate pair is no UTF-8, and nothing that DynamoDB or S3 would take
    return value


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ForeignMessageError("not the shape of a notification")
    return value


def renotification(told: Notification, deployment: Deployment) -> Mapping[str, Any]:
    """Return a message that `parse_notifications` reads as *told*, for an upload whose own was lost."""
    version = told.object
    stored = {"key": quote_plus(version.key), "size": version.size, "eTag": version.etag, "sequencer": told.sequencer}
    if version.version_id:
        stored["versionId"] = version.version_id
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": deployment.region,
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": told.principal},
        "s3": {"bucket": {"name": version.bucket}, "object": stored},
    }
    return {"Records": [record | ({"upload": told.upload} if told.upload else {})]}


def parse_hint(message: Mapping[str, Any], deployment: Deployment) -> ReplicationHint:
    """
    Read an `ECR Replication Action` event (ecr.md 5.1); it leads to the source's repository.

    Raises:
        ForeignMessageError: It is none, or not about the registry that we push to.
    """
    try:
        detail = message["detail"]
        registry = Registry(detail["source-account"], detail["source-region"])
        if message["detail-type"] != _REPLICATION or registry != deployment.registry:
            raise ForeignMessageError("not a replication of our registry")
        return ReplicationHint(
            Repository(registry, RepositoryName(detail["repository-name"])), Digest.parse(detail["image-digest"])
        )
    except (KeyError, TypeError, AttributeError, ValueError, FinalError) as error:
        if isinstance(error, ForeignMessageError):
            raise
        raise ForeignMessageError("not a replication event") from error


def parse_message(body: str) -> Mapping[str, Any]:
    """
    Read a message of our own queues.

    Raises:
        ForeignMessageError: It is not a JSON object.
    """
    return _parse(body)


def _parse(body: str) -> Mapping[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ForeignMessageError("not JSON") from error
    if not isinstance(message, dict):
        raise ForeignMessageError("not a JSON object")
    return message


class Draft(Struct, frozen=True):
    """
    A decision to announce.

    *name* tells it from the upload's other decisions: the same decision, made again, has the same name.
    """

    name: str
    event: Event


class Announcer(Struct, frozen=True):
    """Builds the events of one upload at one moment."""

    deployment: Deployment
    upload: Upload
    now: float

    def accepted(self, images: Iterable[ImageRecord]) -> Draft:
        """Sound, allowed and planned."""
        roots = [image for image in images if image.root]
        planned = [{"repository": str(image.repository), "tags": [str(tag) for tag in image.tags]} for image in roots]
        body = {"images": planned, **self._taken(), "opening": self._opening()}
        return self._draft("Upload Accepted", "accepted", body, roots)

    def rejected(self, error: FinalError) -> Draft:
        """Nothing was published, and why."""
        return self._draft("Upload Rejected", "rejected", _cause(error))

    def failed(self, error: FinalError, images: Iterable[ImageRecord], replicas: Sequence[ReplicaRecord]) -> Draft:
        """Something was pushed, or nothing could be, and why."""
        roots = [image for image in images if image.root and image.digest]
        described = [
            {**_image(self.deployment.registry, image), "destinations": _destinations(replicas, image)}
            for image in roots
        ]
        body = {**_cause(error), **_fitting(described), "warnings": list(self.upload.warnings)}
        return self._draft("Upload Failed", "failed", body, roots)

    def superseded(self, reason: str) -> Draft:
        """A later upload took its place."""
        return self._draft("Upload Superseded", "superseded", {"detail": reason})

    def pushed(self, image: ImageRecord, destinations: Iterable[Registry]) -> Draft:
        """An image is in the source registry, and must arrive at *destinations*."""
        found = [_registry(registry) for registry in sorted(destinations)]
        body = {"destinations": found, "warnings": list(self.upload.warnings)}
        return self._image_draft("Image Pushed", f"pushed-{image.number}", image, body)

    def replicated(self, image: ImageRecord, replica: ReplicaRecord) -> Draft:
        """An image is in one destination."""
        name = f"replicated-{image.number}-{replica.registry.account}-{replica.registry.region}"
        return self._image_draft("Image Replicated", name, image, {"destination": _destination(replica)})

    def available(self, image: ImageRecord, replicas: Sequence[ReplicaRecord]) -> Draft:
        """An image is in every destination."""
        body = {"destinations": _destinations(replicas, image), **self._taken()}
        return self._image_draft("Image Available", f"available-{image.number}", image, body)

    def late(self, image: ImageRecord, replicas: Sequence[ReplicaRecord]) -> Draft:
        """An image is not yet everywhere, and half of the patience is gone."""
        body = {
            "destinations": _destinations(replicas, image),
            "seconds": round(self.now - self.upload.published, 3),
        }
        return self._image_draft("Image Late", f"late-{image.number}", image, body)

    def _taken(self) -> dict[str, Any]:
        """Tell what of the archive is taken; not how much, of one that nobody has opened yet."""
        upload = self.upload
        sealed = upload.opening is not None and not upload.opening.done
        counts = None if sealed else {"found": upload.found, "pushed": upload.pushed}
        return {"manifests": counts, "warnings": list(upload.warnings)}

    def _opening(self) -> dict[str, Any] | None:
        """Tell what it costs to find out what is in a sealed archive."""
        opening = self.upload.opening
        if opening is None:
            return None
        return {"compression": opening.compression, "bytes": self.upload.object.size, "least_passes": 1}

    def _image_draft(self, detail_type: str, name: str, image: ImageRecord, body: Mapping[str, Any]) -> Draft:
        return self._draft(detail_type, name, {"image": _image(self.deployment.registry, image), **body}, [image])

    def _draft(self, detail_type: str, name: str, body: Mapping[str, Any], images: Sequence[ImageRecord] = ()) -> Draft:
        upload = self.upload
        unique = f"{upload.attempt}-{name}"
        detail = {
            "version": VERSION,
            "id": f"{upload.id}-{unique}",
            "time": datetime.fromtimestamp(self.now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "upload": {
                "id": upload.id,
                "attempt": upload.attempt,
                "tenant": upload.tenant,
                "bucket": upload.object.bucket,
                "key": upload.object.key,
                "version_id": upload.object.version_id,
                "size": upload.object.size,
                "principal": upload.principal,
            },
            **body,
        }
        registry = self.deployment.registry
        arns = {Repository(registry, image.repository).arn(self.deployment.partition) for image in images}
        return Draft(unique, Event(detail_type, detail, tuple(sorted(arns))))


def _cause(error: FinalError) -> dict[str, Any]:
    code = error.code
    return {
        "code": code.name,
        "meaning": code.meaning,
        "remedy": code.remedy,
        "detail": error.detail,
        "facts": error.facts,
    }


def _fitting(described: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """
    Return as many images as an event holds, those that lack something first, and how many were left out.

    The record holds them all, and so does the receipt.
    """
    kept: list[Mapping[str, Any]] = []
    room = _MOST_BYTES
    for image in sorted(described, key=_whole):
        room -= len(json.dumps(image))
        if room < 0:
            return {"images": kept, "images_omitted": len(described) - len(kept)}
        kept.append(image)
    return {"images": list(described)}


def _whole(described: Mapping[str, Any]) -> bool:
    return all(place["status"] == Arrival.VERIFIED for place in described["destinations"])


def _registry(registry: Registry) -> dict[str, str]:
    return {"account": registry.account, "region": registry.region}


def _image(registry: Registry, image: ImageRecord) -> dict[str, Any]:
    return {
        "registry": _registry(registry),
        "repository": str(image.repository),
        "tags": [str(tag) for tag in image.tags],
        "digest": str(image.digest),
        "media_type": image.media_type,
    }


def _destination(replica: ReplicaRecord) -> dict[str, Any]:
    described: dict[str, Any] = {
        **_registry(replica.registry),
        "status": replica.status.value,
        "digest_verified": replica.digest_verified,
        "tags_verified": replica.tags_verified,
        "seconds": round(replica.seconds, 3),
    }
    if replica.status is Arrival.FAILED or replica.failure:
        described["failure"] = replica.failure
    return described


def _destinations(replicas: Iterable[ReplicaRecord], image: ImageRecord) -> list[dict[str, Any]]:
    return [_destination(replica) for replica in replicas if replica.image == image.number]
