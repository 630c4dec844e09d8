"""AWS::Events::EventBus, AWS::Events::EventBusPolicy and AWS::Events::Rule."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from transship.local.cloudformation.resources.base import Place, Properties, document, tags, undone_on_failure
from transship.local.cloudformation.schema import ANY, TAGS, TEXT, Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

_TARGET: Schema = {
    "Id!": TEXT,
    "Arn!": TEXT,
    "RoleArn": TEXT,
    "Input": TEXT,
    "InputPath": TEXT,
    "InputTransformer": {"InputPathsMap": ANY, "InputTemplate!": TEXT},
    "DeadLetterConfig": {"Arn": TEXT},
    "RetryPolicy": {"MaximumEventAgeInSeconds": TEXT, "MaximumRetryAttempts": TEXT},
    "SqsParameters": {"MessageGroupId!": TEXT},
}

_BUS = ":event-bus/"


class EventBus:
    """AWS::Events::EventBus."""

    schema: ClassVar[Schema] = {
        "Name!": TEXT,
        "Description": TEXT,
        "KmsKeyIdentifier": TEXT,
        "DeadLetterConfig": {"Arn": TEXT},
        "Tags": TAGS,
    }
    replaced_by: ClassVar[frozenset[str]] = frozenset({"Name"})

    def create(self, place: Place, properties: Properties) -> str:
        """Create the bus."""
        rest = {name: value for name, value in properties.items() if name != "Tags"}
        place.client("events").create_event_bus(**rest, Tags=tags(properties))
        return str(properties["Name"])

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Update description, key and dead-letter queue."""
        del old
        rest = {name: value for name, value in properties.items() if name not in {"Tags", "Name"}}
        place.client("events").update_event_bus(Name=physical_id, **rest)

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Delete the bus."""
        del properties
        place.client("events").delete_event_bus(Name=physical_id)

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return ARN and name."""
        return {"Arn": place.arn("events", f"event-bus/{physical_id}"), "Name": physical_id}


class EventBusPolicy:
    """AWS::Events::EventBusPolicy: one statement of a bus's policy."""

    schema: ClassVar[Schema] = {"EventBusName": TEXT, "StatementId!": TEXT, "Statement!": ANY}
    replaced_by: ClassVar[frozenset[str]] = frozenset({"EventBusName", "StatementId"})

    def create(self, place: Place, properties: Properties) -> str:
        """Add the statement to what the bus's policy holds."""
        bus, events = properties.get("EventBusName", "default"), place.client("events")
        policy = json.loads(events.describe_event_bus(Name=bus).get("Policy") or '{"Statement": []}')
        others = [item for item in policy["Statement"] if item["Sid"] != properties["StatementId"]]
        statement = {**properties["Statement"], "Sid": properties["StatementId"]}
        whole = {"Version": "2012-10-17", "Statement": [*others, statement]}
        events.put_permission(EventBusName=bus, Policy=json.dumps(whole))
        return f"{bus}|{properties['StatementId']}"

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Replace the statement."""
        del physical_id, old
        self.create(place, properties)

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Remove the statement."""
        del properties
        bus, _, statement = physical_id.partition("|")
        place.client("events").remove_permission(EventBusName=bus, StatementId=statement)

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return nothing: it has none."""
        del place, physical_id
        return {}


class Rule:
    """
    AWS::Events::Rule; Ref gives `bus|rule` on a bus that is not the default one, as CloudFormation does.

    The bus may be another account's, whose policy then lets us make rules there.
    """

    schema: ClassVar[Schema] = {
        "Name": TEXT,
        "Description": TEXT,
        "EventBusName": TEXT,
        "EventPattern": ANY,
        "ScheduleExpression": TEXT,
        "State": TEXT,
        "RoleArn": TEXT,
        "Targets": [_TARGET],
    }
    replaced_by: ClassVar[frozenset[str]] = frozenset({"Name", "EventBusName"})

    def create(self, place: Place, properties: Properties) -> str:
        """Create the rule and its targets."""
        name, bus = place.name(properties.get("Name")), _bus(place, properties)
        physical_id = name if bus == "default" else f"{bus}|{name}"
        with undone_on_failure(lambda: place.client("events").delete_rule(**_which(physical_id))):
            self.update(place, physical_id, properties, {})
        return physical_id

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Put the rule, and the targets that are left and that are new."""
        which, events = _which(physical_id), place.client("events")
        rule = {key: value for key, value in properties.items() if key not in {"Targets", "EventPattern", *which}}
        if "EventPattern" in properties:
            rule["EventPattern"] = document(properties["EventPattern"])
        events.put_rule(**which, **rule)
        at = {"Rule": which["Name"], "EventBusName": which["EventBusName"]}
        kept = {target["Id"] for target in properties.get("Targets", [])}
        if gone := [target["Id"] for target in old.get("Targets", []) if target["Id"] not in kept]:
            events.remove_targets(**at, Ids=gone)
        if kept:
            events.put_targets(**at, Targets=[_target(target) for target in properties["Targets"]])

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Remove the targets, then the rule."""
        which, events = _which(physical_id), place.client("events")
        at = {"Rule": which["Name"], "EventBusName": which["EventBusName"]}
        if ids := [target["Id"] for target in properties.get("Targets", [])]:
            events.remove_targets(**at, Ids=ids)
        events.delete_rule(**which)

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return the ARN; a rule on another account's bus is that account's."""
        bus, _, name = physical_id.rpartition("|")
        if _BUS in bus:
            return {"Arn": f"{bus.replace(_BUS, ':rule/')}/{name}"}
        return {"Arn": place.arn("events", "rule/" + physical_id.replace("|", "/"))}


def _bus(place: Place, properties: Properties) -> str:
    """Return the name of a bus of one's own, and the ARN of another account's, which has no other name here."""
    given = str(properties.get("EventBusName", "default"))
    name = given.rpartition("/")[2]
    return given if _BUS in given and given != place.arn("events", f"event-bus/{name}") else name


def _which(physical_id: str) -> dict[str, str]:
    bus, _, name = physical_id.rpartition("|")
    return {"Name": name, "EventBusName": bus or "default"}


def _target(target: Mapping[str, Any]) -> dict[str, Any]:
    if "RetryPolicy" not in target:
        return dict(target)
    return {**target, "RetryPolicy": {name: int(number) for name, number in target["RetryPolicy"].items()}}
