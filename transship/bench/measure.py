"""A command of somebody else's, run once: what it took."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LOOK: Final = 0.02
"""Seconds between two looks at a process's memory; its high-water mark only grows, so only the last one is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """
    What one push took.

    Attributes:
        seconds: Wall time.
        cpu_seconds: User and system time of the client's processes alone.
        peak_rss_mib: Most memory of one of them.
    """

    seconds: float
    cpu_seconds: float
    peak_rss_mib: float


class CommandFailedError(Exception):
    """A peer did not do what it was asked to."""


def run(command: Sequence[str]) -> Taken:
    """
    Run *command* to its end.

    Raises:
        CommandFailedError: It ended with another status than 0; the message holds the end of what it said.
    """
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:  # noqa: S603
        assert process.stdout  # noqa: S101 - it is a pipe
        os.set_blocking(process.stdout.fileno(), False)
        said, peak = b"", 0
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            said = (said + (process.stdout.read() or b""))[-2_000:]
            peak = max(peak, high_water(process.pid))
            time.sleep(_LOOK)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        said += process.stdout.read() or b""
    if process.returncode:
        raise CommandFailedError(f"{command[0]}: {said[-500:].decode(errors='replace')}")
    usage = ended[2]
    return Taken(seconds=seconds, cpu_seconds=usage.ru_utime + usage.ru_stime, peak_rss_mib=peak / 1024)


def high_water(pid: int) -> int:
    """Return VmHWM in KiB: unlike `ru_maxrss` it does not remember the process that started this one."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
