"""The operations of the ECR API: one function each, from a `Call` to the members of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from transship.local.ecr.call import JSON, Call
from transship.local.ecr.operations import (
    backfill,
    images,
    layers,
    policies,
    put_image,
    registry,
    removal,
    replication,
    repositories,
    scanning,
    tags,
    templates,
)

Operation = Callable[[Call], JSON]

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "BatchCheckLayerAvailability": layers.batch_check_layer_availability,
        "InitiateLayerUpload": layers.initiate_layer_upload,
        "UploadLayerPart": layers.upload_layer_part,
        "CompleteLayerUpload": layers.complete_layer_upload,
        "PutImage": put_image.put_image,
        "BatchGetImage": images.batch_get_image,
        "DescribeImages": images.describe_images,
        "ListImages": images.list_images,
        "ListImageReferrers": images.list_image_referrers,
        "GetDownloadUrlForLayer": images.get_download_url_for_layer,
        "BatchDeleteImage": removal.batch_delete_image,
        "UpdateImageStorageClass": removal.update_image_storage_class,
        "CreateRepository": repositories.create_repository,
        "DescribeRepositories": repositories.describe_repositories,
        "DeleteRepository": repositories.delete_repository,
        "PutImageTagMutability": repositories.put_image_tag_mutability,
        "PutImageScanningConfiguration": repositories.put_image_scanning_configuration,
        "SetRepositoryPolicy": policies.set_repository_policy,
        "GetRepositoryPolicy": policies.get_repository_policy,
        "DeleteRepositoryPolicy": policies.delete_repository_policy,
        "PutLifecyclePolicy": policies.put_lifecycle_policy,
        "GetLifecyclePolicy": policies.get_lifecycle_policy,
        "DeleteLifecyclePolicy": policies.delete_lifecycle_policy,
        "TagResource": tags.tag_resource,
        "UntagResource": tags.untag_resource,
        "ListTagsForResource": tags.list_tags_for_resource,
        "DescribeRegistry": registry.describe_registry,
        "PutReplicationConfiguration": registry.put_replication_configuration,
        "PutRegistryPolicy": policies.put_registry_policy,
        "GetRegistryPolicy": policies.get_registry_policy,
        "DeleteRegistryPolicy": policies.delete_registry_policy,
        "GetAccountSetting": registry.get_account_setting,
        "PutAccountSetting": registry.put_account_setting,
        "RegisterPullTimeUpdateExclusion": registry.register_pull_time_update_exclusion,
        "DeregisterPullTimeUpdateExclusion": registry.deregister_pull_time_update_exclusion,
        "ListPullTimeUpdateExclusions": registry.list_pull_time_update_exclusions,
        "GetAuthorizationToken": registry.get_authorization_token,
        "DescribeImageReplicationStatus": replication.describe_image_replication_status,
        "DescribeImageScanFindings": scanning.describe_image_scan_findings,
        "StartReplicationBackfill": backfill.start_replication_backfill,
        "StopReplicationBackfill": backfill.stop_replication_backfill,
        "ListReplicationBackfills": backfill.list_replication_backfills,
        "DescribeReplicationBackfillResults": backfill.describe_replication_backfill_results,
        "CreateRepositoryCreationTemplate": templates.create_repository_creation_template,
        "UpdateRepositoryCreationTemplate": templates.update_repository_creation_template,
        "DeleteRepositoryCreationTemplate": templates.delete_repository_creation_template,
        "DescribeRepositoryCreationTemplates": templates.describe_repository_creation_templates,
    }
)
