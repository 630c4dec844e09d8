"""Nothing of functions is left when the local AWS stops: no process, no thread, no directory."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import psutil

from tests.local.functions.conftest import Deployment, LogLines
from transship.local.stack import LocalAws

if TYPE_CHECKING:
    from pathlib import Path


def is_running(pid: int) -> bool:
    """Return whether *pid* runs; a killed orphan may wait for init to reap it."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


SPAWN = """
import subprocess, time

def handler(event, context):
    child = subprocess.Popen(["sleep", "600"])
    print("child", child.pid, flush=True)
    if event:
        time.sleep(600)
"""


def test_nothing_is_left_after_stop(tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    threads_before = set(threading.enumerate())
    aws = LocalAws(tmp_path)
    with aws:
        deployment, log = Deployment(aws), LogLines()
        aws.functions.on_log(log)
        url, arn = deployment.queue("stopped")
        deployment.function("stopped", SPAWN, Timeout=30)
        deployment.mapping(arn, "stopped", BatchSize=1)
        deployment.function("idle", SPAWN)
        deployment.invoke("idle", 0)
        deployment.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(1))
        children = [int(log.wait_for(name, "child")[0].split()[1]) for name in ("stopped", "idle")]
        assert all(is_running(child) for child in children)
        assert len(set(psutil.Process().children(recursive=True)) - before) == 4
        deployment.close()
        began = time.monotonic()

    assert time.monotonic() - began < 5
    assert set(psutil.Process().children(recursive=True)) == before
    assert not any(is_running(child) for child in children)
    assert list((tmp_path / "functions" / "scratch").iterdir()) == []
    assert set(threading.enumerate()) == threads_before
