"""
The names of everything that a deployment consists of; `.chalice/foundation.json` uses the same.

Everything is derived from the stage and from where the function runs, so that policies can be static
(`arn:*:sqs:*:*:transship-*`) and no name is configured twice.
"""

from __future__ import annotations

from typing import Final, Self

from msgspec import Struct

from chalicelib.oci.reference import Registry

UPLOADS: Final = "uploads"
PUSH: Final = "push"
PUBLISH: Final = "publish"
CONFIRM: Final = "confirm"
QUEUES: Final = (UPLOADS, PUSH, PUBLISH, CONFIRM)

RECEIVE: Final = "receive"
SWEEP: Final = "sweep"
FUNCTIONS: Final = (RECEIVE, PUSH, PUBLISH, CONFIRM, SWEEP)

EVENT_SOURCE: Final = "transship"


def queue_name(stage: str, queue: str) -> str:
    """Return the name of one of `QUEUES`."""
    return f"transship-{stage}-{queue}"


def function_name(stage: str, function: str) -> str:
    """Return the full name of one of `FUNCTIONS`; Chalice names it so."""
    return f"transship-{stage}-{function}"


def role_name(stage: str, function: str) -> str:
    """Return the name of the role of one of `FUNCTIONS`; Chalice names it so."""
    return f"transship-{stage}-{function}"


class Deployment(Struct, frozen=True):
    """
    Where a deployment lives: *stage*, and the *partition*, *region* and *account* that its functions run in.

    *function* is the full name of the function that runs, "" outside of Lambda; *target_account* is whose registry is
    pushed to, "" for our own account's.
    """

    stage: str
    partition: str
    region: str
    account: str
    function: str = ""
    target_account: str = ""

    @classmethod
    def of_function(cls, stage: str, function_arn: str, target_account: str = "") -> Self:
        """Read the rest from the ARN of a function (`arn:P:lambda:R:A:function:NAME`, a qualifier may follow)."""
        _, partition, _, region, account, _, function, *_ = function_arn.split(":")
        return cls(stage, partition, region, account, function, target_account)

    @property
    def registry(self) -> Registry:
        """The registry that images are pushed to."""
        return Registry(self.target_account or self.account, self.region)

    @property
    def bucket(self) -> str:
        """The bucket of uploads; names of buckets are global, hence the account and the Region."""
        return f"transship-{self.stage}-{self.account}-{self.region}"

    @property
    def table(self) -> str:
        """The table of state."""
        return f"transship-{self.stage}"

    def queue_arn(self, queue: str) -> str:
        """Return the ARN of one of `QUEUES`."""
        return f"arn:{self.partition}:sqs:{self.region}:{self.account}:{queue_name(self.stage, queue)}"

    @property
    def bus_arn(self) -> str:
        """The bus of events: by ARN, since PutEvents drops events for an unknown name silently (ecr.md 5.3)."""
        return f"arn:{self.partition}:events:{self.region}:{self.account}:event-bus/transship-{self.stage}"


PROVENANCE: Final = ".prov"
"""What Helm appends to the name of a chart's file for the file that signs it."""


def is_companion(key: str) -> bool:
    """Tell whether an object is no upload of its own but belongs to the chart beside it."""
    return key.endswith(PROVENANCE)
