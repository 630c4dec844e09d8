"""A decision is cheap: every call to the local AWS pays for at least one."""

from __future__ import annotations

import time
import timeit
from typing import TYPE_CHECKING

import pytest

from transship.local.accounts import SOURCE_ACCOUNT
from transship.local.caller import AccessRequest

if TYPE_CHECKING:
    from tests.local.iam.conftest import World

DECISIONS = 1000


@pytest.mark.check
def test_decision_takes_less_than_300_microseconds(world: World) -> None:
    repositories = f"arn:aws:ecr:*:{SOURCE_ACCOUNT}:repository/*"
    condition = {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}}
    statements = [world.allow(f"ecr:{name}*", repositories, Condition=condition) for name in ("Put", "Upload", "Batch")]
    role = world.role("pusher", world.trust({"AWS": SOURCE_ACCOUNT}), *statements)
    iam = world.aws.iam
    caller = iam.resolve(world.assume(role).access_key, "eu-west-1")
    resource = f"arn:aws:ecr:eu-west-1:{SOURCE_ACCOUNT}:repository/app"
    request = AccessRequest("ecr:UploadLayerPart", resource, SOURCE_ACCOUNT)

    # Time of this process alone: others may be busy on the machine.
    rounds = timeit.repeat(lambda: iam.authorize(caller, request), timer=time.process_time, number=DECISIONS, repeat=5)
    seconds = min(rounds) / DECISIONS

    assert seconds < 300e-6
