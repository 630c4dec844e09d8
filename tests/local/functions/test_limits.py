"""Limits of the account and of idleness."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from transship.local.stack import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.local.functions.conftest import Deployment


@pytest.fixture(name="new_aws", scope="module")
def _new_aws() -> Callable[[Path], LocalAws]:
    return lambda data_dir: LocalAws(data_dir, function_options={"account_concurrency": 1, "idle_seconds": 0.5})


def test_account_has_a_limit(deployment: Deployment) -> None:
    deployment.function("busy", "import time\ndef handler(event, context): time.sleep(1)")

    with ThreadPoolExecutor(2) as threads:
        outcomes = [each.exception() for each in [threads.submit(deployment.invoke, "busy") for _ in range(2)]]

    assert sorted(type(each).__name__ for each in outcomes) == ["NoneType", "TooManyRequestsException"]


def test_idle_environment_is_ended(deployment: Deployment) -> None:
    deployment.function("idle", "def handler(event, context): return 1")
    deployment.invoke("idle")
    assert deployment.aws.functions.pool.count("idle") == (0, 1)

    deployment.until(lambda: deployment.aws.functions.pool.count("idle") == (0, 0))
