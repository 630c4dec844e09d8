"""
What function processes take: CPU seconds and resident memory.

The kernel's own high-water mark (VmHWM) is read where there is one, so that a peak between two looks is not missed.
`ru_maxrss` would not do: a process starts with the peak of the process that forked it.
CPU time of a live process has the kernel's tick (10 ms); of a dead one, from wait4, it is exact.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from resource import struct_rusage

    from transship.local.functions.invocation import Invocation, Outcome

REMEMBERED_INVOCATIONS = 10_000

_MIB = 1 << 20


class ProcessUsage:
    """Meter of one process."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._directory = Path(f"/proc/{pid}")
        self._cpu = 0.0
        self._peak = 0.0
        self._ended = False

    def cpu_seconds(self) -> float:
        """Return user and system time since the process began."""
        if not self._ended:
            try:
                times = self._process.cpu_times()
            except psutil.Error:  # it has just ended: what was seen last holds until `end`
                return self._cpu
            self._cpu = times.user + times.system + times.children_user + times.children_system
        return self._cpu

    def begin(self) -> None:
        """Forget the peak: an invocation begins."""
        self._peak = 0.0
        try:
            (self._directory / "clear_refs").write_text("5")  # resets VmHWM: proc(5)
        except OSError:  # no such file on this system, or the process has ended
            return

    def peak_rss_mib(self) -> float:
        """Return the largest resident set since `begin`, MiB."""
        try:
            self._peak = max(self._peak, self._high_water())
        except (OSError, psutil.Error):  # it has ended: what was seen last holds
            return self._peak
        return self._peak

    def _high_water(self) -> float:
        status = self._directory / "status"
        if not self._directory.parent.joinpath("self").exists():
            return float(self._process.memory_info().rss) / _MIB
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def end(self, usage: struct_rusage) -> None:
        """Take over what wait4 said about the dead process."""
        self._cpu = usage.ru_utime + usage.ru_stime
        self._ended = True


@dataclass(frozen=True, slots=True)
class FunctionUsage:
    """CPU seconds (sum) and peak resident memory in MiB (maximum) of a function's processes."""

    cpu_seconds: float = 0.0
    peak_rss_mib: float = 0.0


@dataclass(frozen=True, slots=True)
class InvocationRecord:
    """One finished invocation; *ended* is seconds since the epoch, of the machine's clock."""

    function: str
    invocation: Invocation
    outcome: Outcome
    ended: float


class UsageLedger:
    """Adds up what the processes of each function took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: dict[str, list[ProcessUsage]] = {}
        self._peaks: dict[str, float] = {}
        self._records: deque[InvocationRecord] = deque(maxlen=REMEMBERED_INVOCATIONS)

    def track(self, function: str, process: ProcessUsage) -> None:
        """Count *process*, while it lives and after, to *function*."""
        with self._lock:
            self._processes.setdefault(function, []).append(process)

    def record(self, record: InvocationRecord) -> None:
        """Remember a finished invocation; the last `REMEMBERED_INVOCATIONS` are kept."""
        with self._lock:
            self._records.append(record)
            peak = self._peaks.get(record.function, 0.0)
            self._peaks[record.function] = max(peak, record.outcome.usage.peak_rss_mib)

    def usage(self, function: str | None = None) -> FunctionUsage:
        """Return what *function*, or every function, took so far; memory as of finished invocations."""
        with self._lock:
            names = set(self._processes) if function is None else {function}
            processes = [each for name in names for each in self._processes.get(name, ())]
            peak = max((self._peaks.get(name, 0.0) for name in names), default=0.0)
        return FunctionUsage(sum(process.cpu_seconds() for process in processes), peak)

    def records(self, since: float = 0.0) -> tuple[InvocationRecord, ...]:
        """Return the remembered invocations that ended after *since*, oldest first."""
        with self._lock:
            return tuple(record for record in self._records if record.ended > since)
