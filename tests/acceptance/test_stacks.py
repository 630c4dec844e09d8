"""The stacks that others deploy into their accounts: replication events forwarded to us, and a subscriber of ours."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from chalicelib.state.upload import State
from tests.acceptance.scene import SOUND, Scene
from tests.acceptance.situations import FAR, HELD, faults, redeployed
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT
from transship.local.functions.service import RUNTIME
from transship.local_stage import STAGE
from transship.local_world import HOME, OTHER_REPLICAS, OWN_REPLICAS, Subscriber

pytestmark = [pytest.mark.check, pytest.mark.timeout(300)]

EVENTS: Final = Path(__file__).resolve().parents[2] / "events"
RARELY: Final = {"TRANSSHIP_CONFIRM_FIRST": "300", "TRANSSHIP_CONFIRM_MOST": "300"}
"""No look by the clock within a test."""
BUS: Final = "transship-subscriber"
THERE: Final = (OTHER_ACCOUNT, HOME)
ORGANIZATION: Final = "o-a1b2c3d4e5"
AWAITED: Final = {"PublisherAccount": SOURCE_ACCOUNT, "Stage": STAGE, "Repository": "team/awaited"}


def template(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EVENTS / name).read_text())
    return found


@contextmanager
def stack(
    scene: Scene, place: tuple[str, str], document: Mapping[str, Any], parameters: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """Create a stack in an account and Region for the length of a block, and yield its outputs."""
    client, name = scene.stage.client("cloudformation", *place), "of-somebody-else"
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    client.create_stack(
        StackName=name, TemplateBody=json.dumps(document), Parameters=given, Capabilities=["CAPABILITY_IAM"]
    )
    scene.until(lambda: not _status(client, name).endswith("_IN_PROGRESS"))
    (found,) = client.describe_stacks(StackName=name)["Stacks"]
    assert found["StackStatus"] == "CREATE_COMPLETE", _reasons(client, name)
    try:
        yield {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", ())}
    finally:
        client.delete_stack(StackName=name)
        client.get_waiter("stack_delete_complete").wait(StackName=name)


def _status(client: Any, name: str) -> str:
    (found,) = client.describe_stacks(StackName=name)["Stacks"]
    return str(found["StackStatus"])


def _reasons(client: Any, name: str) -> str:
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    said = [
        f"{one['LogicalResourceId']}: {one['ResourceStatusReason']}" for one in events if "ResourceStatusReason" in one
    ]
    return "\n".join(said)


def _without_function(document: dict[str, Any]) -> dict[str, Any]:
    """Return a stack without what the local CloudFormation does not make, `function_of_the_stack` does."""
    resources = {name: one for name, one in document["Resources"].items() if not name.startswith("Function")}
    rule = resources["Rule"]["Properties"]
    rule["Targets"] = [target for target in rule["Targets"] if target["Id"] != "function"]
    return {**document, "Resources": resources}


@contextmanager
def function_of_the_stack(scene: Scene, place: tuple[str, str]) -> Iterator[list[str]]:
    """
    Make the function of the subscriber's stack, with its permission and as a target, by the calls behind it.

    Yields the lines that it logs.
    """
    made = template("subscriber.json")["Resources"]
    code, permission = made["Function"]["Properties"], made["FunctionPermission"]["Properties"]
    functions, events, iam = (scene.stage.client(service, *place) for service in ("lambda", "events", "iam"))
    trust = made["FunctionRole"]["Properties"]["AssumeRolePolicyDocument"]
    role = iam.create_role(RoleName="subscriber", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", code["Code"]["ZipFile"])
    function = functions.create_function(
        FunctionName="subscriber",
        Runtime=RUNTIME,  # this machine's Python: no other is here
        Handler=code["Handler"],
        Timeout=code["Timeout"],
        Role=role,
        Code={"ZipFile": packed.getvalue()},
    )["FunctionArn"]
    lines: list[str] = []
    scene.stage.aws.functions.on_log(lambda of, line: lines.append(line) if of == "subscriber" else None)
    (rule,) = events.list_rules(EventBusName=BUS)["Rules"]
    functions.add_permission(
        FunctionName="subscriber",
        StatementId="rule",
        Action=permission["Action"],
        Principal=permission["Principal"],
        SourceArn=rule["Arn"],
        SourceAccount=OTHER_ACCOUNT,
    )
    events.put_targets(Rule=rule["Name"], EventBusName=BUS, Targets=[{"Id": "function", "Arn": function}])
    try:
        yield lines
    finally:
        events.remove_targets(Rule=rule["Name"], EventBusName=BUS, Ids=["function"])
        functions.delete_function(FunctionName="subscriber")
        iam.delete_role(RoleName="subscriber")


def test_replication_events_that_the_destinations_forward_bring_the_looks(scene: Scene) -> None:
    forward = {"SourceAccount": SOURCE_ACCOUNT, "SourceRegion": HOME}
    with redeployed(scene.stage, RARELY, {"DestinationAccounts": OTHER_ACCOUNT}), ExitStack() as stacks:
        for place in (*OWN_REPLICAS, *OTHER_REPLICAS):
            stacks.enter_context(stack(scene, place, template("replication-hints.json"), forward))
        with faults(scene.stage, HELD):
            upload = scene.put("uploads/team/hinted/x.tar", SOUND)
            scene.confirming(upload, waiting=FAR)
            scene.stage.aws.ecr.hurry()
            seen = scene.await_end(upload)

    assert (seen.upload.state, seen.upload.polls) == (State.AVAILABLE, 0), "no look was due by the clock"


@contextmanager
def organized(scene: Scene, organization: str) -> Iterator[None]:
    """Let the other account be in *organization*."""
    organizations = scene.stage.aws.iam.organizations
    organizations[OTHER_ACCOUNT] = organization
    try:
        yield
    finally:
        del organizations[OTHER_ACCOUNT]


@contextmanager
def let_in(scene: Scene, lets: str) -> Iterator[None]:
    """Let accounts keep rules of their own on our bus, by what *lets* them."""
    given = {"SubscriberAccounts": OTHER_ACCOUNT, "OrganizationId": ORGANIZATION}
    with organized(scene, ORGANIZATION), redeployed(scene.stage, {}, {lets: given[lets]}):
        yield


@contextmanager
def subscribed(scene: Scene, lets: str) -> Iterator[dict[str, str]]:
    """Let a subscriber's stack be there with a rule of its own on our bus, or be what we forward to."""
    document = _without_function(template("subscriber.json"))
    if lets != "ForwardBusArn":
        with let_in(scene, lets), stack(scene, THERE, document, {**AWAITED, "OwnRule": "true"}) as outputs:
            yield outputs
        return
    with (
        stack(scene, THERE, document, {**AWAITED, "OwnRule": "false"}) as outputs,
        redeployed(scene.stage, {}, {lets: outputs["BusArn"]}),
    ):
        yield outputs


def test_accounts_of_another_organization_and_of_none_keep_no_rule_on_our_bus(scene: Scene) -> None:
    client = scene.stage.client("events", *THERE)
    bus = scene.stage.deployment.bus_arn
    rule = {"Name": "uninvited", "EventBusName": bus, "EventPattern": json.dumps({"source": ["transship"]})}
    with redeployed(scene.stage, {}, {"OrganizationId": ORGANIZATION}):
        with pytest.raises(ClientError, match="not authorized to perform: events:PutRule"):
            client.put_rule(**rule)
        with organized(scene, "o-other12345"), pytest.raises(ClientError, match="not authorized"):
            client.put_rule(**rule)
        with organized(scene, ORGANIZATION):
            client.put_rule(**rule)
            client.delete_rule(Name="uninvited", EventBusName=bus)


@pytest.mark.parametrize(
    "lets",
    ["SubscriberAccounts", "OrganizationId", "ForwardBusArn"],
    ids=["a rule of its own on our bus", "a rule of its own, by organization", "forwarded by us"],
)
def test_a_subscriber_hears_once_of_its_repository_and_of_no_other(scene: Scene, lets: str) -> None:
    with (
        subscribed(scene, lets) as outputs,
        function_of_the_stack(scene, THERE) as logged,
    ):
        other = scene.push("uploads/team/not-awaited/x.tar", SOUND)
        seen = scene.push("uploads/team/awaited/x.tar", SOUND)
        queue = Subscriber(scene.stage.client("sqs", *THERE), outputs["QueueUrl"])
        (event,) = scene.until(lambda: queue.receive(wait_seconds=1))
        (line,) = scene.until(lambda: [line for line in logged if "team/awaited" in line])
        scene.heard(other)
        again = queue.receive(wait_seconds=1)

    available = scene.heard(seen)["Image Available"]
    assert [event["detail"]] == available
    assert again == []
    assert available[0]["image"]["digest"] in line
    assert available[0]["id"] in line
    assert not [line for line in logged if "team/not-awaited" in line]
