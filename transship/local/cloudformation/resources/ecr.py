"""AWS::ECR::ReplicationConfiguration and AWS::ECR::RegistryPolicy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from transship.local.cloudformation.resources.base import Place, Properties, document
from transship.local.cloudformation.schema import ANY, TEXT, Schema

if TYPE_CHECKING:
    from collections.abc import Mapping


class ReplicationConfiguration:
    """AWS::ECR::ReplicationConfiguration."""

    schema: ClassVar[Schema] = {
        "ReplicationConfiguration!": {
            "Rules!": [
                {
                    "Destinations!": [{"Region!": TEXT, "RegistryId!": TEXT}],
                    "RepositoryFilters": [{"Filter!": TEXT, "FilterType!": TEXT}],
                }
            ]
        }
    }
    replaced_by: ClassVar[frozenset[str]] = frozenset()

    def create(self, place: Place, properties: Properties) -> str:
        """Put the configuration, which replaces the registry's."""
        configuration = _lower(properties["ReplicationConfiguration"])
        place.client("ecr").put_replication_configuration(replicationConfiguration=configuration)
        return place.account

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Put it again."""
        del physical_id, old
        self.create(place, properties)

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Put an empty configuration."""
        del physical_id, properties
        place.client("ecr").put_replication_configuration(replicationConfiguration={"rules": []})

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return the registry."""
        del place
        return {"RegistryId": physical_id}


class RegistryPolicy:
    """AWS::ECR::RegistryPolicy."""

    schema: ClassVar[Schema] = {"PolicyText!": ANY}
    replaced_by: ClassVar[frozenset[str]] = frozenset()

    def create(self, place: Place, properties: Properties) -> str:
        """Put the policy."""
        place.client("ecr").put_registry_policy(policyText=document(properties["PolicyText"]))
        return place.account

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Put it again."""
        del physical_id, old
        self.create(place, properties)

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Delete the policy."""
        del physical_id, properties
        place.client("ecr").delete_registry_policy()

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return the registry."""
        del place
        return {"RegistryId": physical_id}


def _lower(value: Any) -> Any:
    """Return *value* with members as ECR's API spells them: the first letter in lower case."""
    if isinstance(value, list):
        return [_lower(item) for item in value]
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: _lower(item) for name, item in value.items()}
    return value
