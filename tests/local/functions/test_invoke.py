"""Synchronous invocations of deployed zips, through the front door with boto3."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import chalice
import pytest
from botocore.exceptions import ClientError

from tests.local.functions.conftest import TRUST, Deployment, zipped
from transship.local.accounts import SOURCE_ACCOUNT
from transship.local.clock import ManualClock

ECHO = """
import os

def handler(event, context):
    print("seen", event)
    return {
        "event": event,
        "name": context.function_name,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "remaining": context.get_remaining_time_in_millis(),
        "client": context.client_context and context.client_context.custom,
        "pid": os.getpid(),
        "environ": dict(os.environ),
    }
"""


@pytest.fixture(name="echo", scope="module")
def _echo(deployment: Deployment) -> str:
    deployment.function("echo", ECHO, Environment={"Variables": {"COLOUR": "red"}})
    return "echo"


def test_function_sees_event_context_and_its_own_variables(deployment: Deployment, echo: str) -> None:
    answer, payload = deployment.invoke(echo, {"a": [1, "ü"]})

    assert (answer["StatusCode"], answer["ExecutedVersion"], "FunctionError" in answer) == (200, "$LATEST", False)
    assert payload["event"] == {"a": [1, "ü"]}
    assert payload["arn"] == f"arn:aws:lambda:us-east-1:{SOURCE_ACCOUNT}:function:echo"
    assert (payload["name"], payload["memory"]) == ("echo", "256")
    assert 9_000 < payload["remaining"] <= 10_000
    assert payload["environ"]["COLOUR"] == "red"
    assert payload["environ"]["AWS_ENDPOINT_URL"] == deployment.aws.endpoint_url
    assert payload["environ"]["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_python3.")


def test_variables_of_the_starting_process_do_not_reach_a_function(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_WORKSTATION", "1")
    deployment.function("isolated", ECHO)

    _, payload = deployment.invoke("isolated")

    assert "SECRET_OF_THE_WORKSTATION" not in payload["environ"]
    assert payload["environ"]["HOME"] == payload["environ"]["TMPDIR"]


def test_second_invocation_is_warm(deployment: Deployment, echo: str) -> None:
    pids = {deployment.invoke(echo)[1]["pid"] for _ in range(3)}

    assert len(pids) == 1


def test_new_code_replaces_the_warm_environment(deployment: Deployment) -> None:
    deployment.function("versions", "def handler(event, context): return 1")
    before = deployment.invoke("versions")[1]
    deployment.update("versions", "def handler(event, context): return 2")

    assert (before, deployment.invoke("versions")[1]) == (1, 2)


def test_tail_holds_start_print_and_report(deployment: Deployment, echo: str) -> None:
    answer, _ = deployment.invoke(echo, {"k": "v"}, LogType="Tail")

    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    assert lines[0].startswith("START RequestId: ")
    assert "seen {'k': 'v'}" in lines
    assert lines[-1].startswith("REPORT RequestId: ")


def test_client_context_reaches_the_function(deployment: Deployment, echo: str) -> None:
    context = base64.b64encode(json.dumps({"custom": {"x": "y"}}).encode()).decode()

    assert deployment.invoke(echo, ClientContext=context)[1]["client"] == {"x": "y"}


def test_exception_is_an_unhandled_function_error(deployment: Deployment) -> None:
    deployment.function("raises", "def handler(event, context): raise ValueError('boom')")

    answer, payload = deployment.invoke("raises")

    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert (payload["errorType"], payload["errorMessage"]) == ("ValueError", "boom")
    assert "raise ValueError" in "".join(payload["stackTrace"])


@pytest.mark.parametrize(
    ("code", "error_type", "message"),
    [
        pytest.param("import nowhere", "Runtime.ImportModuleError", "No module named 'nowhere'", id="import"),
        pytest.param("x = 1", "Runtime.HandlerNotFound", "Handler 'handler' missing", id="no-handler"),
        pytest.param("def handler(:", "Runtime.UserCodeSyntaxError", "Syntax error", id="syntax"),
        pytest.param("import os; os._exit(7)", "Runtime.ExitError", "exit status 7", id="exit"),
        pytest.param("raise ValueError('at import')", "ValueError", "at import", id="raises"),
    ],
)
def test_initialisation_fails(
    deployment: Deployment, request: pytest.FixtureRequest, code: str, error_type: str, message: str
) -> None:
    name = f"init-{request.node.callspec.id}"
    deployment.function(name, code)

    answer, payload = deployment.invoke(name)

    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == error_type
    assert message in payload["errorMessage"]


def test_installed_packages_are_not_in_the_runtime(deployment: Deployment) -> None:
    """A package missing from requirements.txt must fail here as it does at AWS."""
    code = """
def handler(event, context):
    found = []
    for name in ("boto3", "moto", "transship", "chalicelib", "pytest", "click", "simplejson", "awslambdaric"):
        try:
            __import__(name)
        except ImportError:
            continue
        found.append(name)
    return found
"""
    deployment.function("imports", code)

    assert deployment.invoke("imports")[1] == ["simplejson", "awslambdaric"]


@pytest.mark.parametrize(
    ("code", "error_type", "message"),
    [
        pytest.param("import os; os._exit(3)", "Runtime.ExitError", "exit status 3", id="status"),
        pytest.param("import os; os._exit(0)", "Runtime.ExitError", "without providing a reason", id="zero"),
        pytest.param("import os; os.kill(os.getpid(), 11)", "Runtime.ExitError", "signal: SIGSEGV", id="signal"),
        pytest.param("import time; time.sleep(60)", "Sandbox.Timedout", "timed out after 1.00 seconds", id="timeout"),
        pytest.param("x = b'x' * (200 << 20)", "Runtime.OutOfMemory", "signal: killed", id="memory"),
    ],
)
def test_process_fails_and_the_next_invocation_gets_a_new_one(
    deployment: Deployment, request: pytest.FixtureRequest, code: str, error_type: str, message: str
) -> None:
    name = f"dies-{request.node.callspec.id}"
    body = f"def handler(event, context):\n    if event == 'well': return 'well'\n    {code}"
    deployment.function(name, body, Timeout=1, MemorySize=128)
    assert deployment.invoke(name, "well")[1] == "well"

    answer, payload = deployment.invoke(name)

    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == error_type
    assert message in payload["errorMessage"]
    assert deployment.invoke(name, "well")[1] == "well"


def test_answer_that_is_too_long_is_refused(deployment: Deployment) -> None:
    deployment.function("long", "def handler(event, context): return 'x' * event")

    assert deployment.invoke("long", 6_291_554)[1] == "x" * 6_291_554
    assert deployment.invoke("long", 6_291_555)[1]["errorType"] == "Function.ResponseSizeTooLarge"


def test_unknown_function(deployment: Deployment) -> None:
    with pytest.raises(ClientError) as refused:
        deployment.invoke("nowhere")

    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_payload_that_is_no_json(deployment: Deployment, echo: str) -> None:
    with pytest.raises(ClientError) as refused:
        deployment.client("lambda").invoke(FunctionName=echo, Payload=b"{")

    assert refused.value.response["Error"]["Code"] == "InvalidRequestContentException"


def test_dry_run_does_not_run(deployment: Deployment) -> None:
    deployment.function("dry", "raise SystemExit")

    answer, payload = deployment.invoke("dry", InvocationType="DryRun")

    assert (answer["StatusCode"], payload) == (204, None)


def test_other_python_is_refused(deployment: Deployment) -> None:
    deployment.function("other", "def handler(event, context): return 1", Runtime="python3.14")

    with pytest.raises(ClientError) as refused:
        deployment.invoke("other")

    assert refused.value.response["Error"]["Code"] == "InvalidRuntimeException"


def test_identity_is_the_functions_role(deployment: Deployment, echo: str) -> None:
    environ: dict[str, Any] = deployment.invoke(echo)[1]["environ"]

    caller = deployment.aws.iam.resolve(environ["AWS_ACCESS_KEY_ID"], "us-east-1")

    assert caller.arn == f"arn:aws:sts::{SOURCE_ACCOUNT}:assumed-role/role-echo/echo"


CHALICE_APP = """
from chalice import Chalice

app = Chalice(app_name="sample")

@app.on_sqs_message(queue="sample", name="take")
def take(event):
    return [record.body for record in event]
"""


def test_zip_of_a_chalice_project_runs(deployment: Deployment) -> None:
    """Chalice's packager puts two files of Chalice beside the project (`chalice/deploy/packager.py`)."""
    runtime = Path(chalice.__file__).parent
    files = {f"chalice/{name}": (runtime / name).read_text() for name in ("__init__.py", "app.py")}
    code = zipped({"app.py": CHALICE_APP, **files})
    deployment.function("chalice", "", Handler="app.take", Code={"ZipFile": code})

    assert deployment.invoke("chalice", {"Records": [{"body": "b", "receiptHandle": "r"}]})[1] == ["b"]


def test_environment_is_replaced_before_its_credentials_expire(
    deployment: Deployment, clock: ManualClock, echo: str
) -> None:
    before = deployment.invoke(echo)[1]

    clock.advance(3600 - 30)

    after = deployment.invoke(echo)[1]
    assert after["pid"] != before["pid"]
    assert after["environ"]["AWS_ACCESS_KEY_ID"] != before["environ"]["AWS_ACCESS_KEY_ID"]


def test_code_that_is_no_zip(deployment: Deployment) -> None:
    deployment.function("no-zip", "", Code={"ZipFile": b"no zip"})

    with pytest.raises(ClientError) as refused:
        deployment.invoke("no-zip")

    assert refused.value.response["Error"]["Code"] == "InvalidZipFileException"


def test_role_that_lambda_may_not_assume(deployment: Deployment) -> None:
    deployment.function("untrusted", "def handler(event, context): return 1")
    trust = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Principal": {"Service": "ec2.amazonaws.com"}}]}
    deployment.client("iam").update_assume_role_policy(RoleName="role-untrusted", PolicyDocument=json.dumps(trust))

    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        deployment.invoke("untrusted")
