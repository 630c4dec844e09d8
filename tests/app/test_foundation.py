"""The foundation stack names what the functions use, and what it makes is kept, encrypted and watched."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from chalicelib.names import CONFIRM, FUNCTIONS, PUBLISH, PUSH, QUEUES, RECEIVE, UPLOADS, Deployment, queue_name
from tests.linters import lint_templates
from transship.deploy.checks import CONSUMERS
from transship.deploy.foundation import TEMPLATE
from transship.deploy.paths import ROOT
from transship.deploy.project import CONFIG

DEPLOYMENT = Deployment("prod", "aws", "us-east-1", "111122223333")
FOUNDATION = json.loads(TEMPLATE.read_text())
RESOURCES: dict[str, Any] = FOUNDATION["Resources"]
FUNCTION_SETTINGS = json.loads(CONFIG.read_text())["lambda_functions"]
TEMPLATES = [TEMPLATE, *sorted((ROOT / "events").glob("*.json"))]


def value(node: Any) -> Any:
    """Return *node* with what `Fn::Sub` puts in for the deployment."""
    if not (isinstance(node, dict) and "Fn::Sub" in node):
        return node
    given = {
        "Stage": DEPLOYMENT.stage,
        "AWS::AccountId": DEPLOYMENT.account,
        "AWS::Region": DEPLOYMENT.region,
        "AWS::Partition": DEPLOYMENT.partition,
    }
    return re.sub(r"\$\{([^}]+)\}", lambda found: given.get(found[1], found[0]), node["Fn::Sub"])


def of_type(kind: str) -> dict[str, Any]:
    return {name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == kind}


def queue(name: str) -> Any:
    (found,) = (body for body in of_type("AWS::SQS::Queue").values() if value(body["QueueName"]) == name)
    return found


def test_bucket_table_and_bus_have_the_names_that_the_functions_use() -> None:
    assert value(RESOURCES["Bucket"]["Properties"]["BucketName"]) == DEPLOYMENT.bucket
    assert value(RESOURCES["Table"]["Properties"]["TableName"]) == DEPLOYMENT.table
    assert DEPLOYMENT.bus_arn.endswith(f"/{value(RESOURCES['Bus']['Properties']['Name'])}")


@pytest.mark.parametrize("name", QUEUES)
def test_queue_has_a_dead_letter_queue_that_takes_from_it_alone(name: str) -> None:
    full = queue_name("prod", name)
    letters = RESOURCES[queue(full)["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]]["Properties"]

    assert value(letters["QueueName"]) == f"{full}-dead"
    (source,) = letters["RedriveAllowPolicy"]["sourceQueueArns"]
    assert value(source) == f"arn:aws:sqs:us-east-1:111122223333:{full}"
    assert letters["MessageRetentionPeriod"] > queue(full)["MessageRetentionPeriod"]


@pytest.mark.parametrize("name", QUEUES)
def test_queue_hides_a_message_for_six_times_the_timeout(name: str) -> None:
    timeout = FUNCTION_SETTINGS[CONSUMERS[name]]["lambda_timeout"]

    assert queue(queue_name("prod", name))["VisibilityTimeout"] == 6 * timeout


@pytest.mark.parametrize(("name", "receives"), [(UPLOADS, 5), (PUSH, 10), (PUBLISH, 5), (CONFIRM, 5)])
def test_message_comes_so_often(name: str, receives: int) -> None:
    assert queue(queue_name("prod", name))["RedrivePolicy"]["maxReceiveCount"] == receives


@pytest.mark.parametrize(("function", "timeout"), [(RECEIVE, 120), (PUSH, 300), (PUBLISH, 120), (CONFIRM, 60)], ids=str)
def test_function_has_so_long(function: str, timeout: int) -> None:
    assert FUNCTION_SETTINGS[function]["lambda_timeout"] == timeout


def test_state_outlives_the_stack() -> None:
    for name in ("Bucket", "Table"):
        assert RESOURCES[name]["DeletionPolicy"] == RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_every_queue_is_encrypted() -> None:
    assert all(body["SqsManagedSseEnabled"] for body in of_type("AWS::SQS::Queue").values())


def test_bucket_is_versioned_and_closed_to_the_public() -> None:
    bucket = RESOURCES["Bucket"]["Properties"]

    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}


def test_services_may_send_only_for_this_account_and_one_source() -> None:
    policies = of_type("AWS::SQS::QueuePolicy")
    statements = [found for policy in policies.values() for found in policy["PolicyDocument"]["Statement"]]

    assert {found["Principal"]["Service"] for found in statements} == {"s3.amazonaws.com", "events.amazonaws.com"}
    for found in statements:
        assert "aws:SourceArn" in found["Condition"]["ArnEquals"]
        assert found["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}


def test_table_has_the_index_of_what_is_due() -> None:
    table = RESOURCES["Table"]["Properties"]
    (index,) = table["GlobalSecondaryIndexes"]

    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]
    assert (index["IndexName"], [key["AttributeName"] for key in index["KeySchema"]]) == ("due", ["due_shard", "due"])
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}


def test_every_dead_letter_queue_has_an_alarm() -> None:
    watched = {
        body["Dimensions"][0]["Value"]["Fn::GetAtt"][0]
        for body in of_type("AWS::CloudWatch::Alarm").values()
        if body["Namespace"] == "AWS/SQS"
    }

    assert watched == {name for name in of_type("AWS::SQS::Queue") if name.endswith("DeadLetters")}


def test_alarms_and_dashboard_show_what_the_functions_measure() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "chalicelib").rglob("*.py"))
    measured = set(re.findall(r'metrics\.add\(\s*"(\w+)"', sources))
    alarmed = {
        body["MetricName"] for body in of_type("AWS::CloudWatch::Alarm").values() if body["Namespace"] == "Transship"
    }
    shown = set(re.findall(r'MetricName=\\"(\w+)\\"', RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]))

    assert alarmed | shown <= measured
    assert {"Uploads", "UploadsStuck", "ImagesLate"} <= alarmed


def test_dashboard_is_json_and_names_every_function() -> None:
    body = value(RESOURCES["Dashboard"]["Properties"]["DashboardBody"])

    assert json.loads(body)["widgets"]
    assert all(f"transship-prod-{function}" in body for function in FUNCTIONS)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_references_lead_to_something(template: Any) -> None:
    body = json.loads(template.read_text())
    known = {*body["Resources"], *body.get("Parameters", {})}
    text = json.dumps(body)
    names = {*re.findall(r'"Ref": "([^":]+)"', text), *re.findall(r'"Fn::GetAtt": \["([^"]+)"', text)}
    names |= {found.partition(".")[0] for found in re.findall(r"\$\{([A-Za-z.]+)\}", text)}

    assert names <= known


def test_stack_fits_into_one_request() -> None:
    assert len(json.dumps(FOUNDATION, separators=(",", ":"))) < 51_200


@pytest.mark.check
@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_cloudformation_lint_has_nothing_to_say(template: Any) -> None:
    assert lint_templates([template]) == ""
