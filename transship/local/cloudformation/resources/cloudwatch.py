"""AWS::CloudWatch::Alarm, AWS::CloudWatch::Dashboard and AWS::Logs::LogGroup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from transship.local.cloudformation.resources.base import Place, Properties, boolean, document, undone_on_failure
from transship.local.cloudformation.schema import TAGS, TEXT, Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHOLE_NUMBERS = frozenset({"EvaluationPeriods", "DatapointsToAlarm", "Period"})


class Alarm:
    """AWS::CloudWatch::Alarm."""

    schema: ClassVar[Schema] = {
        "AlarmName": TEXT,
        "AlarmDescription": TEXT,
        "ActionsEnabled": TEXT,
        "AlarmActions": [TEXT],
        "OKActions": [TEXT],
        "InsufficientDataActions": [TEXT],
        "ComparisonOperator!": TEXT,
        "DatapointsToAlarm": TEXT,
        "Dimensions": [{"Name!": TEXT, "Value!": TEXT}],
        "EvaluationPeriods!": TEXT,
        "ExtendedStatistic": TEXT,
        "MetricName!": TEXT,
        "Namespace!": TEXT,
        "Period": TEXT,
        "Statistic": TEXT,
        "Threshold!": TEXT,
        "TreatMissingData": TEXT,
        "Unit": TEXT,
    }
    replaced_by: ClassVar[frozenset[str]] = frozenset({"AlarmName"})

    def create(self, place: Place, properties: Properties) -> str:
        """Put the alarm."""
        name = place.name(properties.get("AlarmName"), 255)
        self.update(place, name, properties, {})
        return name

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Put the alarm again."""
        del old
        arguments = {name: _typed(name, value) for name, value in properties.items() if name != "AlarmName"}
        place.client("cloudwatch").put_metric_alarm(AlarmName=physical_id, **arguments)

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Delete the alarm."""
        del properties
        place.client("cloudwatch").delete_alarms(AlarmNames=[physical_id])

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return the ARN."""
        return {"Arn": place.arn("cloudwatch", f"alarm:{physical_id}")}


class Dashboard:
    """AWS::CloudWatch::Dashboard."""

    schema: ClassVar[Schema] = {"DashboardName": TEXT, "DashboardBody!": TEXT}
    replaced_by: ClassVar[frozenset[str]] = frozenset({"DashboardName"})

    def create(self, place: Place, properties: Properties) -> str:
        """Put the dashboard."""
        name = place.name(properties.get("DashboardName"), 255)
        self.update(place, name, properties, {})
        return name

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Put the dashboard again."""
        del old
        body = document(properties["DashboardBody"])
        place.client("cloudwatch").put_dashboard(DashboardName=physical_id, DashboardBody=body)

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Delete the dashboard."""
        del properties
        place.client("cloudwatch").delete_dashboards(DashboardNames=[physical_id])

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return nothing: it has none."""
        del place, physical_id
        return {}


class LogGroup:
    """AWS::Logs::LogGroup."""

    schema: ClassVar[Schema] = {"LogGroupName": TEXT, "RetentionInDays": TEXT, "KmsKeyId": TEXT, "Tags": TAGS}
    replaced_by: ClassVar[frozenset[str]] = frozenset({"LogGroupName"})

    def create(self, place: Place, properties: Properties) -> str:
        """Create the group."""
        name = place.name(properties.get("LogGroupName"), 512)
        key = {"kmsKeyId": properties["KmsKeyId"]} if "KmsKeyId" in properties else {}
        tags = {tag["Key"]: str(tag["Value"]) for tag in properties.get("Tags", [])}
        place.client("logs").create_log_group(logGroupName=name, **key, **({"tags": tags} if tags else {}))
        with undone_on_failure(lambda: self.delete(place, name, properties)):
            self.update(place, name, properties, {})
        return name

    def update(self, place: Place, physical_id: str, properties: Properties, old: Properties) -> None:
        """Set or remove the retention."""
        logs = place.client("logs")
        if "RetentionInDays" in properties:
            logs.put_retention_policy(logGroupName=physical_id, retentionInDays=int(properties["RetentionInDays"]))
        elif "RetentionInDays" in old:
            logs.delete_retention_policy(logGroupName=physical_id)

    def delete(self, place: Place, physical_id: str, properties: Properties) -> None:
        """Delete the group."""
        del properties
        place.client("logs").delete_log_group(logGroupName=physical_id)

    def attributes(self, place: Place, physical_id: str) -> Mapping[str, str]:
        """Return the ARN."""
        return {"Arn": place.arn("logs", f"log-group:{physical_id}:*")}


def _typed(name: str, value: Any) -> Any:
    if name == "Threshold":
        return float(value)
    if name == "ActionsEnabled":
        return boolean(value)
    return int(value) if name in _WHOLE_NUMBERS else value
