"""What all functions together ask of ECR, against the quotas of an account."""

from __future__ import annotations

import pytest

from chalicelib.names import CONFIRM, PUBLISH, PUSH, RECEIVE
from chalicelib.rates import CONCURRENCY, QUOTAS, USES, Use


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.function}-{use.operation}")
def test_all_functions_together_stay_within_the_quota(use: Use) -> None:
    assert use.together <= QUOTAS[use.operation]
    assert use.because


def test_every_quota_is_reckoned_with() -> None:
    assert {use.operation for use in USES} == set(QUOTAS)


def test_every_function_behind_a_queue_is_bounded() -> None:
    assert set(CONCURRENCY) == {RECEIVE, PUSH, PUBLISH, CONFIRM}
    assert min(CONCURRENCY.values()) >= 2, "Lambda takes no less for a queue"
