"""AWS::DynamoDB::Table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from transship.local.cloudformation.resources.base import Place, Properties, boolean, tags, undone_on_failure
from transship.local.cloudformation.schema import TAGS, TEXT, Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS: Schema = [{"AttributeName!": TEXT, "KeyType!": TEXT}]
_THROUGHPUT: Schema = {"ReadCapacityUnits!": TEXT, "WriteCapacityUnits!": TEXT}
_INDEX: Schema = {
    "IndexName!": TEXT,
    "KeySchema!": _KEYS,
    "Projection!": {"ProjectionType": TEXT, "NonKeyAttributes": [TEXT]},
    "ProvisionedThroughput": _THROUGHPUT,
}


class Table:
    """AWS::DynamoDB::Table."""

    schema: ClassVar[Schema] = {
        "TableName": TEXT,
        "AttributeDefinitions!": [{"AttributeName!": TEXT, "AttributeType!": TEXT}],
        "KeySchema!": _KEYS,
        "BillingMode": TEXT,
        "ProvisionedThroughput": _THROUGHPUT,
        "GlobalSecondaryIndexes": [_INDEX],
        "SSESpecification": {"SSEEnabled!": TEXT, "SSEType": TEXT, "KMSMasterKeyId": TEXT},
        "TimeToLiveSpecification": {"AttributeName": TEXT, "Enabled!": TEXT},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": TEXT},
        "DeletionProtectionEnabled": TEXT,
        "Tags": TAGS,
    }
    replaced_by: ClassVar[frozenset[str]] = frozenset({"TableName", "KeySchema"})

    def create(self, place: Place, properties: Properties) -> str:
        """Create the table; on this machine it is active at once."""
        name = place.name(properties.get("TableName"), 255)
        arguments = {
            key: properties[key] for key in properties if key in {"AttributeDefinitions", "KeySchema", "BillingMode"}
        }
        if "ProvisionedThroughput" in properties:
            arguments["ProvisionedThroughput"] = _numbers(properties["ProvisionedThroughput"])
        if indexes := properties.get("GlobalSecondaryIndexes"):
            arguments["GlobalSecondaryIndexes"] = [_index(index) for index in indexes]
        if "SSESpecification" in properties:
            arguments["SSESpecification"] = _encryption(properties["SSESpecification"])
        protected = boolean(properties.get("DeletionProtectionEnabled", False))
        place.client("dynamodb").create_table(
            TableName=name, DeletionProtectionEnabled=protected, Tags=tags(properties), **arguments
        )
        with undone_on_failure(lambda: self.delete(place, name, properties)):
            _set_options(place, name, properties, {})
        return name

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Change what DynamoDB can change in place."""
        client = place.client("dynamodb")
        for change in _index_changes(properties, old):
            client.update_table(
                TableName=physical_id,
                AttributeDefinitions=properties["AttributeDefinitions"],
                GlobalSecondaryIndexUpdates=[change],
            )
        changed: dict[str, Any] = {}
        if properties.get("BillingMode") != old.get("BillingMode"):
            changed["BillingMode"] = properties.get("BillingMode", "PROVISIONED")
        if properties.get("ProvisionedThroughput") != old.get("ProvisionedThroughput"):
            changed["ProvisionedThroughput"] = _numbers(properties["ProvisionedThroughput"])
        if properties.get("SSESpecification") != old.get("SSESpecification"):
            changed["SSESpecification"] = _encryption(properties.get("SSESpecification", {"SSEEnabled": False}))
        if properties.get("DeletionProtectionEnabled") != old.get("DeletionProtectionEnabled"):
            changed["DeletionProtectionEnabled"] = boolean(properties.get("DeletionProtectionEnabled", False))
        if changed:
            client.update_table(TableName=physical_id, **changed)
        _set_options(place, physical_id, properties, old)

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Delete the table."""
        del properties
        place.client("dynamodb").delete_table(TableName=physical_id)

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return the ARN."""
        return {"Arn": place.arn("dynamodb", f"table/{physical_id}")}


def _set_options(place: Place, name: str, properties: Properties, old: Properties) -> None:
    client = place.client("dynamodb")
    ttl, former = properties.get("TimeToLiveSpecification"), old.get("TimeToLiveSpecification", {})
    if (ttl or {}) != former:
        wanted = ttl or {**former, "Enabled": False}
        client.update_time_to_live(
            TableName=name, TimeToLiveSpecification={**wanted, "Enabled": boolean(wanted["Enabled"])}
        )
    recovery = properties.get("PointInTimeRecoverySpecification")
    if recovery != old.get("PointInTimeRecoverySpecification"):
        enabled = boolean((recovery or {}).get("PointInTimeRecoveryEnabled", False))
        client.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled}
        )


def _index_changes(properties: Properties, old: Properties) -> list[dict[str, Any]]:
    """Return the updates from the old indexes to the new: an index that changed is deleted and made again."""
    new_ones = {index["IndexName"]: index for index in properties.get("GlobalSecondaryIndexes", [])}
    old_ones = {index["IndexName"]: index for index in old.get("GlobalSecondaryIndexes", [])}
    gone = [name for name, index in old_ones.items() if new_ones.get(name) != index]
    made = [index for name, index in new_ones.items() if old_ones.get(name) != index]
    return [{"Delete": {"IndexName": name}} for name in gone] + [{"Create": _index(index)} for index in made]


def _index(index: Mapping[str, Any]) -> dict[str, Any]:
    converted = dict(index)
    if "ProvisionedThroughput" in index:
        converted["ProvisionedThroughput"] = _numbers(index["ProvisionedThroughput"])
    return converted


def _numbers(value: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(number) for name, number in value.items()}


def _encryption(value: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {"SSEEnabled": "Enabled", "KMSMasterKeyId": "KMSMasterKeyId", "SSEType": "SSEType"}
    converted = {renamed[name]: item for name, item in value.items()}
    return {**converted, "Enabled": boolean(converted["Enabled"])}
