"""What functions took, as it is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.local.functions.conftest import Deployment

WORK = """
import resource

def handler(event, context):
    held = bytearray(event["mib"] << 20)
    del held
    while resource.getrusage(resource.RUSAGE_SELF).ru_utime < event["until"]:
        pass
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
"""


def test_cpu_and_peak_memory_are_those_of_the_process(deployment: Deployment) -> None:
    deployment.function("work", WORK, MemorySize=512)
    functions = deployment.aws.functions

    total = deployment.invoke("work", {"mib": 100, "until": 0.3})[1]
    deployment.invoke("work", {"mib": 0, "until": 0})

    first, second = functions.invocations(function="work")
    assert first.outcome.usage.init_seconds is not None
    assert first.outcome.usage.cpu_seconds == pytest.approx(total, abs=0.05)
    assert 100 < first.outcome.usage.peak_rss_mib < 140
    assert second.outcome.usage.init_seconds is None
    assert second.outcome.usage.cpu_seconds < 0.05
    assert second.outcome.usage.peak_rss_mib < 40
    usage = functions.usage("work")
    assert usage.cpu_seconds == pytest.approx(total, abs=0.05)
    assert usage.peak_rss_mib == first.outcome.usage.peak_rss_mib


DIES = """
import os, time

def handler(event, context):
    while time.process_time() < 0.4:
        pass
    os._exit(1)
"""


def test_usage_of_dead_processes_counts(deployment: Deployment) -> None:
    deployment.function("burns", DIES)
    before = deployment.aws.functions.usage().cpu_seconds

    for _ in range(2):
        assert deployment.invoke("burns")[1]["errorType"] == "Runtime.ExitError"

    assert 0.8 <= deployment.aws.functions.usage("burns").cpu_seconds < 1.2
    assert deployment.aws.functions.usage().cpu_seconds - before >= 0.8
