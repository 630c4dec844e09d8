"""
What moving an image costs on AWS, and at which memory size a function is cheapest.

The time of a function is the longest of three: its CPU time over the share of a core that its memory buys, what it
sends over the network cap, and what it reads over the same cap (ecr.md section 7). The figures that go in are measured
on this machine; the result is as good as this machine's core is like Lambda's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

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


def requests(calls: dict[str, int]) -> dict[str, Any]:
    """Return how often each paid service was asked for one image, and what that costs."""
    reads = sum(number for name, number in calls.items() if name in {"dynamodb:GetItem", "dynamodb:Query"})
    writes = sum(number for name, number in calls.items() if name.startswith("dynamodb:")) - reads
    units = {
        "s3_gets": calls.get("s3:GET", 0),
        "sqs_calls": sum(number for name, number in calls.items() if name.startswith("sqs:")),
        "dynamodb_reads": reads,
        "dynamodb_writes": writes,
        "ecr_calls": sum(number for name, number in calls.items() if name.startswith("ecr:")),
    }
    price = units["s3_gets"] * _GET + units["sqs_calls"] * _SQS
    price += reads * _DYNAMODB_READ + writes * _DYNAMODB_WRITE
    return units | {"dollars": round(price, 8)}
