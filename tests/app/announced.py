"""One announcement of each kind, built by the pipeline's own `Announcer` for an upload that is always the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from chalicelib.errors import Code, FailedError, RefusedError
from chalicelib.events import Announcer, Draft
from chalicelib.names import EVENT_SOURCE, Deployment
from chalicelib.oci.digest import Digest
from chalicelib.oci.reference import Registry, RepositoryName, Tag
from chalicelib.ports.bucket import ObjectVersion
from chalicelib.state.records import Arrival, ImageRecord, ReplicaRecord
from chalicelib.state.upload import Upload, upload_id

ROOT: Final = Path(__file__).parents[2]
EVENTS: Final = ROOT / "events"

_DEPLOYMENT: Final = Deployment("prod", "aws", "us-east-1", "111122223333")
_OBJECT: Final = ObjectVersion(
    bucket="transship-prod-111122223333-us-east-1",
    key="uploads/vendor/app/app-1.4.tar",
    version_id="pvN7JbYZ2WcqYdXk1B.qB3l0tTfU9m5H",
    etag="5d41402abc4b2a76b9719d911017c592-4",
    size=32_505_856,
)
_UPLOAD: Final = Upload(
    id=upload_id(_OBJECT, "uploads/"),
    object=_OBJECT,
    principal="AWS:AROAEXAMPLEROLEID0001:ci",
    sequencer="0062E99A88DC407460",
    received=1_790_000_000.0,
    published=1_790_000_020.0,
    tenant="vendor",
    found=3,
    pushed=2,
    warnings=("entries of the index are not in the archive: linux/s390x",),
)
_IMAGE: Final = ImageRecord(
    number=0,
    repository=RepositoryName("vendor/app"),
    root=True,
    tags=(Tag("1.4"), Tag("prod-2026-09")),
    digest=Digest.parse("sha256:" + "4f" * 32),
    size=1_105,
    media_type="application/vnd.oci.image.manifest.v1+json",
)


def _replica(account: str, region: str, status: Arrival, **more: Any) -> ReplicaRecord:
    return ReplicaRecord(
        image=0,
        repository=_IMAGE.repository,
        digest=Digest.parse("sha256:" + "4f" * 32),
        registry=Registry(account, region),
        status=status,
        **more,
    )


_VERIFIED: Final = {"digest_verified": True, "tags_verified": True}
_THERE: Final = _replica("111122223333", "eu-west-1", Arrival.VERIFIED, seconds=4.25, **_VERIFIED)
_THERE_TOO: Final = _replica("444455556666", "us-east-1", Arrival.VERIFIED, seconds=6.5, **_VERIFIED)
_WAITING: Final = _replica("444455556666", "us-east-1", Arrival.WAITING)
_FAILED: Final = _replica("444455556666", "us-east-1", Arrival.FAILED, failure="AccessDenied", seconds=12.0)

_MISSING: Final = RefusedError(
    Code.PERMISSION_MISSING,
    "transship-prod-push may not ecr:UploadLayerPart on repository vendor/app",
    facts={
        "statements": [
            {
                "Effect": "Allow",
                "Action": ["ecr:UploadLayerPart"],
                "Resource": "arn:aws:ecr:us-east-1:111122223333:repository/vendor/app",
            }
        ]
    },
)
_NOT_REPLICATED: Final = FailedError(Code.NOT_REPLICATED, "444455556666/us-east-1 does not have the image")


def drafts() -> dict[str, Draft]:
    """Return one draft of each kind, by the name of its files in `events/`."""
    announcer = Announcer(_DEPLOYMENT, _UPLOAD, 1_790_000_031.5)
    return {
        "upload-accepted": announcer.accepted([_IMAGE]),
        "upload-rejected": announcer.rejected(_MISSING),
        "upload-failed": announcer.failed(_NOT_REPLICATED, [_IMAGE], [_THERE, _FAILED]),
        "upload-superseded": announcer.superseded("a later upload has the tag 1.4 of vendor/app"),
        "image-pushed": announcer.pushed(_IMAGE, [_THERE.registry, _WAITING.registry]),
        "image-replicated": announcer.replicated(_IMAGE, _THERE),
        "image-available": announcer.available(_IMAGE, [_THERE, _THERE_TOO]),
        "image-late": announcer.late(_IMAGE, [_THERE, _WAITING]),
    }


def delivered(draft: Draft) -> dict[str, Any]:
    """Return what a subscriber receives: EventBridge's envelope around the detail."""
    return {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": draft.event.detail_type,
        "source": EVENT_SOURCE,
        "account": _DEPLOYMENT.account,
        "time": "2026-09-21T14:13:52Z",
        "region": _DEPLOYMENT.region,
        "resources": list(draft.event.resources),
        "detail": draft.event.detail,
    }


def read(folder: str) -> Mapping[str, Any]:
    """Return the documents of a folder of `events/` by their names without suffix."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((EVENTS / folder).glob("*.json"))}
