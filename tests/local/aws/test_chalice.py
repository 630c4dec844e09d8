"""`chalice deploy`, `chalice invoke` and `chalice delete`, unchanged, against the local AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from transship.local.accounts import SOURCE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transship.local.stack import LocalAws

    Clients = Callable[..., Any]

APP = """
from chalice import Chalice, Rate
app = Chalice(app_name="app")

@app.route("/")
def index():
    return {"hello": "world"}

@app.lambda_function(name="echo")
def echo(event, context):
    return {"echo": event}

@app.on_sqs_message(queue="work", batch_size=1, maximum_concurrency=2)
def worker(event):
    pass

@app.on_cw_event({"source": ["me"]})
def heard(event):
    pass

@app.schedule(Rate(1, unit=Rate.HOURS))
def hourly(event):
    pass

@app.on_s3_event(bucket="uploaded", prefix="in/")
def uploaded(event):
    pass
"""


@pytest.fixture(name="chalice", scope="module")
def _chalice(aws: LocalAws, clients: Clients, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    clients("sqs").create_queue(QueueName="work", Attributes={"VisibilityTimeout": "360"})
    clients("s3").create_bucket(Bucket="uploaded")
    project: Path = tmp_path_factory.mktemp("app")
    (project / ".chalice").mkdir()
    (project / "app.py").write_text(APP)
    (project / "requirements.txt").write_text("")
    config = {"version": "2.0", "app_name": "app", "stages": {"dev": {"api_gateway_stage": "api"}}}
    (project / ".chalice" / "config.json").write_text(json.dumps(config))
    credentials = aws.administrator(SOURCE_ACCOUNT)
    environment = os.environ | {
        "AWS_ENDPOINT_URL": aws.endpoint_url,
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }

    def run(*arguments: str, given: str = "") -> str:
        command = [sys.executable, "-c", "import sys; from chalice.cli import main; sys.exit(main())", *arguments]
        done = subprocess.run(
            command, cwd=project, env=environment, input=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.check
def test_application_is_deployed_invoked_updated_and_deleted(chalice: Callable[..., str], clients: Clients) -> None:
    functions = clients("lambda")

    chalice("deploy")
    deployed = {function["FunctionName"]: function for function in functions.list_functions()["Functions"]}
    answer = chalice("invoke", "-n", "echo", given='{"a": 1}')
    chalice("deploy")
    mapping = functions.list_event_source_mappings(FunctionName="app-dev-worker")["EventSourceMappings"][0]
    rules = [rule["Name"] for rule in clients("events").list_rules()["Rules"]]
    notified = clients("s3").get_bucket_notification_configuration(Bucket="uploaded")
    chalice("delete")

    assert set(deployed) == {f"app-dev{name}" for name in ("", "-echo", "-worker", "-heard", "-hourly", "-uploaded")}
    assert json.loads(answer) == {"echo": {"a": 1}}
    assert (mapping["BatchSize"], mapping["ScalingConfig"]) == (1, {"MaximumConcurrency": 2})
    assert len(rules) == 2
    assert len(notified["LambdaFunctionConfigurations"]) == 1
    assert functions.list_functions()["Functions"] == []
