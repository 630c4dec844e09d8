"""Stacks through a real boto3 client: the project's own foundation, updates, failures and what is left of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, WaiterError

from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable

    Clients = Callable[..., Any]

FOUNDATION = Path(__file__).parents[3] / ".chalice" / "foundation.json"


@pytest.fixture(name="cloudformation")
def _cloudformation(clients: Clients) -> Any:
    return clients("cloudformation")


def create(cloudformation: Any, name: str, resources: Any, **arguments: Any) -> dict[str, Any]:
    template = {"Resources": resources, **arguments.pop("template", {})}
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template), **arguments)
    stack: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return stack


def update(cloudformation: Any, name: str, resources: Any) -> dict[str, Any]:
    cloudformation.update_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))
    stack: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return stack


def queue(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def reasons(cloudformation: Any, name: str) -> dict[str, str]:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return {
        event["LogicalResourceId"]: event["ResourceStatusReason"]
        for event in events
        if event["ResourceStatus"].endswith("_FAILED")
    }


def test_foundation_of_the_project_is_made_as_it_says(clients: Clients, cloudformation: Any) -> None:
    given = {"Stage": "test", "DestinationAccounts": OTHER_ACCOUNT, "SubscriberAccounts": OTHER_ACCOUNT}
    cloudformation.create_stack(
        StackName="foundation",
        TemplateBody=FOUNDATION.read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="foundation")

    stack = cloudformation.describe_stacks(StackName="foundation")["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    s3, dynamodb, sqs = clients("s3"), clients("dynamodb"), clients("sqs")
    assert s3.get_bucket_versioning(Bucket=outputs["Bucket"])["Status"] == "Enabled"
    assert len(s3.get_bucket_notification_configuration(Bucket=outputs["Bucket"])["QueueConfigurations"]) == 1
    assert s3.get_public_access_block(Bucket=outputs["Bucket"])["PublicAccessBlockConfiguration"]["BlockPublicPolicy"]
    ttl = dynamodb.describe_time_to_live(TableName=outputs["Table"])["TimeToLiveDescription"]
    assert ttl["TimeToLiveStatus"] == "ENABLED"
    uploads = sqs.get_queue_url(QueueName="transship-test-uploads")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=uploads, AttributeNames=["All"])["Attributes"]
    assert "s3.amazonaws.com" in attributes["Policy"]
    assert "transship-test-uploads-dead" in attributes["RedrivePolicy"]
    assert clients("cloudwatch").describe_alarms(AlarmNamePrefix="transship-test")["MetricAlarms"]
    assert clients("events").describe_event_bus(Name=outputs["BusArn"])["Policy"]


def test_foundation_again_changes_nothing(cloudformation: Any) -> None:
    with pytest.raises(ClientError, match="No updates are to be performed"):
        cloudformation.update_stack(
            StackName="foundation",
            TemplateBody=FOUNDATION.read_text(),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[
                {"ParameterKey": key, "UsePreviousValue": True}
                for key in ("Stage", "DestinationAccounts", "SubscriberAccounts")
            ],
        )


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ({"Type": "AWS::SNS::Topic"}, "Unrecognized resource types: [AWS::SNS::Topic]"),
        (queue(Colour="red"), "Encountered unsupported property Colour"),
        (
            queue(RedrivePolicy={"deadLetterTargetArn": "x", "maxReceiveCount": 1, "surplus": 1}),
            "Encountered unsupported property RedrivePolicy/surplus",
        ),
        ({"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": []}}, "AttributeDefinitions cannot be empty"),
        (queue(VisibilityTimeout={"Fn::GetAtt": ["Good", "Colour"]}), "Requested attribute Colour does not exist"),
        (queue(QueueName="a b"), "InvalidParameterValue"),
    ],
    ids=["type", "property", "nested property", "missing property", "attribute", "refused by the service"],
)
def test_what_is_unknown_fails_the_stack_and_is_rolled_back(
    clients: Clients, cloudformation: Any, resource: Any, reason: str
) -> None:
    name = f"bad-{len(cloudformation.list_stacks()['StackSummaries'])}"

    stack = create(cloudformation, name, {"Good": queue(QueueName=name), "Bad": {**resource, "DependsOn": "Good"}})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reason in reasons(cloudformation, name)["Bad"]
    assert name not in str(clients("sqs").list_queues())
    with pytest.raises(WaiterError):
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{", "JSON not well-formed"),
        ('{"Resources": {}}', "At least one Resources member"),
        ('{"Resources": {"A": {"Type": "AWS::SQS::Queue"}}, "Surplus": {}}', "only known sections"),
        ('{"Resources": {"A": {"Type": "AWS::SQS::Queue", "Surplus": 1}}}', "Invalid template resource property"),
    ],
)
def test_malformed_template_is_refused(cloudformation: Any, template: str, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        cloudformation.create_stack(StackName="malformed", TemplateBody=template)


def test_circle_of_resources_is_named(cloudformation: Any) -> None:
    circle = {"A": queue(QueueName={"Ref": "B"}), "B": queue(QueueName={"Fn::Sub": "x-${A.QueueName}"})}

    stack = create(cloudformation, "circle", circle)

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Circular dependency between resources" in str(cloudformation.describe_stack_events(StackName="circle"))


@pytest.mark.parametrize(
    ("declaration", "value", "message"),
    [
        ({"Type": "String"}, None, "must have values"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "A", "must match pattern"),
        ({"Type": "String", "AllowedValues": ["a", "b"]}, "c", "must be one of AllowedValues"),
        ({"Type": "String", "MaxLength": 3}, "abcd", "must contain 0 to 3 characters"),
        ({"Type": "Number", "MinValue": 5}, "4", "is outside its bounds"),
        ({"Type": "Number"}, "four", "must be a number"),
        ({"Type": "AWS::EC2::VPC::Id"}, "x", "Unrecognized parameter type"),
    ],
)
def test_parameter_out_of_bounds_is_refused(
    cloudformation: Any, declaration: Any, value: str | None, message: str
) -> None:
    template = {"Parameters": {"P": declaration}, "Resources": {"Q": queue()}}
    given = [{"ParameterKey": "P", "ParameterValue": value}] if value is not None else []

    with pytest.raises(ClientError, match=message):
        cloudformation.create_stack(StackName="bounds", TemplateBody=json.dumps(template), Parameters=given)


def test_functions_and_conditions_give_what_they_say(clients: Clients, cloudformation: Any) -> None:
    template = {
        "Parameters": {"Names": {"Type": "CommaDelimitedList", "Default": "one, two"}},
        "Conditions": {
            "East": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]},
            "Both": {"Fn::And": [{"Condition": "East"}, {"Fn::Not": [{"Fn::Equals": ["a", "b"]}]}]},
            "Never": {"Fn::Or": [{"Fn::Not": [{"Condition": "East"}]}, {"Fn::Equals": [1, 2]}]},
        },
        "Outputs": {
            "Arn": {"Value": {"Fn::GetAtt": "Dead.Arn"}},
            "Joined": {"Value": {"Fn::Join": ["-", {"Ref": "Names"}]}},
            "Selected": {"Value": {"Fn::Select": [1, {"Fn::Split": ["/", "a/b/c"]}]}},
            "Substituted": {"Value": {"Fn::Sub": ["${!literal} ${X} ${AWS::AccountId} ${Dead.QueueName}", {"X": "x"}]}},
            "Hidden": {"Condition": "Never", "Value": "x"},
        },
    }
    resources = {
        "Work": queue(
            QueueName={"Fn::If": ["Both", "chosen", {"Ref": "Unmade"}]},
            DelaySeconds={"Ref": "AWS::NoValue"},
            RedrivePolicy={"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": "3"},
        ),
        "Dead": queue(QueueName="dead"),
        "Unmade": {**queue(QueueName="unmade"), "Condition": "Never"},
    }

    stack = create(cloudformation, "functions", resources, template=template)

    assert {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]} == {
        "Arn": f"arn:aws:sqs:us-east-1:{SOURCE_ACCOUNT}:dead",
        "Joined": "one-two",
        "Selected": "b",
        "Substituted": f"${{literal}} x {SOURCE_ACCOUNT} dead",
    }
    made = [url.rpartition("/")[2] for url in clients("sqs").list_queues()["QueueUrls"]]
    assert "chosen" in made
    assert "unmade" not in made


def test_update_changes_replaces_adds_and_deletes(clients: Clients, cloudformation: Any) -> None:
    sqs = clients("sqs")
    create(cloudformation, "moving", {"Same": queue(QueueName="same"), "Gone": queue(QueueName="gone")})
    create(cloudformation, "moving-names", {"Old": queue(QueueName="old")})

    same = update(
        cloudformation, "moving", {"Same": queue(QueueName="same", VisibilityTimeout=77), "New": queue(QueueName="new")}
    )
    renamed = update(cloudformation, "moving-names", {"Old": queue(QueueName="renamed")})

    names = {url.rpartition("/")[2] for url in sqs.list_queues()["QueueUrls"]}
    assert same["StackStatus"] == renamed["StackStatus"] == "UPDATE_COMPLETE"
    assert {"same", "new", "renamed"} <= names
    assert not {"gone", "old"} & names
    url = sqs.get_queue_url(QueueName="same")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    assert attributes == {"VisibilityTimeout": "77"}


def test_failed_update_leaves_everything_as_it_was(clients: Clients, cloudformation: Any) -> None:
    sqs = clients("sqs")
    create(cloudformation, "careful", {"A": queue(QueueName="careful", VisibilityTimeout=33)})

    stack = update(
        cloudformation,
        "careful",
        {
            "A": queue(QueueName="careful", VisibilityTimeout=44),
            "B": queue(QueueName="careful-new"),
            "C": {**queue(Colour="red"), "DependsOn": ["A", "B"]},
        },
    )

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Colour" in reasons(cloudformation, "careful")["C"]
    names = {url.rpartition("/")[2] for url in sqs.list_queues()["QueueUrls"]}
    assert "careful-new" not in names
    url = sqs.get_queue_url(QueueName="careful")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    assert attributes == {"VisibilityTimeout": "33"}
    assert len(cloudformation.describe_stack_resources(StackName="careful")["StackResources"]) == 1


def test_deletion_leaves_what_is_to_be_retained(clients: Clients, cloudformation: Any) -> None:
    resources = {
        "Kept": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "retained"}, "DeletionPolicy": "Retain"},
        "Lost": queue(QueueName="lost"),
    }
    stack = create(cloudformation, "ending", resources)

    cloudformation.delete_stack(StackName="ending")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="ending")

    assert clients("s3").head_bucket(Bucket="retained")
    assert "lost" not in str(clients("sqs").list_queues())
    with pytest.raises(ClientError, match="does not exist"):
        cloudformation.describe_stacks(StackName="ending")
    ended = cloudformation.describe_stacks(StackName=stack["StackId"])["Stacks"][0]
    assert ended["StackStatus"] == "DELETE_COMPLETE"


def test_role_needs_its_capability(cloudformation: Any) -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "named", "AssumeRolePolicyDocument": {}}}

    with pytest.raises(ClientError, match="CAPABILITY_NAMED_IAM") as refused:
        create(cloudformation, "roles", {"Role": role}, Capabilities=["CAPABILITY_IAM"])

    assert refused.value.response["Error"]["Code"] == "InsufficientCapabilitiesException"


def test_stack_acts_with_the_rights_of_its_caller(aws: Any, clients: Clients) -> None:
    iam = clients("iam")
    iam.create_user(UserName="deployer")
    allow = {"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}
    iam.put_user_policy(
        UserName="deployer",
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    client = boto3.client(
        "cloudformation",
        region_name="us-east-1",
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )

    stack = create(client, "rightless", {"Q": queue(QueueName="q")})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "not authorized to perform: sqs:createqueue" in reasons(client, "rightless")["Q"].lower()
    client.close()


def test_change_set_creates_and_updates(cloudformation: Any) -> None:
    def deploy(kind: str, timeout: int) -> str:
        template = json.dumps({"Resources": {"Q": queue(QueueName="changing", VisibilityTimeout=timeout)}})
        made = cloudformation.create_change_set(
            StackName="changing", ChangeSetName=f"c{timeout}", ChangeSetType=kind, TemplateBody=template
        )
        cloudformation.get_waiter("change_set_create_complete").wait(ChangeSetName=made["Id"])
        cloudformation.execute_change_set(ChangeSetName=made["Id"])
        return str(cloudformation.describe_stacks(StackName="changing")["Stacks"][0]["StackStatus"])

    assert deploy("CREATE", 1) == "CREATE_COMPLETE"
    assert deploy("UPDATE", 2) == "UPDATE_COMPLETE"
