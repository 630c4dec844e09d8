"""
The switches of the local ECR.

Where AWS documents nothing, ecr.md says unknown or inferred; each such fact is a switch here, with a stated default,
so that tests can run under every answer. Limits are fields too, so that a test need not upload 4,200 parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

MIB = 1024 * 1024

PutImageCheck = Literal["digest", "layers", "children", "subject", "tag", "unchanged", "limits"]

# The quota table of ecr.md section 2, in calls per second.
DOCUMENTED_QUOTAS: Mapping[str, float] = MappingProxyType(
    {
        "GetAuthorizationToken": 500,
        "BatchCheckLayerAvailability": 1000,
        "InitiateLayerUpload": 100,
        "UploadLayerPart": 500,
        "CompleteLayerUpload": 100,
        "PutImage": 10,
        "BatchGetImage": 2000,
        "GetDownloadUrlForLayer": 3000,
    }
)


@dataclass(frozen=True, slots=True)
class EcrOptions:
    """
    How this ECR behaves where the real one's behaviour is unknown, and how fast it is.

    Attributes:
        part_size: Bytes that InitiateLayerUpload asks for (1.2).
        accepts_parts_above_part_limit: Whether a part may exceed the quota table's 10 MiB, up to the shape's 20 MiB
            (1.3, 2: the sources disagree).
        last_valid_byte_of_empty_upload: lastValidByteReceived when the very first part is wrong; None leaves the
            member out (1.3: UNKNOWN).
        upload_lifetime_seconds: Age at which an upload id becomes unknown; None is never (1.2: UNKNOWN).
        unreferenced_layer_lifetime_seconds: Age at which a layer of no image is cleaned up; None is never (1.4).
        put_image_checks: Order of PutImage's checks after syntax and media type (1.5: UNKNOWN).
        accepts_empty_layer_list: Whether a manifest may have no layers, `null` read as an empty list (1.5: UNKNOWN).
        subject_must_exist: Whether PutImage demands the `subject` of a referrer (3: UNKNOWN).
        creates_on_push_by_api: Whether InitiateLayerUpload and PutImage honour a CREATE_ON_PUSH template; a docker
            push always does (0: UNKNOWN).
        converts_manifests: Whether a read by tag with other accepted media types converts between Docker v2s2 and
            OCI, which changes the digest (1.6: "may").
        replication_lag_seconds: Time from push to arrival.
        replication_lags: The same for single destinations, keyed `account/region`.
        status_appears_after_seconds: Time after a push during which replicationStatuses is still empty (4, 8.6).
        index_brings_children: Whether the replication of an index carries the children along; else they arrive by
            their own replications, and an index can be COMPLETE without them (4: UNKNOWN).
        forgets_removed_destinations: Whether replicationStatuses loses a destination that the configuration no longer
            names (4: UNKNOWN).
        announces_untagged_replicas: Whether an arrival without a tag sends an event, image-tag left out (5.1: the
            schema requires a tag).
        announces_failed_replications: Whether a failed replication sends an event with result FAILED (5.1: sources
            disagree).
        backfill_preparation_seconds: Time that a backfill stays PREPARING.
        backfill_detail_type: detail-type of the event at a backfill's end (5.1: its name was not found; this one is
            made up).
        restore_seconds: Time that an archived image takes to become ACTIVE again (3: up to 20 minutes).
        scan_seconds: Time that a scan of an image takes.
        scan_findings: How many findings of each severity a scan has, in whichever image: there is no scanner here.
        redirects_blobs: Whether the registry API answers a blob's GET by a redirect, as ECR does to S3.
        advances_chunk_range: Whether the Range that a PATCH answers grows with every chunk; ECR's stays at the end of
            the first one although all are stored (aws/containers-roadmap#2831).
        quotas: Calls per second by operation, as token buckets per account and Region; None switches them off.
        parts_per_layer: Parts that a layer may have (2).
        layer_size_limit: Bytes that a layer may have (2).
        min_part_size: Bytes below which only the last part may be (1.4).
        images_per_repository: Images that a repository may hold (2).
        tags_per_image: Tags that an image may have (2).
        repositories_per_registry: Repositories that a registry may hold (2).
        templates_per_registry: Repository creation templates of a registry (the guide gives no number; ours is that of
            pull through cache rules).
        replication_rules: Rules of a replication configuration (0: the model and the guide say 25, a table 10).
        replication_destinations: Unique destinations over all rules (2).
    """

    part_size: int = 10 * MIB
    accepts_parts_above_part_limit: bool = True
    last_valid_byte_of_empty_upload: int | None = None
    upload_lifetime_seconds: float | None = 86_400.0
    unreferenced_layer_lifetime_seconds: float | None = None
    put_image_checks: tuple[PutImageCheck, ...] = (
        "digest",
        "layers",
        "children",
        "subject",
        "tag",
        "unchanged",
        "limits",
    )
    accepts_empty_layer_list: bool = True
    subject_must_exist: bool = False
    creates_on_push_by_api: bool = False
    converts_manifests: bool = True
    replication_lag_seconds: float = 0.3
    replication_lags: Mapping[str, float] = field(default_factory=dict)
    status_appears_after_seconds: float = 0.0
    index_brings_children: bool = True
    forgets_removed_destinations: bool = False
    announces_untagged_replicas: bool = False
    announces_failed_replications: bool = False
    backfill_preparation_seconds: float = 0.3
    backfill_detail_type: str = "ECR Replication Backfill Action"
    restore_seconds: float = 1.0
    scan_seconds: float = 0.3
    scan_findings: Mapping[str, int] = field(default_factory=dict)
    redirects_blobs: bool = True
    advances_chunk_range: bool = False
    quotas: Mapping[str, float] | None = None
    parts_per_layer: int = 4_200
    layer_size_limit: int = 52_000 * MIB
    min_part_size: int = 5 * MIB
    images_per_repository: int = 100_000
    tags_per_image: int = 1_000
    repositories_per_registry: int = 100_000
    templates_per_registry: int = 50
    replication_rules: int = 25
    replication_destinations: int = 25
