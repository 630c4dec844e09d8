"""The stack as a whole: how soon it is there, how cleanly it goes, how little it takes."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import boto3
import psutil
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from moto.sqs.models import sqs_backends

from transship.local.accounts import SOURCE_ACCOUNT
from transship.local.stack import LocalAws

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


def client(aws: LocalAws, service: str) -> Any:
    keys = aws.administrator(SOURCE_ACCOUNT).for_boto3()
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client(service, region_name="us-east-1", endpoint_url=aws.endpoint_url, config=config, **keys)


def test_stack_answers_once_it_has_started(tmp_path: Path) -> None:
    """How long that takes is measured by `make bench`."""
    with (
        LocalAws(tmp_path, registries=[(SOURCE_ACCOUNT, "us-east-1")]) as aws,
        socket.create_connection(("127.0.0.1", int(aws.endpoint_url.rpartition(":")[2]))) as connection,
    ):
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"MissingAuthenticationToken" in connection.makefile("rb").read()


def test_stack_leaves_no_thread_and_no_process(tmp_path: Path) -> None:
    before = set(threading.enumerate())

    with LocalAws(tmp_path, registries=[(SOURCE_ACCOUNT, "us-east-1")]) as aws:
        sqs = client(aws, "sqs")
        sqs.list_queues()

    sqs.close()
    assert set(threading.enumerate()) <= before
    assert not psutil.Process().children()


def test_stack_stops_while_a_client_waits_for_messages(tmp_path: Path) -> None:
    with LocalAws(tmp_path) as aws:
        sqs = client(aws, "sqs")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        ended = threading.Event()

        def wait() -> None:
            try:
                sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
            except BotoCoreError:
                ended.set()

        waiting = threading.Thread(target=wait)
        waiting.start()
        queue = sqs_backends[SOURCE_ACCOUNT]["us-east-1"].queues["q"]
        deadline = time.monotonic() + 5
        while not queue._messages_lock._waiters and time.monotonic() < deadline:  # type: ignore[attr-defined]
            time.sleep(0.01)
        started = time.perf_counter()

    waiting.join()
    sqs.close()
    assert ended.is_set()
    assert time.perf_counter() - started < 5


def test_stack_starts_empty_again(tmp_path: Path) -> None:
    with LocalAws(tmp_path / "one") as aws:
        first = client(aws, "s3")
        first.create_bucket(Bucket="once")
        first.close()

    with LocalAws(tmp_path / "two") as aws:
        second = client(aws, "s3")
        assert second.list_buckets()["Buckets"] == []
        second.create_bucket(Bucket="once")
        second.close()
