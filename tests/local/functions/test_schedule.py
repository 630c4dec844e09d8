"""When schedules fire, and that they reach functions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from transship.local.clock import ManualClock
from transship.local.functions.schedule import InvalidScheduleError, next_time

if TYPE_CHECKING:
    from tests.local.functions.conftest import Deployment, LogLines

PRINT = "import json\ndef handler(event, context): print('event', json.dumps(event))"


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


# Examples of the EventBridge user guide's table of cron expressions, with dates worked out by a calendar.
@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        pytest.param("rate(5 minutes)", "2026-03-01T10:00:30", "2026-03-01T10:05:30", id="rate"),
        pytest.param("rate(1 day)", "2026-02-28T00:00:00", "2026-03-01T00:00:00", id="rate-day"),
        pytest.param("cron(0 10 * * ? *)", "2026-03-01T10:00:00", "2026-03-02T10:00:00", id="daily"),
        pytest.param("cron(0 18 ? * MON-FRI *)", "2026-03-06T18:00:00", "2026-03-09T18:00:00", id="weekdays"),
        pytest.param("cron(0/15 * * * ? *)", "2026-03-01T10:16:00", "2026-03-01T10:30:00", id="quarters"),
        pytest.param("cron(0 9 ? * 2#1 *)", "2026-03-02T09:00:00", "2026-04-06T09:00:00", id="first-monday"),
        pytest.param("cron(0 0 L * ? *)", "2028-02-10T00:00:00", "2028-02-29T00:00:00", id="last-day"),
        pytest.param("cron(0 8 1 1 ? 2027)", "2026-03-01T00:00:00", "2027-01-01T08:00:00", id="once"),
    ],
)
def test_next_time(expression: str, after: str, due: str) -> None:
    assert next_time(expression, at(after)) == at(due)


def test_schedule_of_a_past_year_never_fires() -> None:
    assert next_time("cron(0 8 1 1 ? 2020)", at("2026-03-01T00:00:00")) is None


@pytest.mark.parametrize(
    "expression",
    [
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(5 seconds)",
        "cron(0 10 * * * *)",
        "cron(0 10)",
        "at 5",
    ],
)
def test_no_schedule(expression: str) -> None:
    with pytest.raises(InvalidScheduleError):
        next_time(expression, 0.0)


@pytest.fixture(name="clock", scope="module")
def _clock() -> ManualClock:
    return ManualClock(at("2026-03-01T10:00:00"))


def schedule(deployment: Deployment, name: str, expression: str, **target: Any) -> str:
    """Deploy a function and a rule that invokes it, and return the rule's ARN."""
    function_arn = deployment.function(name, PRINT)
    events = deployment.client("events")
    rule_arn = str(events.put_rule(Name=name, ScheduleExpression=expression)["RuleArn"])
    deployment.client("lambda").add_permission(
        FunctionName=name,
        StatementId="events",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule_arn,
    )
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": function_arn, **target}])
    return rule_arn


def test_rate_fires_by_the_clock(deployment: Deployment, log: LogLines, clock: ManualClock) -> None:
    rule_arn = schedule(deployment, "rate", "rate(5 minutes)")
    deployment.aws.functions.scheduler.run_due()
    clock.advance(299)
    deployment.aws.functions.scheduler.run_due()
    assert deployment.aws.functions.invocations(function="rate") == ()

    clock.advance(1)

    event = json.loads(log.wait_for("rate", "event")[0].removeprefix("event "))
    assert (event["source"], event["detail-type"]) == ("aws.events", "Scheduled Event")
    assert (event["resources"], event["account"], event["detail"]) == ([rule_arn], "111122223333", {})
    assert event["time"] == datetime.fromtimestamp(clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_disabled_rule_does_not_fire_and_starts_anew_when_enabled(
    deployment: Deployment, log: LogLines, clock: ManualClock
) -> None:
    schedule(deployment, "switched", "rate(1 hour)", Input='"constant"')
    events = deployment.client("events")
    events.disable_rule(Name="switched")
    deployment.aws.functions.scheduler.run_due()
    clock.advance(3600)
    deployment.aws.functions.scheduler.run_due()
    events.enable_rule(Name="switched")
    deployment.aws.functions.scheduler.run_due()
    assert deployment.aws.functions.invocations(function="switched") == ()

    clock.advance(3600)

    assert log.wait_for("switched", "event") == ['event "constant"']


def test_rule_can_be_fired_now(deployment: Deployment, log: LogLines) -> None:
    rule_arn = schedule(deployment, "now", "cron(0 8 1 1 ? 2020)")

    deployment.aws.functions.scheduler.fire(rule_arn)

    log.wait_for("now", "event")


def test_unknown_rule_cannot_be_fired(deployment: Deployment) -> None:
    with pytest.raises(LookupError):
        deployment.aws.functions.scheduler.fire("arn:aws:events:us-east-1:111122223333:rule/nowhere")
