"""What EventBridge does about a target that does not take an event, under a clock that the tests move."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from moto.events.models import Rule

from transship.local.accounts import SOURCE_ACCOUNT
from transship.local.clock import ManualClock
from transship.local.ecr import parse_fault
from transship.local.events.delivery import Delivery, TargetFailed
from transship.local.events.retries import Retries
from transship.local.stack import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.local.aws.wiring import Heard, Wiring

    Clients = Callable[..., Any]

DAY = 86_400
TARGET = f"arn:aws:sqs:us-east-1:{SOURCE_ACCOUNT}:target"


@pytest.fixture(name="clock", scope="module")
def _clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(name="new_aws", scope="module")
def _new_aws(clock: ManualClock) -> Callable[[Path], LocalAws]:
    return lambda folder: LocalAws(folder, clock=clock)


@pytest.fixture(name="faults")
def _faults(aws: LocalAws) -> Iterator[Callable[[str], None]]:
    yield lambda text: aws.ecr.faults.add(parse_fault(text))
    aws.ecr.faults.clear()


def times_of_tries(code: str, policy: dict[str, int]) -> list[float]:
    """Return when a target that always fails with *code* is tried, in seconds after the first time."""
    clock, due, tries = ManualClock(), [], []
    start = clock.now()

    def take(_: Delivery) -> None:
        tries.append(clock.now() - start)
        raise TargetFailed(code, "always")

    def later(seconds: float, function: Callable[[], object]) -> None:
        due.append((seconds, function))

    rule = Rule("rule", SOURCE_ACCOUNT, "us-east-1", None, None, None, None, None, "default", "", [])
    Retries(clock, take, later).deliver(Delivery({}, rule, {"Arn": TARGET, "RetryPolicy": policy}, forwarded=False))
    while due:
        seconds, function = due.pop()
        clock.advance(seconds)
        function()
    return tries


@pytest.mark.parametrize("code", ["THROTTLING", "INTERNAL_ERROR", "CONNECTION_FAILURE", "TIMEOUT"])
def test_failure_that_may_pass_is_tried_again_with_growing_waits(code: str) -> None:
    assert times_of_tries(code, {"MaximumRetryAttempts": 5}) == [0, 1, 3, 7, 15, 31]


@pytest.mark.parametrize("code", ["NO_PERMISSIONS", "NO_RESOURCE", "INVALID_PARAMETER", "THIRD_ACCOUNT_HOP_DETECTED"])
def test_failure_that_needs_somebody_is_not_tried_again(code: str) -> None:
    assert times_of_tries(code, {}) == [0]


def test_age_ends_the_tries() -> None:
    assert times_of_tries("THROTTLING", {"MaximumEventAgeInSeconds": 60}) == [0, 1, 3, 7, 15, 31]


def test_without_a_policy_there_are_185_more_tries_within_a_day() -> None:
    tries = times_of_tries("THROTTLING", {})

    assert len(tries) == 1 + 185
    assert DAY * 0.95 < tries[-1] <= DAY


def arrived(queue: Heard, clock: ManualClock) -> list[dict[str, Any]]:
    """Return what comes to *queue* while time passes."""
    for _ in range(200):
        if messages := queue.messages():
            return messages
        clock.advance(1)
    raise AssertionError("nothing came")


def attributes(message: dict[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}


def test_target_that_recovers_gets_the_event_once(
    wiring: Wiring, clock: ManualClock, faults: Callable[[str], None]
) -> None:
    queue, dead = wiring.queue(), wiring.queue()
    wiring.rule({"source": [wiring.name]}, {"Arn": queue.arn, "DeadLetterConfig": {"Arn": dead.arn}})
    faults("DeliverEvent:times=2:throttle")

    assert wiring.put({"n": 1})["FailedEntryCount"] == 0
    at_once = queue.messages()
    [message] = arrived(queue, clock)

    assert at_once == []
    assert json.loads(message["Body"])["detail"] == {"n": 1}
    assert (queue.messages(), dead.messages()) == ([], [])


def test_answer_that_is_lost_brings_the_event_twice(
    wiring: Wiring, clock: ManualClock, faults: Callable[[str], None]
) -> None:
    queue = wiring.queue()
    wiring.rule({"source": [wiring.name]}, {"Arn": queue.arn})
    faults("DeliverEvent:nth=1:cut-after")

    wiring.put()

    assert [len(arrived(queue, clock)) for _ in range(2)] == [1, 1]


@pytest.mark.parametrize(
    "case",
    [
        ("throttle", {"MaximumRetryAttempts": 0}, "THROTTLING MaximumRetryAttempts 0"),
        ("5xx", {"MaximumRetryAttempts": 3}, "INTERNAL_ERROR MaximumRetryAttempts 3"),
        ("cut-before", {"MaximumEventAgeInSeconds": 60}, "CONNECTION_FAILURE MaximumEventAgeInSeconds 5"),
    ],
)
def test_event_of_exhausted_tries_is_a_dead_letter_that_says_why(
    wiring: Wiring, clock: ManualClock, faults: Callable[[str], None], case: tuple[str, dict[str, int], str]
) -> None:
    fault, policy, expected = case
    queue, dead = wiring.queue(), wiring.queue()
    target = {"Arn": queue.arn, "DeadLetterConfig": {"Arn": dead.arn}, "RetryPolicy": policy}
    wiring.rule({"source": [wiring.name]}, target)
    faults(f"DeliverEvent:region=us-east-1:{fault}")

    wiring.put()
    told = attributes(arrived(dead, clock)[0])

    assert " ".join(told[name] for name in ("ERROR_CODE", "EXHAUSTED_RETRY_CONDITION", "RETRY_ATTEMPTS")) == expected
    assert queue.messages() == []


def test_dead_letter_queue_that_lets_nobody_in_gets_nothing(wiring: Wiring) -> None:
    """Its policy must allow the rule, as a target's must ("Granting permissions to the dead-letter queue")."""
    shut = wiring.queue(open_to_events=False)
    wiring.rule({"source": [wiring.name]}, {"Arn": f"{TARGET}-none", "DeadLetterConfig": {"Arn": shut.arn}})

    assert wiring.put()["FailedEntryCount"] == 0
    assert shut.messages() == []


def test_message_that_a_queue_refuses_is_a_dead_letter(wiring: Wiring) -> None:
    small, dead = wiring.queue(), wiring.queue()
    small.sqs.set_queue_attributes(QueueUrl=small.url, Attributes={"MaximumMessageSize": "1024"})
    wiring.rule({"source": [wiring.name]}, {"Arn": small.arn, "DeadLetterConfig": {"Arn": dead.arn}})

    assert wiring.put({"a": "x" * 2000})["FailedEntryCount"] == 0

    [message] = dead.messages()
    assert attributes(message)["ERROR_CODE"] == "INVALID_PARAMETER"
    assert "EXHAUSTED_RETRY_CONDITION" not in attributes(message)


@pytest.mark.parametrize(
    ("region", "code"), [("us-east-1", "THIRD_ACCOUNT_HOP_DETECTED"), ("eu-west-1", "THIRD_REGION_HOP_DETECTED")]
)
def test_second_hop_is_a_dead_letter(wiring: Wiring, clients: Clients, region: str, code: str) -> None:
    first = clients("events").create_event_bus(Name=wiring.name)["EventBusArn"]
    second = clients("events", region=region).create_event_bus(Name=f"{wiring.name}-2")["EventBusArn"]
    dead = wiring.queue()
    wiring.rule({"source": [wiring.name]}, {"Arn": first})
    wiring.rule({"source": [wiring.name]}, {"Arn": second, "DeadLetterConfig": {"Arn": dead.arn}}, bus=wiring.name)

    wiring.put()

    assert [attributes(message)["ERROR_CODE"] for message in dead.messages()] == [code]


@pytest.mark.parametrize(
    "target",
    [
        {"RetryPolicy": {"MaximumRetryAttempts": 186}},
        {"RetryPolicy": {"MaximumEventAgeInSeconds": 86_401}},
        {"InputPath": "$.detail["},
        {"InputTransformer": {"InputPathsMap": {"a": "$["}, "InputTemplate": "<a>"}},
        {"Input": "{}", "InputPath": "$"},
        {"DeadLetterConfig": {"Arn": f"{TARGET}.fifo"}},
        {"DeadLetterConfig": {"Arn": TARGET.replace("us-east-1", "eu-west-1")}},
        {"DeadLetterConfig": {"Arn": "arn:aws:sns:us-east-1:111122223333:topic"}},
    ],
    ids=str,
)
def test_target_that_aws_refuses_is_refused(clients: Clients, target: dict[str, Any]) -> None:
    events = clients("events")
    events.put_rule(Name="refusing", EventPattern='{"source": ["s"]}')

    with pytest.raises(ClientError) as refused:
        events.put_targets(Rule="refusing", Targets=[{"Id": "t", "Arn": TARGET, **target}])

    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert events.list_targets_by_rule(Rule="refusing")["Targets"] == []
