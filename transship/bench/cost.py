"""
What moving an image costs on AWS, and at which memory size a function is cheapest.

The time of a function is the longest of three: its CPU time over the share of a core that its memory buys, what it
sends over the network cap, and what it reads over the same cap (ecr.md section 7). The figures that go in are measured
on this machine; the result is as good as this machine's core is like Lambda's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.names import PUSH
from chalicelib.rates import CONCURRENCY, QUOTAS

GIB: Final = 1 << 30
MEMORY_SIZES: Final = (512, 1024, 1769, 3008)
"""MiB; 1,769 is one core."""

# us-east-1, x86, first tier, dollars (ecr.md section 7).
_GB_SECOND: Final = 0.0000166667
_INVOCATION: Final = 0.20 / 1e6
_GET: Final = 0.0004 / 1000
_SQS: Final = 0.40 / 1e6
_DYNAMODB_WRITE: Final = 0.625 / 1e6
_DYNAMODB_READ: Final = 0.125 / 1e6
_NETWORK: Final = 625e6 / 8
_CORE_MIB: Final = 1769


@dataclass(frozen=True, slots=True)
class Work:
    """What moving an image takes: CPU seconds, bytes sent (base64 included) and bytes read."""

    cpu_seconds: float
    bytes_sent: float
    bytes_read: float


CDK_ECR_DEPLOYMENT: Final = Work(cpu_seconds=16.4, bytes_sent=499 * (1 << 20), bytes_read=1.06 * 1_108 * (1 << 20))
"""What cdk-ecr-deployment 4.2.65 took for an archive of 1,108 MiB, its best case of reading; again when unchanged."""
CDK_MEMORY: Final = 512
"""MiB, its default."""


def lambda_seconds(work: Work, memory: int) -> float:
    """Return how long one function of *memory* MiB takes; this work spreads over two cores at most."""
    cores = min(memory / _CORE_MIB, 2.0)
    return max(work.cpu_seconds / cores, work.bytes_sent / _NETWORK, work.bytes_read / _NETWORK)


def dollars(seconds: float, memory: int) -> float:
    """Return the price of *seconds* in a function of *memory* MiB."""
    return seconds * memory / 1024 * _GB_SECOND + _INVOCATION


def by_memory(work: Work) -> dict[str, dict[str, float]]:
    """Return seconds, GB-seconds and dollars for each memory size."""
    table = {}
    for memory in MEMORY_SIZES:
        seconds = lambda_seconds(work, memory)
        gb_seconds = seconds * memory / 1024
        table[str(memory)] = {
            "seconds": round(seconds, 2),
            "gb_seconds": round(gb_seconds, 2),
            "dollars": round(dollars(seconds, memory), 8),
        }
    return table


def requests(calls: Mapping[str, int], capacity: tuple[float, float]) -> dict[str, Any]:
    """
    Return how often each paid service was asked for one image, and what that costs.

    *capacity* are DynamoDB's read and write request units.
    """
    reads, writes = capacity
    units = {
        "s3_gets": calls.get("s3:GET", 0),
        "sqs_calls": sum(number for name, number in calls.items() if name.startswith("sqs:")),
        "dynamodb_calls": sum(number for name, number in calls.items() if name.startswith("dynamodb:")),
        "dynamodb_read_units": reads,
        "dynamodb_write_units": writes,
        "ecr_calls": sum(number for name, number in calls.items() if name.startswith("ecr:")),
    }
    price = units["s3_gets"] * _GET + units["sqs_calls"] * _SQS
    price += reads * _DYNAMODB_READ + writes * _DYNAMODB_WRITE
    return units | {"dollars": round(price, 8)}


def of_cdk_ecr_deployment() -> dict[str, float]:
    """Return what one push of its 1,108 MiB costs at its defaults."""
    return by_memory(CDK_ECR_DEPLOYMENT)[str(CDK_MEMORY)]


def images_a_second(calls: dict[str, int], push_seconds: float) -> dict[str, float]:
    """
    Return how many images a second each quota of ECR and the concurrency of `push` let through, the scarcest first.

    *calls* and *push_seconds* are of one image; what binds first is what has to be raised first.
    """
    made = {operation: calls.get(f"ecr:{operation}", 0) for operation in QUOTAS}
    limits = {operation: QUOTAS[operation] / number for operation, number in made.items() if number}
    if push_seconds > 0:
        limits["concurrency of push"] = CONCURRENCY[PUSH] / push_seconds
    return {name: round(limit, 2) for name, limit in sorted(limits.items(), key=lambda entry: entry[1])}


def grown(calls: dict[str, int], *, layers: int = 1, size: int = 1) -> dict[str, int]:
    """Return the calls of an image of so many times the *layers* and, in all, the *size*: parts follow the size."""
    times = {"InitiateLayerUpload": layers, "CompleteLayerUpload": layers, "UploadLayerPart": size}
    return {name: number * times.get(name.removeprefix("ecr:"), 1) for name, number in calls.items()}
