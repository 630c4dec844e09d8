"""`transship deploy` against the local AWS: once from nothing, and then with one thing broken at a time."""

from __future__ import annotations

import json
import marshal
import zipfile
from collections.abc import Callable, Iterator
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path
from types import CodeType
from typing import Any, Final

import boto3
import pytest

from chalicelib.aws.operations import BY_BOTOCORE, OPERATIONS
from chalicelib.names import FUNCTIONS, Deployment, function_name, queue_name
from transship.deploy import deploy
from transship.deploy.application import deploy_application
from transship.deploy.checks import SELF_QUEUEING, check
from transship.deploy.deployed import read_deployed
from transship.deploy.foundation import deploy_foundation, stack_name
from transship.deploy.project import Stage, write_project
from transship.errors import CommandError
from transship.local.accounts import SOURCE_ACCOUNT
from transship.local.stack import LocalAws

STAGE = "local"


@pytest.fixture(name="aws_variables", scope="module")
def _aws_variables() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(name="session", scope="module")
def _session(tmp_path_factory: pytest.TempPathFactory, aws_variables: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    with LocalAws(tmp_path_factory.mktemp("aws")) as aws:
        keys = aws.administrator(SOURCE_ACCOUNT)
        aws_variables.setenv("AWS_ENDPOINT_URL", aws.endpoint_url)
        yield boto3.Session(
            aws_access_key_id=keys.access_key, aws_secret_access_key=keys.secret_key, region_name="us-east-1"
        )


@pytest.fixture(name="deployment", scope="module")
def _deployment(session: boto3.Session) -> Deployment:
    return deploy(STAGE, session)


@pytest.fixture(name="client", scope="module")
def _client(session: boto3.Session, deployment: Deployment) -> Iterator[Callable[[str], Any]]:
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        return made.setdefault(service, session.client(service))  # type: ignore[call-overload]

    assert deployment
    yield client
    for used in made.values():
        used.close()


@pytest.fixture(name="noted", scope="module")
def _noted(deployment: Deployment, session: boto3.Session) -> dict[str, Any]:
    """What there was after the first deployment."""
    return read_deployed(deployment, session)


@pytest.fixture(name="deployed_again", scope="module")
def _deployed_again(
    deployment: Deployment,
    session: boto3.Session,
    noted: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The project from which the application was deployed a second time, as Chalice left it."""
    assert noted
    project = tmp_path_factory.mktemp("project")
    write_project(project, Stage.read(STAGE), deployment)
    deploy_application(project, deployment, session)
    return project


def broken(deployment: Deployment, session: boto3.Session) -> list[str]:
    return [finding.subject for finding in check(deployment, session) if not finding.holds]


def test_deployment_is_where_the_session_leads(deployment: Deployment) -> None:
    assert deployment == Deployment(STAGE, "aws", "us-east-1", SOURCE_ACCOUNT)


def test_everything_holds_after_it(deployment: Deployment, session: boto3.Session) -> None:
    findings = check(deployment, session)

    assert len(findings) > 3 * len(FUNCTIONS)
    assert [finding.subject for finding in findings if not finding.holds] == []


def test_roles_have_the_narrowed_policies(client: Callable[[str], Any]) -> None:
    for function in FUNCTIONS:
        role = function_name(STAGE, function)
        document = client("iam").get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]

        assert "arn:*" not in json.dumps(document)
        assert f"transship-{STAGE}-{function}" in json.dumps(document)


def test_code_and_dependencies_are_apart(client: Callable[[str], Any]) -> None:
    functions = [client("lambda").get_function(FunctionName=function_name(STAGE, name)) for name in FUNCTIONS]

    assert {len(function["Configuration"]["Layers"]) for function in functions} == {1}
    assert max(function["Configuration"]["CodeSize"] for function in functions) < 1 << 20


def test_packages_are_compiled_and_hold_of_models_the_calls_that_are_made(deployed_again: Path) -> None:
    packages = deployed_again / ".chalice" / "deployments"
    (code,), (layer,) = packages.glob("appcode-*.zip"), packages.glob("managed-layer-*.zip")

    with zipfile.ZipFile(code) as ours, zipfile.ZipFile(layer) as dependencies:
        assert {"app.py", "chalice/app.py", "chalicelib/push.py"} <= set(ours.namelist())
        _assert_compiled(ours)
        _assert_compiled(dependencies)
        models = [path for path in dependencies.namelist() if path.endswith("/service-2.json")]
        calls = {
            path.split("data/")[1].split("/")[0]: set(json.loads(dependencies.read(path))["operations"])
            for path in models
        }

    assert calls == {service: {*called, *BY_BOTOCORE.get(service, ())} for service, called in OPERATIONS.items()}


def test_our_modules_are_compiled_without_what_only_people_read(deployed_again: Path) -> None:
    (code,) = (deployed_again / ".chalice" / "deployments").glob("appcode-*.zip")
    with zipfile.ZipFile(code) as ours:
        compiled = ours.read(cache_from_source("chalicelib/errors.py"))
        source = ours.read("chalicelib/errors.py").decode()

    assert "The root of all errors" in source
    assert b"The root of all errors" not in compiled
    assert b"TransshipError" in compiled


def _assert_compiled(package: zipfile.ZipFile) -> None:
    """Every source has beside it what Python would make of it, in a form that is used whatever the dates say."""
    sources = [name for name in package.namelist() if name.endswith(".py")]
    for source in sources:
        compiled = package.read(cache_from_source(source))
        assert compiled[:8] == MAGIC_NUMBER + (0b01).to_bytes(4, "little"), source  # PEP 552: a hash, unchecked
        assert compiled[8:16] == source_hash(package.read(source)), source
        assert isinstance(marshal.loads(compiled[16:]), CodeType), source  # noqa: S302 - made here


def test_self_queueing_functions_may_recurse(client: Callable[[str], Any]) -> None:
    for function in SELF_QUEUEING:
        answer = client("lambda").get_function_recursion_config(FunctionName=function_name(STAGE, function))

        assert answer["RecursiveLoop"] == "Allow"


def test_a_service_invokes_for_our_account_alone_and_chalice_adds_no_other_permission(
    client: Callable[[str], Any], deployed_again: Path
) -> None:
    assert deployed_again
    policy = json.loads(client("lambda").get_policy(FunctionName=function_name(STAGE, "sweep"))["Policy"])

    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"AWS:SourceAccount": SOURCE_ACCOUNT}
    assert statement["Condition"]["ArnLike"]["AWS:SourceArn"].endswith(":rule/transship-local-sweep-event")


def test_notes_read_from_aws_are_those_that_chalice_writes(
    deployment: Deployment, session: boto3.Session, noted: dict[str, Any], deployed_again: Path
) -> None:
    before = noted
    written = json.loads((deployed_again / ".chalice" / "deployed" / f"{STAGE}.json").read_text())

    def by_name(notes: dict[str, Any]) -> dict[str, Any]:
        return {note["name"]: note for note in notes["resources"] if note["resource_type"] != "lambda_layer"}

    assert by_name(written) == by_name(before) == by_name(read_deployed(deployment, session))
    assert {name: written[name] for name in ("schema_version", "backend")} == {
        name: before[name] for name in ("schema_version", "backend")
    }


def test_second_deployment_updates_the_first(session: boto3.Session, client: Callable[[str], Any]) -> None:
    mappings = client("lambda").list_event_source_mappings()["EventSourceMappings"]

    steps: list[str] = []
    deploy(STAGE, session, steps.append)

    again = client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert {mapping["UUID"] for mapping in again} == {mapping["UUID"] for mapping in mappings}
    assert steps == ["foundation stack", "functions", "recursion settings", "invocations", "checks"]


def test_function_that_is_gone_is_found(deployment: Deployment, session: boto3.Session) -> None:
    other = Deployment("dev", deployment.partition, deployment.region, deployment.account)

    subjects = broken(other, session)

    assert "queue transship-dev-uploads exists" in subjects
    assert "function transship-dev-push may queue for itself" in subjects
    assert "function transship-dev-sweep runs on its schedule" in subjects
    assert f"bucket {other.bucket} tells of new objects" in subjects


def _terminate_recursion(client: Callable[[str], Any], _: Deployment) -> None:
    client("lambda").put_function_recursion_config(
        FunctionName=function_name(STAGE, "confirm"), RecursiveLoop="Terminate"
    )


def _shorten_visibility(client: Callable[[str], Any], _: Deployment) -> None:
    url = client("sqs").get_queue_url(QueueName=queue_name(STAGE, "push"))["QueueUrl"]
    client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "600"})


def _disable_mapping(client: Callable[[str], Any], _: Deployment) -> None:
    (mapping,) = (
        found
        for found in client("lambda").list_event_source_mappings()["EventSourceMappings"]
        if found["EventSourceArn"].endswith("-publish")
    )
    client("lambda").update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def _raise_concurrency(client: Callable[[str], Any], _: Deployment) -> None:
    (mapping,) = (
        found
        for found in client("lambda").list_event_source_mappings()["EventSourceMappings"]
        if found["EventSourceArn"].endswith("-publish")
    )
    client("lambda").update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": 3})


def _drop_notification(client: Callable[[str], Any], deployment: Deployment) -> None:
    client("s3").put_bucket_notification_configuration(Bucket=deployment.bucket, NotificationConfiguration={})


def _open_queue(client: Callable[[str], Any], _: Deployment) -> None:
    url = client("sqs").get_queue_url(QueueName=queue_name(STAGE, "confirm"))["QueueUrl"]
    anybody = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": f"arn:aws:sqs:us-east-1:{SOURCE_ACCOUNT}:{queue_name(STAGE, 'confirm')}",
            }
        ],
    }
    client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(anybody)})


HINTS: Final = f"arn:aws:events:us-east-1:{SOURCE_ACCOUNT}:rule/transship-local-replication-hints"


def _disable_schedule(client: Callable[[str], Any], _: Deployment) -> None:
    client("events").disable_rule(Name=f"{function_name(STAGE, 'sweep')}-event")


def _open_sweep(client: Callable[[str], Any], _: Deployment) -> None:
    """As Chalice leaves it: for one rule, whoever that belongs to."""
    client("lambda").add_permission(
        FunctionName=function_name(STAGE, "sweep"),
        StatementId="as-chalice-writes-it",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=f"arn:aws:events:us-east-1:{SOURCE_ACCOUNT}:rule/{function_name(STAGE, 'sweep')}-event",
    )


@pytest.mark.parametrize(
    ("breaks", "subject"),
    [
        (_terminate_recursion, "function transship-local-confirm may queue for itself"),
        (_shorten_visibility, "queue transship-local-push hides a message for 6 times its function's timeout"),
        (_disable_mapping, "queue transship-local-publish is consumed by publish"),
        (_raise_concurrency, "queue transship-local-publish is consumed by at most 2 functions at once"),
        (_drop_notification, f"bucket transship-local-{SOURCE_ACCOUNT}-us-east-1 tells of new objects"),
        (
            _open_queue,
            f"queue transship-local-confirm takes them for {HINTS} alone",
        ),
        (_disable_schedule, "function transship-local-sweep runs on its schedule"),
        (_open_sweep, "function transship-local-sweep is invoked for its rule alone"),
    ],
    ids=["recursion", "visibility", "mapping", "concurrency", "notification", "policy", "schedule", "invocation"],
)
def test_what_was_changed_by_hand_is_found(
    breaks: Callable[[Callable[[str], Any], Deployment], None],
    subject: str,
    client: Callable[[str], Any],
    deployment: Deployment,
    session: boto3.Session,
) -> None:
    breaks(client, deployment)

    assert subject in broken(deployment, session)


def test_stack_that_fails_says_why(deployment: Deployment, session: boto3.Session) -> None:
    taken = Deployment("taken", deployment.partition, deployment.region, deployment.account)
    sqs = session.client("sqs")
    sqs.create_queue(QueueName=queue_name("taken", "push"), Attributes={"VisibilityTimeout": "1"})
    sqs.close()

    with pytest.raises(CommandError, match="PushQueue: ") as failed:
        deploy_foundation(taken, {}, session)
    assert stack_name("taken") in failed.value.message

    with pytest.raises(CommandError, match="cannot be updated") as stuck:
        deploy_foundation(taken, {}, session)
    assert "delete-stack" in stuck.value.remedy


def test_chalice_that_fails_says_why(deployment: Deployment, session: boto3.Session, tmp_path: Path) -> None:
    write_project(tmp_path, Stage.read(STAGE), deployment)
    (tmp_path / "app.py").write_text("raise RuntimeError('not today')\n")

    with pytest.raises(CommandError, match="not today"):
        deploy_application(tmp_path, deployment, session)
