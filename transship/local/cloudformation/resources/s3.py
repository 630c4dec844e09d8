"""AWS::S3::Bucket and AWS::S3::BucketPolicy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from transship.local.cloudformation.resources.base import Place, Properties, boolean, document, tags, undone_on_failure
from transship.local.cloudformation.schema import ANY, TAGS, TEXT, Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FILTER: Schema = {"S3Key!": {"Rules!": [{"Name!": TEXT, "Value!": TEXT}]}}


def _encryption(value: Any) -> dict[str, Any]:
    rules = []
    for rule in value["ServerSideEncryptionConfiguration"]:
        converted: dict[str, Any] = {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
        if "BucketKeyEnabled" in rule:
            converted["BucketKeyEnabled"] = boolean(rule["BucketKeyEnabled"])
        rules.append(converted)
    return {"Rules": rules}


def _lifecycle(value: Any) -> dict[str, Any]:
    return {"Rules": [_lifecycle_rule(rule) for rule in value["Rules"]]}


def _lifecycle_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    converted: dict[str, Any] = {"Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "Id" in rule:
        converted["ID"] = rule["Id"]
    if "ExpirationInDays" in rule:
        converted["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    elif "ExpiredObjectDeleteMarker" in rule:
        converted["Expiration"] = {"ExpiredObjectDeleteMarker": boolean(rule["ExpiredObjectDeleteMarker"])}
    for name in ("AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration"):
        if name in rule:
            converted[name] = {key: int(number) for key, number in rule[name].items()}
    return converted


def _notifications(value: Any) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    for name, arn in (("Queue", "QueueArn"), ("Function", "LambdaFunctionArn")):
        kind = {"Queue": "QueueConfigurations", "Function": "LambdaConfigurations"}[name]
        if kind in value:
            made = {"Queue": "QueueConfigurations", "Function": "LambdaFunctionConfigurations"}[name]
            converted[made] = [_notification(item, name, arn) for item in value[kind]]
    if boolean(value.get("EventBridgeConfiguration", {}).get("EventBridgeEnabled", False)):
        converted["EventBridgeConfiguration"] = {}
    return converted


def _notification(item: Mapping[str, Any], name: str, arn: str) -> dict[str, Any]:
    converted: dict[str, Any] = {arn: item[name], "Events": [item["Event"]]}
    if "Filter" in item:
        converted["Filter"] = {"Key": {"FilterRules": item["Filter"]["S3Key"]["Rules"]}}
    return converted


def _blocks(value: Any) -> dict[str, bool]:
    return {name: boolean(flag) for name, flag in value.items()}


def _same(value: Any) -> Any:
    return value


_SETTINGS: dict[str, tuple[str, str, Callable[[Any], Any], str | None]] = {
    "VersioningConfiguration": ("put_bucket_versioning", "VersioningConfiguration", _same, None),
    "BucketEncryption": (
        "put_bucket_encryption",
        "ServerSideEncryptionConfiguration",
        _encryption,
        "delete_bucket_encryption",
    ),
    "LifecycleConfiguration": (
        "put_bucket_lifecycle_configuration",
        "LifecycleConfiguration",
        _lifecycle,
        "delete_bucket_lifecycle",
    ),
    "OwnershipControls": (
        "put_bucket_ownership_controls",
        "OwnershipControls",
        _same,
        "delete_bucket_ownership_controls",
    ),
    "PublicAccessBlockConfiguration": (
        "put_public_access_block",
        "PublicAccessBlockConfiguration",
        _blocks,
        "delete_public_access_block",
    ),
    "NotificationConfiguration": (
        "put_bucket_notification_configuration",
        "NotificationConfiguration",
        _notifications,
        None,
    ),
}
"""Property -> call that sets it, the call's parameter, its conversion, the call that removes it."""

_EMPTY = {"VersioningConfiguration": {"Status": "Suspended"}, "NotificationConfiguration": {}}
"""What a property without a removing call becomes when a template drops it."""


class Bucket:
    """AWS::S3::Bucket."""

    schema: ClassVar[Schema] = {
        "BucketName": TEXT,
        "VersioningConfiguration": {"Status!": TEXT},
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration!": [
                {
                    "BucketKeyEnabled": TEXT,
                    "ServerSideEncryptionByDefault!": {"SSEAlgorithm!": TEXT, "KMSMasterKeyID": TEXT},
                }
            ]
        },
        "LifecycleConfiguration": {
            "Rules!": [
                {
                    "Id": TEXT,
                    "Status!": TEXT,
                    "Prefix": TEXT,
                    "ExpirationInDays": TEXT,
                    "ExpiredObjectDeleteMarker": TEXT,
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation!": TEXT},
                    "NoncurrentVersionExpiration": {"NoncurrentDays!": TEXT, "NewerNoncurrentVersions": TEXT},
                }
            ]
        },
        "NotificationConfiguration": {
            "QueueConfigurations": [{"Event!": TEXT, "Queue!": TEXT, "Filter": _FILTER}],
            "LambdaConfigurations": [{"Event!": TEXT, "Function!": TEXT, "Filter": _FILTER}],
            "EventBridgeConfiguration": {"EventBridgeEnabled": TEXT},
        },
        "OwnershipControls": {"Rules!": [{"ObjectOwnership!": TEXT}]},
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": TEXT,
            "BlockPublicPolicy": TEXT,
            "IgnorePublicAcls": TEXT,
            "RestrictPublicBuckets": TEXT,
        },
        "Tags": TAGS,
    }
    replaced_by: ClassVar[frozenset[str]] = frozenset({"BucketName"})

    def create(self, place: Place, properties: Properties) -> str:
        """Create the bucket and configure it."""
        name = place.name(properties.get("BucketName"), 63).lower()
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": place.region}}
        place.client("s3").create_bucket(Bucket=name, **({} if place.region == "us-east-1" else elsewhere))
        with undone_on_failure(lambda: self.delete(place, name, properties)):
            self.update(place, name, properties, {})
        return name

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Apply every setting that changed."""
        s3 = place.client("s3")
        for name, (put, parameter, convert, remove) in _SETTINGS.items():
            if properties.get(name) == old.get(name):
                continue
            if name not in properties and remove is not None:
                getattr(s3, remove)(Bucket=physical_id)
            else:
                value = properties.get(name, _EMPTY.get(name))
                getattr(s3, put)(Bucket=physical_id, **{parameter: convert(value)})
        if properties.get("Tags") != old.get("Tags"):
            s3.put_bucket_tagging(Bucket=physical_id, Tagging={"TagSet": tags(properties)})

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Delete the bucket; S3 refuses if it is not empty."""
        del properties
        place.client("s3").delete_bucket(Bucket=physical_id)

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return ARN and names."""
        return {
            "Arn": f"arn:aws:s3:::{physical_id}",
            "DomainName": f"{physical_id}.s3.amazonaws.com",
            "RegionalDomainName": f"{physical_id}.s3.{place.region}.amazonaws.com",
        }


class BucketPolicy:
    """AWS::S3::BucketPolicy."""

    schema: ClassVar[Schema] = {"Bucket!": TEXT, "PolicyDocument!": ANY}
    replaced_by: ClassVar[frozenset[str]] = frozenset({"Bucket"})

    def create(self, place: Place, properties: Properties) -> str:
        """Put the policy."""
        bucket = str(properties["Bucket"])
        place.client("s3").put_bucket_policy(Bucket=bucket, Policy=document(properties["PolicyDocument"]))
        return bucket

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Put it again."""
        del physical_id, old
        self.create(place, properties)

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Delete the policy."""
        del properties
        place.client("s3").delete_bucket_policy(Bucket=physical_id)

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return nothing: it has none."""
        del place, physical_id
        return {}
