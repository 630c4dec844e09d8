"""
Doctor against a deployment that somebody changed by hand: what was changed is named, with what mends it, and nothing
else is.

The deployment is the local stage as `transship local up` makes it, with subscribers of every kind; each case takes one
thing away, looks, and puts it back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import boto3
import pytest
from click.testing import CliRunner

from chalicelib.access.documents import accept_replicas
from chalicelib.names import Deployment, role_name
from chalicelib.oci.reference import Registry
from transship.cli import main
from transship.deploy.foundation import deploy_foundation
from transship.deploy.project import Stage
from transship.doctor import examine
from transship.finding import Finding, Standing, worst
from transship.local.accounts import OTHER_ACCOUNT, SOURCE_ACCOUNT
from transship.local_stage import LocalStage, local_stage
from transship.local_world import EXTERNAL_ID, HOME, READ_BACK_ROLE, configure_replication

pytestmark = [pytest.mark.check, pytest.mark.timeout(180)]

ORGANIZATION: Final = "o-a1b2c3d4e5"
FORWARD: Final = f"arn:aws:events:{HOME}:{OTHER_ACCOUNT}:event-bus/downstream"
AWAY: Final = "eu-central-1"
ROOT: Final = f"arn:aws:iam::{SOURCE_ACCOUNT}:root"
PUSH: Final = "transship-local-push"
BUCKET: Final = f"transship-local-{SOURCE_ACCOUNT}-{HOME}"
QUEUE: Final = f"arn:aws:sqs:{HOME}:{SOURCE_ACCOUNT}:transship-local-uploads"
BUS: Final = f"arn:aws:events:{HOME}:{SOURCE_ACCOUNT}:event-bus/transship-local"

Undo = Callable[[], object]


@pytest.fixture(name="stage", scope="module")
def _stage() -> Iterator[LocalStage]:
    with local_stage() as stage:
        told = {
            "SubscriberAccounts": OTHER_ACCOUNT,
            "OrganizationId": ORGANIZATION,
            "ForwardBusArn": FORWARD,
            "DestinationAccounts": OTHER_ACCOUNT,
        }
        parameters = {**Stage.read("local").foundation_parameters, **told}
        deploy_foundation(stage.deployment, parameters, boto3.Session())
        yield stage


def looked(stage: LocalStage) -> list[Finding]:
    return examine(stage.deployment, boto3.Session(), [])


@dataclass(frozen=True)
class Trouble:
    """
    Something that was changed.

    Attributes:
        change: Does it, and returns what puts it back.
        named: The beginning of each finding that must follow, and a word of its remedy.
        standing: Whether it is known to be wrong, or only cannot be seen.
    """

    change: Callable[[LocalStage], Undo]
    named: dict[str, str]
    standing: Standing = Standing.UNSOUND


def stop_expiry(stage: LocalStage) -> Undo:
    def switch(*, on: bool) -> None:
        wanted = {"Enabled": on, "AttributeName": "expires"}
        stage.client("dynamodb").update_time_to_live(TableName="transship-local", TimeToLiveSpecification=wanted)

    switch(on=False)
    return lambda: switch(on=True)


def stop_backups(stage: LocalStage) -> Undo:
    def switch(*, on: bool) -> None:
        stage.client("dynamodb").update_continuous_backups(
            TableName="transship-local", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": on}
        )

    switch(on=False)
    return lambda: switch(on=True)


def drop_index(stage: LocalStage) -> Undo:
    dynamodb = stage.client("dynamodb")
    table = dynamodb.describe_table(TableName="transship-local")["Table"]
    (index,) = table["GlobalSecondaryIndexes"]
    made = {key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
    dynamodb.update_table(TableName="transship-local", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "due"}}])
    return lambda: dynamodb.update_table(
        TableName="transship-local",
        AttributeDefinitions=table["AttributeDefinitions"],
        GlobalSecondaryIndexUpdates=[{"Create": made}],
    )


def suspend_versions(stage: LocalStage) -> Undo:
    def put(status: str) -> None:
        stage.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": status})

    put("Suspended")
    return lambda: put("Enabled")


def notify(**changes: Any) -> Callable[[LocalStage], Undo]:
    def change(stage: LocalStage) -> Undo:
        s3 = stage.client("s3")
        kept = s3.get_bucket_notification_configuration(Bucket=BUCKET)["QueueConfigurations"]
        put = s3.put_bucket_notification_configuration
        now = [{**entry, **changes} for entry in kept] if changes else []
        put(Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": now})
        return lambda: put(Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": kept})

    return change


def filtered(name: str, value: str) -> Callable[[LocalStage], Undo]:
    rules = [{"Name": "prefix", "Value": "uploads/"}] if name != "prefix" else []
    return notify(Filter={"Key": {"FilterRules": [*rules, {"Name": name, "Value": value}]}})


def attribute(queue: str, name: str, changed: Callable[[str], str]) -> Callable[[LocalStage], Undo]:
    def change(stage: LocalStage) -> Undo:
        sqs = stage.client("sqs")
        url = sqs.get_queue_url(QueueName=f"transship-local-{queue}")["QueueUrl"]
        kept = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={name: changed(kept)})
        return lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={name: kept})

    return change


def without_condition(operator: str) -> Callable[[str], str]:
    def changed(text: str) -> str:
        policy = json.loads(text)
        for statement in policy["Statement"]:
            del statement["Condition"][operator]
        return json.dumps(policy)

    return changed


def denying(text: str) -> str:
    policy = json.loads(text)
    denial = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:SendMessage",
        "Resource": policy["Statement"][0]["Resource"],
    }
    return json.dumps({**policy, "Statement": [*policy["Statement"], denial]})


def leave_a_dead_letter(stage: LocalStage) -> Undo:
    sqs = stage.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{PUSH}-dead")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="nobody could take it")

    def take() -> None:
        for message in sqs.receive_message(QueueUrl=url)["Messages"]:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    return take


def configure(**changes: Any) -> Callable[[LocalStage], Undo]:
    def change(stage: LocalStage) -> Undo:
        functions = stage.client("lambda")
        kept = functions.get_function_configuration(FunctionName=PUSH)
        functions.update_function_configuration(FunctionName=PUSH, **changes)
        return lambda: functions.update_function_configuration(
            FunctionName=PUSH, **{name: kept[name] for name in changes}
        )

    return change


def tell_otherwise(stage: LocalStage) -> Undo:
    kept = stage.client("lambda").get_function_configuration(FunctionName=PUSH)["Environment"]
    return configure(Environment={"Variables": {**kept["Variables"], "TRANSSHIP_COMPRESSION": "zstd"}})(stage)


def end_recursion(stage: LocalStage) -> Undo:
    put = stage.client("lambda").put_function_recursion_config
    put(FunctionName=PUSH, RecursiveLoop="Terminate")
    return lambda: put(FunctionName=PUSH, RecursiveLoop="Allow")


def stop_consuming(stage: LocalStage) -> Undo:
    functions = stage.client("lambda")
    (mapping,) = functions.list_event_source_mappings(FunctionName=PUSH)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    return lambda: functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


def distrust_lambda(stage: LocalStage) -> Undo:
    iam = stage.client("iam")
    kept = iam.get_role(RoleName=PUSH)["Role"]["AssumeRolePolicyDocument"]
    other = json.dumps(kept).replace("lambda.amazonaws.com", "ec2.amazonaws.com")
    iam.update_assume_role_policy(RoleName=PUSH, PolicyDocument=other)
    return lambda: iam.update_assume_role_policy(RoleName=PUSH, PolicyDocument=json.dumps(kept))


def deny(action: str, role: str = PUSH) -> Callable[[LocalStage], Undo]:
    def change(stage: LocalStage) -> Undo:
        iam = stage.client("iam")
        statement = {"Effect": "Deny", "Action": action, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName=role, PolicyName="denial", PolicyDocument=document)
        return lambda: iam.delete_role_policy(RoleName=role, PolicyName="denial")

    return change


def both(first: Callable[[LocalStage], Undo], second: Callable[[LocalStage], Undo]) -> Callable[[LocalStage], Undo]:
    def change(stage: LocalStage) -> Undo:
        undo = first(stage), second(stage)
        return lambda: [one() for one in undo]

    return change


def permit(**statement: Any) -> Callable[[LocalStage], Undo]:
    """Put one more statement on the bus."""

    def change(stage: LocalStage) -> Undo:
        events = stage.client("events")
        more = {"Version": "2012-10-17", "Statement": [{"Sid": "more", "Effect": "Allow", **statement}]}
        events.put_permission(EventBusName="transship-local", Policy=json.dumps(more))
        return lambda: events.remove_permission(EventBusName="transship-local", StatementId="more")

    return change


def forbid(sid: str, bus: str = "transship-local") -> Callable[[LocalStage], Undo]:
    """Take a statement off a bus."""

    def change(stage: LocalStage) -> Undo:
        events = stage.client("events")
        kept = events.describe_event_bus(Name=bus)["Policy"]
        events.remove_permission(EventBusName=bus, StatementId=sid)
        return lambda: events.put_permission(EventBusName=bus, Policy=kept)

    return change


def disable(rule: str, bus: str) -> Callable[[LocalStage], Undo]:
    def change(stage: LocalStage) -> Undo:
        events = stage.client("events")
        events.disable_rule(Name=rule, EventBusName=bus)
        return lambda: events.enable_rule(Name=rule, EventBusName=bus)

    return change


def lead_astray(stage: LocalStage) -> Undo:
    events = stage.client("events")
    named = {"Rule": "transship-local-forward", "EventBusName": "transship-local"}
    kept = events.list_targets_by_rule(**named)["Targets"]
    events.put_targets(**named, Targets=[{**target, "Arn": f"{FORWARD}-2"} for target in kept])
    return lambda: events.put_targets(**named, Targets=kept)


def write_rules(text: str) -> Callable[[LocalStage], Undo]:
    def change(stage: LocalStage) -> Undo:
        s3 = stage.client("s3")
        s3.put_object(Bucket=BUCKET, Key="access/rules.json", Body=text.encode())
        return lambda: s3.delete_object(Bucket=BUCKET, Key="access/rules.json")

    return change


def rule_for(*repositories: str, create: bool = True) -> str:
    rule = {"name": "r", "principals": ["any"], "prefix": "uploads/team/", "create_repositories": create}
    return json.dumps({"version": 1, "rules": [{**rule, "repositories": repositories}]})


def replicate_nothing(stage: LocalStage) -> Undo:
    stage.client("ecr").put_replication_configuration(replicationConfiguration={"rules": []})
    return lambda: configure_replication(stage.client)


def close_destination(stage: LocalStage) -> Undo:
    stage.client("ecr", OTHER_ACCOUNT, AWAY).delete_registry_policy()
    return lambda: configure_replication(stage.client)


def admit(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[LocalStage], Undo]:
    """Change the statement by which the destination accepts replicas."""

    def done(stage: LocalStage) -> Undo:
        registry = Registry(OTHER_ACCOUNT, AWAY)
        document = accept_replicas(registry, SOURCE_ACCOUNT, partition="aws", prefixes=["team/", "vendor/"])
        document["Statement"] = [change(document["Statement"][0])]
        put = stage.client("ecr", OTHER_ACCOUNT, AWAY).put_registry_policy
        put(policyText=json.dumps(document))
        return lambda: configure_replication(stage.client)

    return done


def need_a_role_to_create(stage: LocalStage) -> Undo:
    ecr = stage.client("ecr", OTHER_ACCOUNT, AWAY)
    ecr.create_repository_creation_template(
        prefix="team", appliedFor=["REPLICATION"], resourceTags=[{"Key": "team", "Value": "blue"}]
    )
    return lambda: ecr.delete_repository_creation_template(prefix="team")


def read_back_by_confirm_alone(stage: LocalStage) -> Undo:
    iam = stage.client("iam", OTHER_ACCOUNT)
    kept = iam.get_role(RoleName=READ_BACK_ROLE)["Role"]["AssumeRolePolicyDocument"]
    confirm = f"arn:aws:iam::{SOURCE_ACCOUNT}:role/{role_name('local', 'confirm')}"
    (statement,) = kept["Statement"]
    alone = {**kept, "Statement": [{**statement, "Principal": {"AWS": confirm}}]}
    iam.update_assume_role_policy(RoleName=READ_BACK_ROLE, PolicyDocument=json.dumps(alone))
    return lambda: iam.update_assume_role_policy(RoleName=READ_BACK_ROLE, PolicyDocument=json.dumps(kept))


DESTINATION: Final = f"destination {OTHER_ACCOUNT}/{AWAY} takes replicas"
SUBSCRIBER: Final = f"bus lets account {OTHER_ACCOUNT}"
TROUBLES: Final = {
    "items never expire": Trouble(stop_expiry, {"table transship-local lets items expire": "update-time-to-live"}),
    "no backups": Trouble(stop_backups, {"table transship-local can be restored": "Deploy again"}),
    "no index": Trouble(drop_index, {"table transship-local has its index": "Deploy again"}),
    "no versions": Trouble(suspend_versions, {f"bucket {BUCKET} keeps versions": "Deploy again"}),
    "no notification": Trouble(
        notify(), {f"bucket {BUCKET} tells of new": "Deploy again", f"bucket {BUCKET} tells of every": "none"}
    ),
    "a narrower prefix": Trouble(
        filtered("prefix", "uploads/team/"), {f"bucket {BUCKET} tells of every": "uploads/team/"}
    ),
    "a suffix": Trouble(filtered("suffix", ".tar"), {f"bucket {BUCKET} tells of every": ".tar"}),
    "copies are not told of": Trouble(
        notify(Events=["s3:ObjectCreated:Put"]), {f"bucket {BUCKET} tells of new": "Deploy again"}
    ),
    "S3 for any account": Trouble(
        attribute("uploads", "Policy", without_condition("StringEquals")),
        {"queue transship-local-uploads takes them for": "Deploy again"},
    ),
    "S3 for any bucket": Trouble(
        attribute("uploads", "Policy", without_condition("ArnEquals")),
        {"queue transship-local-uploads takes them for": "Deploy again"},
    ),
    "EventBridge for any rule": Trouble(
        attribute("confirm", "Policy", without_condition("ArnEquals")),
        {"queue transship-local-confirm takes them for": "Deploy again"},
    ),
    "a queue that S3 may not send to": Trouble(
        attribute("uploads", "Policy", denying), {"queue transship-local-uploads takes messages": "Deploy again"}
    ),
    "a dead letter": Trouble(leave_a_dead_letter, {f"queue {PUSH}-dead is empty": "1 messages"}),
    "messages that come back too early": Trouble(
        attribute("push", "VisibilityTimeout", lambda _: "300"), {f"queue {PUSH} hides a message": "it is 300"}
    ),
    "a longer timeout": Trouble(configure(Timeout=900), {f"queue {PUSH} hides a message": "5400"}),
    "a function that may not go on": Trouble(end_recursion, {f"function {PUSH} may queue for itself": "Deploy again"}),
    "a queue without consumer": Trouble(stop_consuming, {f"queue {PUSH} is consumed by push": "Deploy again"}),
    "other settings": Trouble(tell_otherwise, {"function settings are the same": "push"}),
    "another role": Trouble(
        configure(Role=f"arn:aws:iam::{SOURCE_ACCOUNT}:role/transship-local-publish"),
        {"identity of push is the role": "IDENTITY_MISMATCH"},
    ),
    "a role that Lambda cannot take": Trouble(
        distrust_lambda, {f"identity {PUSH} can be taken": "Add to the role's trust policy"}
    ),
    "a denial": Trouble(
        deny("ecr:UploadLayerPart"), {f"role {PUSH} may do what its function does": "ecr:UploadLayerPart on"}
    ),
    "events of anybody": Trouble(
        permit(Principal="*", Action="events:PutEvents", Resource=BUS), {"bus takes no events of": "events:PutEvents"}
    ),
    "events of a subscriber": Trouble(
        permit(Principal={"AWS": OTHER_ACCOUNT}, Action="events:PutEvents", Resource=BUS),
        {"bus takes no events of": "remove-permission"},
    ),
    "rules of anybody": Trouble(
        permit(Principal="*", Action="events:PutRule", Resource=f"{BUS.replace('event-bus', 'rule')}/*"),
        {"bus takes no events of": "events:PutRule", f"{SUBSCRIBER} touch no rule of others": "events:PutRule"},
    ),
    "a subscriber that may touch the rules of others": Trouble(
        permit(
            Principal={"AWS": OTHER_ACCOUNT},
            Action="events:DeleteRule",
            Resource=f"{BUS.replace('event-bus', 'rule')}/*",
        ),
        {f"{SUBSCRIBER} touch no rule of others": "It may events:DeleteRule"},
    ),
    "a subscriber that was shut out": Trouble(
        forbid("own-rules-of-accounts"), {f"{SUBSCRIBER} keep rules of its own": "events:PutRule"}
    ),
    "an organization that was shut out": Trouble(
        forbid("own-rules-of-organization"), {f"bus lets accounts of {ORGANIZATION}": "Deploy again"}
    ),
    "replication events that are shut out": Trouble(
        forbid("transship-local-hints", "default"),
        {f"bus default takes replication events of {OTHER_ACCOUNT}": "Deploy again"},
    ),
    "no hints": Trouble(
        disable("transship-local-replication-hints", "default"), {"bus default tells confirm": "Deploy again"}
    ),
    "no sweep": Trouble(
        disable("transship-local-sweep-event", "default"), {"function transship-local-sweep runs": "Deploy again"}
    ),
    "nothing is forwarded": Trouble(
        disable("transship-local-forward", "transship-local"),
        {"bus transship-local forwards to": "Deploy again"},
    ),
    "forwarded to another": Trouble(lead_astray, {"bus transship-local forwards to": "Deploy again"}),
    "access rules that are none": Trouble(
        write_rules('{"version": 2}'), {"rules of access can be read": "version: must be 1"}
    ),
    "an access rule for what can be no repository": Trouble(
        write_rules(rule_for("team/*", "Team/App")), {"rules of access name repositories": "Team/App"}
    ),
    "an access rule that may not create what it names": Trouble(
        write_rules(rule_for("team/absent", create=False)),
        {"repository team/absent is there or may be created": "create_repositories in its access rule"},
    ),
    "a role that may not push to a repository of the rules": Trouble(
        both(write_rules(rule_for("team/absent")), deny("ecr:PutImage", "transship-local-publish")),
        {
            "role transship-local-publish may do all 8 actions on": "denied by",
            "role transship-local-publish may do what its function does": "ecr:PutImage on",
        },
    ),
    "no replication": Trouble(
        replicate_nothing, {f"registry {SOURCE_ACCOUNT}/{HOME} replicates": "PutReplicationConfiguration"}
    ),
    "a destination without a policy": Trouble(
        close_destination, {DESTINATION: f"In account {OTHER_ACCOUNT}: aws ecr put-registry-policy"}
    ),
    "a destination for another source": Trouble(
        admit(lambda found: {**found, "Principal": {"AWS": OTHER_ACCOUNT}}),
        {DESTINATION: "does not allow ecr:ReplicateImage"},
    ),
    "a destination that creates nothing": Trouble(
        admit(lambda found: {**found, "Action": "ecr:ReplicateImage"}),
        {DESTINATION: "does not allow ecr:CreateRepository"},
    ),
    "a destination for some prefixes": Trouble(
        admit(lambda found: {**found, "Resource": found["Resource"][:1]}),
        {DESTINATION: "repository/vendor/any"},
    ),
    "a template without a role": Trouble(
        need_a_role_to_create, {DESTINATION: "update-repository-creation-template --prefix team"}
    ),
    "a destination that does not know us": Trouble(
        read_back_by_confirm_alone,
        {f"destination {OTHER_ACCOUNT}/{AWAY}": READ_BACK_ROLE, f"destination {OTHER_ACCOUNT}/{HOME}": READ_BACK_ROLE},
        Standing.UNKNOWN,
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_names_what_was_changed_and_nothing_else(stage: LocalStage, trouble: Trouble) -> None:
    undo = trouble.change(stage)
    try:
        found = looked(stage)
    finally:
        undo()

    assert worst(found) is trouble.standing
    told = {finding.subject: finding.remedy for finding in found if not finding.holds}
    matched = {subject: start for subject in told for start in trouble.named if subject.startswith(start)}
    assert matched.keys() == told.keys()
    assert set(matched.values()) == trouble.named.keys()
    assert all(trouble.named[start] in told[subject] for subject, start in matched.items()), told


def test_a_role_that_trusts_lambda_for_our_account_alone_is_as_good(stage: LocalStage) -> None:
    iam = stage.client("iam")
    kept = iam.get_role(RoleName=PUSH)["Role"]["AssumeRolePolicyDocument"]
    (statement,) = kept["Statement"]
    own = {
        "StringEquals": {"aws:SourceAccount": SOURCE_ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:lambda:*:*:function:{PUSH}"},
    }
    iam.update_assume_role_policy(
        RoleName=PUSH, PolicyDocument=json.dumps({**kept, "Statement": [{**statement, "Condition": own}]})
    )
    try:
        found = looked(stage)
    finally:
        iam.update_assume_role_policy(RoleName=PUSH, PolicyDocument=json.dumps(kept))

    assert [finding for finding in found if not finding.holds] == []


def test_everything_holds_of_a_deployment_that_nobody_changed(stage: LocalStage) -> None:
    assert [finding for finding in looked(stage) if not finding.holds] == []


@pytest.mark.parametrize(
    ("change", "status"),
    [(lambda _: lambda: None, 0), (read_back_by_confirm_alone, 3), (close_destination, 1)],
    ids=["sound", "unseen", "unsound"],
)
def test_exit_status_is_by_the_worst_and_the_screen_is_one(
    stage: LocalStage, change: Callable[[LocalStage], Undo], status: int
) -> None:
    undo = change(stage)
    try:
        answer = CliRunner().invoke(main, ["doctor"])
    finally:
        undo()

    assert answer.exit_code == status, answer.output
    assert len(answer.stdout.splitlines()) <= 24


def test_mending_as_it_says_lets_replicas_in(stage: LocalStage) -> None:
    undo = close_destination(stage)
    try:
        (broken,) = (finding for finding in looked(stage) if not finding.holds)
        document = broken.remedy.partition("--policy-text '")[2].partition("'")[0]
        stage.client("ecr", OTHER_ACCOUNT, AWAY).put_registry_policy(policyText=document)
        after = [finding for finding in looked(stage) if not finding.holds]
    finally:
        undo()

    assert after == []


def test_whoever_may_look_at_nothing_is_told_so_and_nothing_is_called_wrong(stage: LocalStage) -> None:
    iam = stage.client("iam")
    iam.create_user(UserName="guest")
    key = iam.create_access_key(UserName="guest")["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=HOME)
    found = examine(Deployment("local", "aws", HOME, SOURCE_ACCOUNT), session, [])

    assert worst(found) is Standing.UNKNOWN
    assert all("not authorized" in finding.remedy for finding in found if finding.holds is None)


def test_the_reader_still_asks_for_its_external_id(stage: LocalStage) -> None:
    """What lets an operator look lets nobody else in."""
    trust = stage.client("iam", OTHER_ACCOUNT).get_role(RoleName=READ_BACK_ROLE)["Role"]["AssumeRolePolicyDocument"]

    assert [one["Condition"] for one in trust["Statement"]] == [{"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}]
