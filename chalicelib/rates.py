"""
How often each function can call ECR, and that it stays below the quotas of an account and Region (ecr.md section 2).

A quota holds by arithmetic: the most functions that run at once (`CONCURRENCY`, set at their queues) times what one of
them can do in a second. Where the arithmetic needs an assumption, `Use.because` states it; what a burst exceeds all the
same is throttled by AWS, repeated by botocore with a growing wait, then by the message. Deploying checks that no queue
is consumed faster than this; another account's quotas, and what else uses them, are the operator's to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from chalicelib.names import CONFIRM, PUBLISH, PUSH, RECEIVE

QUOTAS: Final[Mapping[str, int]] = {
    "GetAuthorizationToken": 500,
    "BatchCheckLayerAvailability": 1_000,
    "InitiateLayerUpload": 100,
    "UploadLayerPart": 500,
    "CompleteLayerUpload": 100,
    "PutImage": 10,
    "BatchGetImage": 2_000,
}
"""Calls a second that an account may make in a Region, by default."""

CONCURRENCY: Final[Mapping[str, int]] = {RECEIVE: 20, PUSH: 50, PUBLISH: 2, CONFIRM: 20}
"""Functions that run at once; Lambda takes no less than 2 for a queue."""


class Use(NamedTuple):
    """What one *function* does at most *each* second, and *because* of what."""

    operation: str
    function: str
    each: float
    because: str

    @property
    def together(self) -> float:
        """Calls a second of all functions that run at once."""
        return self.each * CONCURRENCY[self.function]


USES: Final = (
    Use("UploadLayerPart", PUSH, 5.6, "625 Mbps carry 56 MiB of layer bytes a second as base64, a part has 10 MiB"),
    Use("InitiateLayerUpload", PUSH, 2.0, "layers of 28 MiB on average; smaller ones exceed it in bursts"),
    Use("CompleteLayerUpload", PUSH, 2.0, "as often as layers are begun"),
    Use("PutImage", PUBLISH, 5.0, "one after the other, each with its config and records: at least 200 ms"),
    Use("GetAuthorizationToken", RECEIVE, 5.0, "once an upload at most, which takes at least 200 ms"),
    Use("GetAuthorizationToken", PUSH, 1.0, "once a process, whose start and first message take a second"),
    Use("GetAuthorizationToken", PUBLISH, 1.0, "once a process, as for push"),
    Use("BatchCheckLayerAvailability", RECEIVE, 5.0, "once for 100 layers"),
    Use("BatchGetImage", CONFIRM, 50.0, "one after the other, at least 20 ms each"),
)
"""The calls that have a quota, where most of them come from."""
