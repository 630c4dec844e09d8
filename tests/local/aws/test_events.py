"""EventBridge through real boto3 clients: what arrives at which target, in which form, and what does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.aws.wiring import Wiring
    from transship.local.stack import LocalAws

    Clients = Callable[..., Any]


def test_event_arrives_as_documented(wiring: Wiring) -> None:
    queue = wiring.queue()
    wiring.rule({"source": [wiring.name]}, {"Arn": queue.arn})

    first = wiring.put({"a": 1}, Resources=["arn:x"])
    wiring.put({"a": 2})

    one, two = queue.bodies()
    assert first["FailedEntryCount"] == 0
    assert one["id"] == first["Entries"][0]["EventId"] != two["id"]
    assert one["time"].endswith("Z")
    del one["id"], one["time"]
    assert one == {
        "version": "0",
        "detail-type": "Thing",
        "source": wiring.name,
        "account": SOURCE_ACCOUNT,
        "region": "us-east-1",
        "resources": ["arn:x"],
        "detail": {"a": 1},
    }


def test_disabled_rule_is_silent_until_enabled(wiring: Wiring, clients: Clients) -> None:
    queue = wiring.queue()
    rule = wiring.rule({"source": [wiring.name]}, {"Arn": queue.arn}).rpartition("/")[2]

    clients("events").disable_rule(Name=rule)
    wiring.put()
    silent = queue.bodies()
    clients("events").enable_rule(Name=rule)
    wiring.put()

    assert (silent, len(queue.bodies())) == ([], 1)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"Input": '{"constant": true}'}, {"constant": True}),
        ({"InputPath": "$.detail.inner"}, {"x": [1, "two"]}),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"x": "$.detail.inner.x", "who": "$.detail.who", "none": "$.detail.none"},
                    "InputTemplate": '{"list": <x>, "said": "<who> said \\"<who>\\"<none>", "raw": <who>}',
                }
            },
            {"list": [1, "two"], "said": 'me "too" said "me "too""', "raw": 'me "too"'},
        ),
    ],
    ids=["constant", "path", "transformer"],
)
def test_target_gets_the_input_it_asks_for(wiring: Wiring, target: dict[str, Any], expected: Any) -> None:
    queue = wiring.queue()
    wiring.rule({"source": [wiring.name]}, {"Arn": queue.arn, **target})

    wiring.put({"inner": {"x": [1, "two"]}, "who": 'me "too"'})

    assert queue.bodies() == [expected]


# EventBridge User Guide, "Comparison operators for use in event patterns".
@pytest.mark.parametrize(
    ("pattern", "detail", "matches"),
    [
        ({"a": ["x"]}, {"a": "x"}, True),
        ({"a": ["x", "y"]}, {"a": "y"}, True),
        ({"a": ["x"]}, {"a": ["w", "x"]}, True),
        ({"a": ["x"]}, {"b": "x"}, False),
        ({"a": [None]}, {"a": None}, True),
        ({"a": [""]}, {"a": ""}, True),
        ({"a": {"b": ["x"]}}, {"a": {"b": "x"}}, True),
        ({"a": [{"prefix": "ab"}]}, {"a": "abc"}, True),
        ({"a": [{"prefix": "ab"}]}, {"a": "cab"}, False),
        ({"a": [{"prefix": {"equals-ignore-case": "AB"}}]}, {"a": "abc"}, True),
        ({"a": [{"suffix": "bc"}]}, {"a": "abc"}, True),
        ({"a": [{"suffix": "bc"}]}, {"a": "bca"}, False),
        ({"a": [{"equals-ignore-case": "aBc"}]}, {"a": "AbC"}, True),
        ({"a": [{"wildcard": "*.tar"}]}, {"a": "x.tar"}, True),
        ({"a": [{"wildcard": "*.tar"}]}, {"a": "x.tgz"}, False),
        ({"a": [{"numeric": [">", 0, "<=", 5]}]}, {"a": 5}, True),
        ({"a": [{"numeric": [">", 0, "<=", 5]}]}, {"a": 6}, False),
        ({"a": [{"numeric": ["=", 5]}]}, {"a": "5"}, False),
        ({"a": [{"anything-but": "x"}]}, {"a": "y"}, True),
        ({"a": [{"anything-but": ["x", "y"]}]}, {"a": "y"}, False),
        ({"a": [{"anything-but": {"prefix": "x"}}]}, {"a": "yx"}, True),
        ({"a": [{"anything-but": "x"}]}, {}, False),
        ({"a": [{"exists": True}]}, {"a": None}, True),
        ({"a": [{"exists": False}]}, {"b": 1}, True),
        ({"a": [{"exists": False}]}, {"a": 1}, False),
        ({"a": [{"cidr": "10.0.0.0/24"}]}, {"a": "10.0.0.7"}, True),
        ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": "y"}, True),
        ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"a": "y", "b": "x"}, False),
        ({"$or": [{"a": ["x"]}, {"b": ["y"]}], "c": ["z"]}, {"a": "x"}, False),
        ({"a": {"b": ["x"]}}, {"a": [{"b": "w"}, {"b": "x"}]}, True),
    ],
)
def test_pattern_matches_as_documented(wiring: Wiring, pattern: Any, detail: Any, matches: bool) -> None:
    queue = wiring.queue()
    wiring.rule({"source": [wiring.name], "detail": pattern}, {"Arn": queue.arn})

    wiring.put(detail)

    assert bool(queue.bodies()) is matches


def test_operator_that_does_not_exist_is_refused(clients: Clients) -> None:
    with pytest.raises(ClientError) as refused:
        clients("events").put_rule(Name="odd", EventPattern='{"detail": {"a": [{"like": "x"}]}}')

    assert refused.value.response["Error"]["Code"] == "InvalidEventPatternException"
    with pytest.raises(clients("events").exceptions.ResourceNotFoundException):
        clients("events").describe_rule(Name="odd")


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"Source": "aws.ecr"}, "NotAuthorizedForSourceException"),
        ({"Detail": "[]"}, "MalformedDetail"),
        ({"Detail": "{"}, "MalformedDetail"),
        ({"Detail": ""}, "InvalidArgument"),
        ({"DetailType": ""}, "InvalidArgument"),
    ],
)
def test_wrong_entry_fails_alone(wiring: Wiring, entry: dict[str, str], code: str) -> None:
    answer = wiring.put(**entry)

    assert (answer["FailedEntryCount"], answer["Entries"][0]["ErrorCode"]) == (1, code)


def test_bus_that_does_not_exist_swallows_events(wiring: Wiring) -> None:
    assert wiring.put(bus="nowhere")["FailedEntryCount"] == 0


def test_requests_beyond_the_limits_are_refused(wiring: Wiring, clients: Clients) -> None:
    entry = {"Source": "s", "DetailType": "d", "Detail": "{}"}

    with pytest.raises(ClientError, match="length less than or equal to 10"):
        clients("events").put_events(Entries=[entry] * 11)
    with pytest.raises(ClientError, match="Total size"):
        wiring.put({"a": "x" * (1 << 20)})


def test_queue_in_another_region_is_reached(wiring: Wiring) -> None:
    queue = wiring.queue(region="eu-west-1")
    wiring.rule({"source": [wiring.name]}, {"Arn": queue.arn})

    wiring.put()

    assert len(queue.bodies()) == 1


@pytest.mark.parametrize(
    ("target", "code"),
    [("closed", "NO_PERMISSIONS"), ("missing", "NO_RESOURCE"), ("function", "NO_PERMISSIONS")],
)
def test_event_that_cannot_be_delivered_is_a_dead_letter(wiring: Wiring, target: str, code: str) -> None:
    arns = {
        "closed": wiring.queue(open_to_events=False).arn,
        "missing": f"arn:aws:sqs:us-east-1:{SOURCE_ACCOUNT}:missing",
        "function": f"arn:aws:lambda:us-east-1:{SOURCE_ACCOUNT}:function:missing",
    }
    dead = wiring.queue()
    rule = wiring.rule({"source": [wiring.name]}, {"Arn": arns[target], "DeadLetterConfig": {"Arn": dead.arn}})

    wiring.put({"lost": True})

    [message] = dead.messages()
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert json.loads(message["Body"])["detail"] == {"lost": True}
    assert (attributes["ERROR_CODE"], attributes["RULE_ARN"]) == (code, rule)
    assert attributes["TARGET_ARN"] == arns[target]


def receiving_bus(clients: Clients, name: str, *, admits: str | None) -> str:
    events = clients("events", account=OTHER_ACCOUNT)
    arn = str(events.create_event_bus(Name=name)["EventBusArn"])
    if admits:
        statement = {
            "Sid": "s",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{admits}:root"},
            "Action": "events:PutEvents",
            "Resource": arn,
        }
        events.put_permission(EventBusName=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return arn


@pytest.mark.parametrize(("admits", "arrives"), [(SOURCE_ACCOUNT, True), (None, False)], ids=["open", "closed"])
def test_bus_of_another_account_takes_what_its_policy_admits(
    wiring: Wiring, clients: Clients, admits: str | None, arrives: bool
) -> None:
    bus = receiving_bus(clients, wiring.name, admits=admits)
    heard, dead = wiring.queue(account=OTHER_ACCOUNT), wiring.queue()
    wiring.rule({"source": [wiring.name]}, {"Arn": bus, "DeadLetterConfig": {"Arn": dead.arn}})
    wiring.rule({"source": [wiring.name]}, {"Arn": heard.arn}, bus=wiring.name, account=OTHER_ACCOUNT)

    wiring.put({"n": 1})

    events = heard.bodies()
    assert [(event["account"], event["detail"]) for event in events] == (
        [(SOURCE_ACCOUNT, {"n": 1})] if arrives else []
    )
    assert len(dead.messages()) == (0 if arrives else 1)


def test_forwarded_event_is_not_forwarded_again(wiring: Wiring, clients: Clients) -> None:
    buses = [clients("events").create_event_bus(Name=f"{wiring.name}-{number}")["EventBusArn"] for number in (1, 2)]
    end = wiring.queue()
    wiring.rule({"source": [wiring.name]}, {"Arn": buses[0]})
    wiring.rule({"source": [wiring.name]}, {"Arn": buses[1]}, bus=f"{wiring.name}-1")
    wiring.rule({"source": [wiring.name]}, {"Arn": end.arn}, bus=f"{wiring.name}-2")

    wiring.put()

    assert end.bodies() == []


def test_role_of_a_target_must_be_allowed_to_put(wiring: Wiring, clients: Clients) -> None:
    bus = receiving_bus(clients, wiring.name, admits=SOURCE_ACCOUNT)
    heard = wiring.queue(account=OTHER_ACCOUNT)
    iam = clients("iam")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": SOURCE_ACCOUNT}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="forwarder", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    wiring.rule({"source": [wiring.name]}, {"Arn": bus, "RoleArn": role})
    wiring.rule({"source": [wiring.name]}, {"Arn": heard.arn}, bus=wiring.name, account=OTHER_ACCOUNT)

    wiring.put()
    before = heard.bodies()
    allow = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName="forwarder", PolicyName="p", PolicyDocument=policy)
    wiring.put()

    assert (before, len(heard.bodies())) == ([], 1)


def _role_of_events(iam: Any, name: str) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    return str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"])


@pytest.mark.parametrize("role", [None, "hander"], ids=["", "which hands a role along"])
def test_rule_of_another_account_is_made_where_the_bus_admits_it(
    wiring: Wiring, clients: Clients, role: str | None
) -> None:
    events, other = clients("events"), clients("events", account=OTHER_ACCOUNT)
    handed = {"RoleArn": _role_of_events(clients("iam", account=OTHER_ACCOUNT), role)} if role else {}
    bus = events.create_event_bus(Name=wiring.name)["EventBusArn"]
    rule = {"Name": wiring.name, "EventBusName": bus, "EventPattern": json.dumps({"source": [wiring.name]})}
    with pytest.raises(ClientError, match="not authorized to perform: events:PutRule"):
        other.put_rule(**rule)
    statement = {
        "Sid": "s",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"},
        "Action": ["events:PutRule", "events:PutTargets"],
        "Resource": f"arn:aws:events:us-east-1:{SOURCE_ACCOUNT}:rule/{wiring.name}/*",
        "Condition": {"StringEqualsIfExists": {"events:creatorAccount": OTHER_ACCOUNT}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    events.put_permission(EventBusName=wiring.name, Policy=policy)
    queue = wiring.queue(account=OTHER_ACCOUNT)

    other.put_rule(**rule)
    other.put_targets(Rule=wiring.name, EventBusName=bus, Targets=[{"Id": "t", "Arn": queue.arn, **handed}])
    wiring.put(bus=wiring.name)

    assert len(queue.bodies()) == 1


def test_event_of_a_service_reaches_the_default_bus(wiring: Wiring, aws: LocalAws) -> None:
    queue = wiring.queue()
    wiring.rule({"source": ["aws.ecr"], "detail": {"who": [wiring.name]}}, {"Arn": queue.arn})

    aws.events.emit(
        SOURCE_ACCOUNT,
        "us-east-1",
        {"source": "aws.ecr", "detail-type": "ECR Image Action", "resources": [], "detail": {"who": wiring.name}},
    )

    [event] = queue.bodies()
    assert (event["account"], event["region"], event["source"]) == (SOURCE_ACCOUNT, "us-east-1", "aws.ecr")


def test_schedule_without_pattern_matches_no_event(wiring: Wiring, clients: Clients) -> None:
    queue = wiring.queue()
    clients("events").put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")
    clients("events").put_targets(Rule="hourly", Targets=[{"Id": "t", "Arn": queue.arn}])

    wiring.put()

    assert queue.bodies() == []


def test_bucket_tells_the_default_bus(wiring: Wiring, clients: Clients) -> None:
    queue, s3 = wiring.queue(), clients("s3")
    s3.create_bucket(Bucket="events-bucket")
    s3.put_bucket_notification_configuration(
        Bucket="events-bucket", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    wiring.rule({"source": ["aws.s3"]}, {"Arn": queue.arn})

    s3.put_object(Bucket="events-bucket", Key="a b", Body=b"xyz")

    [event] = queue.bodies()
    assert event["detail-type"] == "Object Created"
    assert (event["detail"]["object"]["key"], event["detail"]["object"]["size"]) == ("a b", 3)
    assert (event["detail"]["reason"], event["detail"]["requester"]) == ("PutObject", SOURCE_ACCOUNT)
