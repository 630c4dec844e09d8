"""
Cold starts: from the start of a function's process to the answer to its first event.

Functions are made cold as on AWS, by a change of their configuration. The archive is small, so that the first event of
`push` is an ordinary one; its work is included, and so are all calls that it makes.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from chalicelib.names import PUBLISH, PUSH, RECEIVE, function_name
from transship.local.functions.invocation import InvocationUsage
from transship.local_stage import STAGE, LocalStage

_COLD: Final = (RECEIVE, PUSH, PUBLISH)
_MOST_MIB: Final = 3_008


def cold_starts(stage: LocalStage, push: Callable[[Path, str], object], archive: Path, times: int) -> dict[str, object]:
    """Push *archive* so many *times*, each with cold functions, by *push*; return the medians for each function."""
    taken: defaultdict[str, list[InvocationUsage]] = defaultdict(list)
    for number in range(times):
        cool(stage, number)
        since = time.time()
        push(archive, f"uploads/bench/cold-{number}/image.tar")
        for one in stage.aws.functions.invocations(since=since):
            if one.outcome.usage.init_seconds is not None:
                taken[one.function].append(one.outcome.usage)
    return {name: _medians(taken[function_name(STAGE, name)]) for name in _COLD}


def cool(stage: LocalStage, number: int) -> None:
    """Let the next event of each function start a process; *number* is another one than the last time."""
    client = stage.client("lambda")
    for name in _COLD:
        client.update_function_configuration(FunctionName=function_name(STAGE, name), MemorySize=_MOST_MIB - number)


def _medians(starts: list[InvocationUsage]) -> dict[str, float]:
    waits = [one.init_seconds or 0.0 for one in starts]
    answers = [wait + one.seconds for wait, one in zip(waits, starts, strict=True)]
    return {
        "starts": len(starts),
        "asks_after_seconds": round(statistics.median(waits), 3),
        "answers_after_seconds": round(statistics.median(answers), 3),
        "answers_after_seconds_least": round(min(answers), 3),
        "cpu_seconds": round(statistics.median(one.cpu_seconds for one in starts), 2),
    }
