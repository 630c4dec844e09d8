"""How quick deliveries are and what waiting costs, by the real clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from transship.local.stack import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.local.functions.conftest import Deployment, LogLines


@pytest.fixture(name="new_aws", scope="module")
def _new_aws() -> Callable[[Path], LocalAws]:
    return LocalAws


def test_message_is_picked_up_at_once_and_waiting_costs_nothing(deployment: Deployment, log: LogLines) -> None:
    url, arn = deployment.queue("quick")
    deployment.function("quick", "import time\ndef handler(event, context): print('began', time.time())")
    deployment.mapping(arn, "quick")
    delays = []
    for count in range(1, 8):
        deployment.client("sqs").send_message(QueueUrl=url, MessageBody="m")
        sent = time.time()
        delays.append(float(log.wait_for("quick", "began", count=count)[-1].split()[1]) - sent)
        deployment.until(lambda: deployment.messages(url) == (0, 0))

    cpu = time.process_time()
    time.sleep(1.0)  # the subject: a second in which nothing happens
    assert time.process_time() - cpu < 0.05
    assert sorted(delays)[3] < 1.0, delays  # waiting for the next poll would take seconds
