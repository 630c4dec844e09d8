"""The EventBridge events of ECR, as whole envelopes (ecr.md 5.1)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from transship.local.ecr.content import Image
from transship.local.ecr.names import RegistryId, repository_arn


def image_action(
    registry: RegistryId, now: float, *, repository: str, image: Image, action: str, tag: str | None, **more: str
) -> dict[str, Any]:
    """Return the event of a push, a deletion or a change of storage class; its resources are empty."""
    detail = {
        "result": "SUCCESS",
        "repository-name": repository,
        "image-digest": image.digest,
        "action-type": action,
        "manifest-media-type": image.manifest.media_type,
        **({"artifact-media-type": image.manifest.artifact_type} if image.manifest.artifact_type else {}),
        **({"image-tag": tag} if tag else {}),
        **more,
    }
    referrer = action == "UPDATE_STORAGE_CLASS" and image.manifest.subject is not None
    return envelope(registry, "ECR Referrer Action" if referrer else "ECR Image Action", [], detail, now)


def replication_action(
    source: RegistryId,
    destination: RegistryId,
    now: float,
    *,
    repository: str,
    digest: str,
    tag: str | None,
    result: str,
) -> dict[str, Any]:
    """Return the event of an arrival; it belongs to the destination, and the source stands in its detail."""
    detail = {
        "result": result,
        "repository-name": repository,
        "image-digest": digest,
        "source-account": source.account,
        "action-type": "REPLICATE",
        "source-region": source.region,
        **({"image-tag": tag} if tag else {}),
    }
    return envelope(destination, "ECR Replication Action", [repository_arn(destination, repository)], detail, now)


def envelope(
    registry: RegistryId, detail_type: str, resources: list[str], detail: dict[str, Any], now: float
) -> dict[str, Any]:
    """Return *detail* in EventBridge's envelope, with an id of its own."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": "aws.ecr",
        "account": registry.account,
        "time": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": registry.region,
        "resources": resources,
        "detail": detail,
    }
